//! A log in memory that tells what a producer does to it, waits and fails on command.

use std::sync::atomic::{AtomicBool, Ordering};

use duramen::{Ack, Error, Log, MemoryLog, NewMessage, PublishOptions, Result, Token};
use parking_lot::{Condvar, Mutex};

/// An append or a sync that a probe saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// So many messages, and whether it was to sync.
    Append(usize, bool),
    Sync,
}

type Hook = Box<dyn Fn(usize) -> Result<Option<u64>> + Send + Sync>;

#[derive(Default)]
pub(super) struct Probe {
    pub(super) log: MemoryLog,
    seen: Mutex<Vec<Seen>>,
    /// Called with the number of the call before an append or a sync; may fail, wait or panic, and replace the
    /// expected offset of an append.
    hook: Mutex<Option<Hook>>,
    gate: Gate,
    /// Whether it takes all batches for known ones, and writes nothing.
    knows_all: AtomicBool,
}

/// Holds the producer's thread up.
#[derive(Default)]
struct Gate {
    /// Whether it is shut, and how many stand in front of it.
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Probe {
    /// Has `hook` be called before each append and sync, from now on.
    pub(super) fn hook(&self, hook: impl Fn(usize) -> Result<Option<u64>> + Send + Sync + 'static) {
        *self.hook.lock() = Some(Box::new(hook));
    }

    /// Has it take all batches for known ones.
    pub(super) fn know_all(&self) {
        self.knows_all.store(true, Ordering::Relaxed);
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// The number of messages in each append.
    pub(super) fn batches(&self) -> Vec<usize> {
        let lens = self.seen().into_iter().filter_map(|seen| match seen {
            Seen::Append(len, _) => Some(len),
            Seen::Sync => None,
        });
        lens.collect()
    }

    /// Lets no append go on.
    pub(super) fn shut(&self) {
        self.gate.state.lock().0 = true;
    }

    /// Lets all go on.
    pub(super) fn open(&self) {
        self.gate.state.lock().0 = false;
        self.gate.changed.notify_all();
    }

    /// Waits until an append is held up.
    pub(super) fn held_up(&self) {
        let mut state = self.gate.state.lock();
        while state.1 == 0 {
            self.gate.changed.wait(&mut state);
        }
    }

    fn pass(&self, seen: Seen) -> Result<Option<u64>> {
        let mut all = self.seen.lock();
        let number = all.len();
        all.push(seen);
        drop(all);
        let mut state = self.gate.state.lock();
        state.1 += 1;
        self.gate.changed.notify_all();
        while state.0 {
            self.gate.changed.wait(&mut state);
        }
        state.1 -= 1;
        drop(state);
        match &*self.hook.lock() {
            Some(hook) => hook(number),
            None => Ok(None),
        }
    }
}

/// What a log fails with that has no space.
pub(super) fn no_space() -> Error {
    Error::Io {
        operation: "write",
        path: "log".into(),
        source: std::io::ErrorKind::StorageFull.into(),
    }
}

/// What a log fails with whose sync failed.
pub(super) fn sync_failed() -> Error {
    Error::SyncFailed {
        path: "log".into(),
        source: std::io::ErrorKind::Other.into(),
    }
}

/// What a log fails with after that.
pub(super) fn poisoned() -> Error {
    Error::Poisoned {
        path: None,
        source: std::io::ErrorKind::Other.into(),
    }
}

impl Log for Probe {
    fn publish_with(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<u64> {
        self.log.publish_with(messages, how)
    }
    fn append(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<Ack> {
        let expected = self.pass(Seen::Append(messages.len(), how.is_sync()))?;
        if self.knows_all.load(Ordering::Relaxed) {
            return Ok(Ack::of_nothing(self.log.tail()?).duplicate());
        }
        let how = expected.map_or(*how, |offset| how.expect_next_offset(offset));
        self.log.append(messages, &how)
    }
    fn token(&self) -> Result<Token> {
        self.log.token()
    }
    fn sync(&self) -> Result<u64> {
        self.pass(Seen::Sync)?;
        self.log.sync()
    }
    forward_required!(log);
}
