//! The thread on which all requests run, and the way to it from threads that wait.

use std::fmt;
use std::sync::mpsc;
use std::thread::{self, ThreadId};

use duramen::{Error, ErrorKind, Result};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A runtime on a thread of its own. The thread that asks for something only waits, so it may be
/// one of another runtime. The thread ends when this is dropped.
pub(crate) struct Bridge {
    handle: Handle,
    /// Never sent on: the thread ends when it is dropped.
    _stop: oneshot::Sender<()>,
    thread: ThreadId,
    /// In a fork of the process there is no such thread.
    process: u32,
}

impl Bridge {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// [`Error::Remote`] if the system has no thread, or no descriptors for it.
    pub(crate) fn start() -> Result<Bridge> {
        let refused = |source: std::io::Error| Error::Remote {
            operation: "start the thread that talks",
            kind: ErrorKind::NotWritten,
            source: Box::new(source),
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(refused)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new()
            .name("duramen-s2".to_owned())
            .spawn(move || {
                // An error: the sender is gone.
                let _ = runtime.block_on(stopped);
            })
            .map_err(refused)?;
        Ok(Bridge {
            handle,
            _stop: stop,
            thread: thread.thread().id(),
            process: std::process::id(),
        })
    }

    /// Runs this on the bridge's thread, and waits for it.
    ///
    /// # Errors
    ///
    /// - [`Error::Forked`] in another process than the one that started the bridge.
    /// - [`Error::Invalid`] on the bridge's own thread.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.check_process()?;
        if self.thread == thread::current().id() {
            return Err(Error::Invalid(
                "a log on S2 was called from its own thread, as by a waker, and cannot wait there",
            ));
        }
        let (done, result) = mpsc::sync_channel(1);
        self.handle.spawn(async move {
            let _ = done.send(future.await);
        });
        // Nobody answers any more: it has panicked, or the process is ending.
        result.recv().unwrap_or_else(|_| {
            Err(Error::Remote {
                operation: "wait for an answer",
                kind: ErrorKind::Unknown,
                source: "what was asked for was given up".into(),
            })
        })
    }

    /// Runs this on the bridge's thread, and waits for nothing.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        if self.check_process().is_ok() {
            self.handle.spawn(future);
        }
    }

    pub(crate) fn check_process(&self) -> Result<()> {
        if self.process == std::process::id() {
            Ok(())
        } else {
            Err(Error::Forked)
        }
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").finish_non_exhaustive()
    }
}
