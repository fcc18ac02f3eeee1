//! Learning of changes: one read session, begun when somebody first waits, and ended when the
//! handle is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use duramen::Backoff;
use s2_sdk::types::{ReadFrom, ReadInput, ReadSessionConfig, ReadStart};
use tokio::sync::watch;
use tokio_stream::StreamExt;

use crate::log::Shared;
use crate::remote::Remote;

/// How long to wait before a session is begun again. Its first attempts have waited already.
const PAUSE: Backoff = Backoff::new()
    .first(Duration::from_millis(200))
    .max(Duration::from_secs(10));

/// Whether the handle is open, and whether a session runs for it.
#[derive(Debug)]
pub(crate) struct Listener {
    is_listening: AtomicBool,
    /// Whether the handle is closed. Who listens to this learns as well when it is dropped.
    closed: watch::Sender<bool>,
}

impl Default for Listener {
    fn default() -> Listener {
        Listener {
            is_listening: AtomicBool::new(false),
            closed: watch::Sender::new(false),
        }
    }
}

impl Listener {
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }
}

/// Begins to listen, unless something listens already.
pub(crate) fn begin(shared: &Weak<Shared>) {
    let Some(handle) = shared.upgrade() else {
        return;
    };
    let listener = &handle.listener;
    if listener.is_closed() || listener.is_listening.swap(true, Ordering::AcqRel) {
        return;
    }
    let mut closed = listener.closed.subscribe();
    let (remote, shared) = (handle.remote.clone(), Weak::clone(shared));
    let ended = Ended(Weak::clone(&shared));
    handle.bridge.spawn(async move {
        // Also if it panics or is dropped with the runtime.
        let _ended = ended;
        tokio::select! {
            _ = closed.wait_for(|closed| *closed) => {}
            () = listen(&remote, &shared) => {}
        }
    });
}

/// Lets the next one who waits begin again.
struct Ended(Weak<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(handle) = self.0.upgrade() {
            handle.listener.is_listening.store(false, Ordering::Release);
            tell(&self.0);
        }
    }
}

/// Tells of each change until the handle is dropped.
async fn listen(remote: &Remote, shared: &Weak<Shared>) {
    let mut failures = 0;
    loop {
        if session(remote, shared).await {
            failures = 0;
        }
        // Whoever waits looks by itself, and meets what stands in the way.
        if !tell(shared) {
            return;
        }
        tokio::time::sleep(PAUSE.delay(failures)).await;
        failures = failures.saturating_add(1);
    }
}

/// Tells those who wait to look; whether the handle is still there.
fn tell(shared: &Weak<Shared>) -> bool {
    let handle = shared.upgrade();
    handle.is_some_and(|handle| {
        // Wakers are foreign code. One that panics has nothing to do with those who wait for
        // other records.
        let _ = catch_unwind(AssertUnwindSafe(|| handle.changes.notify()));
        true
    })
}

/// One session, to its end; whether it came to stand.
async fn session(remote: &Remote, shared: &Weak<Shared>) -> bool {
    let Ok(tail) = remote.tail().await else {
        return false;
    };
    let start = ReadStart::new().with_from(ReadFrom::SeqNum(tail.seq_num));
    let input = ReadInput::new().with_start(start);
    let Ok(mut session) = remote.stream.read_session(input, ReadSessionConfig::new()).await else {
        return false;
    };
    // From here on nothing is missed. What came before, somebody may be waiting for.
    if !tell(shared) {
        return false;
    }
    while let Some(Ok(_)) = session.next().await {
        if !tell(shared) {
            break;
        }
    }
    true
}
