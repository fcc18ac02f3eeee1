use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::BlockingLog;
use super::handle::WeakLog;
use crate::Log;

/// Whether a reader is to end.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(super) fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Ends an iterator from any thread: see [`Follow::stop_handle`](crate::Follow::stop_handle).
///
/// Cheap to clone. It keeps no log open.
pub struct StopHandle<L: Log> {
    log: WeakLog<L>,
    stop: Stop,
}

impl<L: Log> StopHandle<L> {
    pub(super) fn new(log: &BlockingLog<L>, stop: &Stop) -> StopHandle<L> {
        StopHandle {
            log: log.downgrade(),
            stop: stop.clone(),
        }
    }

    /// Ends the iterator, and wakes it if it waits. Calling it again does nothing.
    pub fn stop(&self) {
        self.stop.0.store(true, Ordering::Release);
        if let Some(log) = self.log.upgrade() {
            log.wake_all();
        }
    }

    /// Whether the iterator was stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.is_stopped()
    }
}

impl<L: Log> Clone for StopHandle<L> {
    fn clone(&self) -> StopHandle<L> {
        StopHandle {
            log: self.log.clone(),
            stop: self.stop.clone(),
        }
    }
}

impl<L: Log> fmt::Debug for StopHandle<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopHandle")
            .field("is_stopped", &self.is_stopped())
            .finish_non_exhaustive()
    }
}
