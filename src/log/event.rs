use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What a log tells that no call returns, because it happens in the background or concerns more
/// than the caller. See [`Options::on_event`](crate::Options::on_event).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A paced sync ([`Durability::Interval`](crate::Durability::Interval) or
    /// [`Bytes`](crate::Durability::Bytes)) is later than its pace: the disk cannot keep up, or
    /// hangs. Told once for each time that the log falls behind.
    SyncLate {
        /// For how long the oldest message that is not on stable storage has been waiting.
        lag: Duration,
        /// Messages below this offset are on stable storage.
        synced_offset: u64,
    },
    /// Retention by age is about to remove more than half of the log, which may be because the wall
    /// clock has stepped. It waits, and goes on if the clock still says so afterwards.
    RetentionWaits {
        /// The offset below which messages are about to be removed.
        before: u64,
        /// How many messages that is, at most.
        messages: u64,
        /// For how long it waits.
        wait: Duration,
    },
}

type Tell = dyn Fn(&Path, &Event) + Send + Sync;

/// Who is told, if anybody.
#[derive(Clone, Default)]
pub(crate) struct Listener(Option<Arc<Tell>>);

impl Listener {
    pub(crate) fn new(listener: impl Fn(&Path, &Event) + Send + Sync + 'static) -> Listener {
        Listener(Some(Arc::new(listener)))
    }

    /// Whether somebody is told.
    pub(crate) fn is_somebody(&self) -> bool {
        self.0.is_some()
    }

    /// Tells what happened to the log in `dir`. A listener that panics harms nobody.
    pub(crate) fn tell(&self, dir: &Path, event: &Event) {
        if let Some(listener) = &self.0 {
            let _ = catch_unwind(AssertUnwindSafe(|| listener(dir, event)));
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.0.is_some()).finish()
    }
}
