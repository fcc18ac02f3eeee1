use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::blocking::WeakLog;
use crate::{BlockingLog, Error, Log, Result};

/// Closes a [`Cursor`](crate::Cursor) from any thread.
///
/// Cheap to clone. It keeps no log open.
pub struct CursorCloser<L: Log> {
    log: WeakLog<L>,
    is_closed: Arc<AtomicBool>,
}

impl<L: Log> CursorCloser<L> {
    pub(super) fn new(log: &BlockingLog<L>, is_closed: &Arc<AtomicBool>) -> CursorCloser<L> {
        CursorCloser {
            log: log.downgrade(),
            is_closed: Arc::clone(is_closed),
        }
    }

    /// Closes the cursor, and wakes it if it waits. From now on each of its calls fails.
    ///
    /// # Errors
    ///
    /// [`Error::CursorClosed`] if it was closed before.
    pub fn close(&self) -> Result<()> {
        if self.is_closed.swap(true, Ordering::AcqRel) {
            return Err(Error::CursorClosed);
        }
        if let Some(log) = self.log.upgrade() {
            log.wake_all();
        }
        Ok(())
    }

    /// Whether the cursor is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }
}

impl<L: Log> Clone for CursorCloser<L> {
    fn clone(&self) -> CursorCloser<L> {
        CursorCloser {
            log: self.log.clone(),
            is_closed: Arc::clone(&self.is_closed),
        }
    }
}

impl<L: Log> fmt::Debug for CursorCloser<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CursorCloser")
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
