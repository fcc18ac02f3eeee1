use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{RwLock, RwLockReadGuard};

use super::retention::Retention;

/// Up to where the messages of a log were read by all who need them: see
/// [`Retention::keep_unread`](crate::Retention::keep_unread). Cheap to clone; all clones are the
/// same floor.
///
/// ```
/// use duramen::{Log, MemoryLog, NewMessage, Options, Retention, RetentionFloor};
///
/// let floor = RetentionFloor::new();
/// let policy = Retention::new().max_messages(1).keep_unread(1000);
/// let options = Options::new().retention(policy).retention_floor(&floor);
/// let log = MemoryLog::with_options(&options);
/// for _ in 0..10 {
///     log.publish(&[NewMessage::value(b"value")])?;
/// }
/// floor.set(4); // everybody has read 0 to 3
/// log.apply_retention(false)?;
/// assert_eq!(log.start_offset()?, 4);
/// # Ok::<(), duramen::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RetentionFloor(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    offset: AtomicU64,
    /// Whether retention would have removed more.
    is_held: AtomicBool,
    /// Whether the floor was raised since then.
    is_raised: AtomicBool,
    /// Below this, messages were removed that are above the floor; 0 for none.
    overrun_to: AtomicU64,
    /// Held by who removes messages, alone by who lowers the floor.
    passes: RwLock<()>,
}

/// What retention may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// The offset below which it may remove messages.
    pub(crate) before: u64,
    /// Whether somebody has yet to read some of them.
    pub(crate) is_overrun: bool,
}

impl RetentionFloor {
    /// A floor at offset 0: nothing was read yet.
    #[must_use]
    pub fn new() -> RetentionFloor {
        RetentionFloor::default()
    }

    /// All messages below `offset` were read by all who need them. It may be lower than before; but
    /// what is removed does not come back. What this says should be on stable storage: what it lets
    /// go is gone even if a power cut takes back how far the readers were.
    ///
    /// When this has lowered it, no message above it goes any more: it waits for a removal that is
    /// under way.
    pub fn set(&self, offset: u64) {
        let _no_pass = (offset < self.offset()).then(|| self.0.passes.write());
        let before = self.0.offset.swap(offset, Ordering::SeqCst);
        if before < offset && self.0.is_held.swap(false, Ordering::SeqCst) {
            self.0.is_raised.store(true, Ordering::Release);
        }
    }

    /// Lowers it to `offset`, if it is higher.
    pub(crate) fn lower(&self, offset: u64) {
        let _no_pass = (offset < self.offset()).then(|| self.0.passes.write());
        self.0.offset.fetch_min(offset, Ordering::AcqRel);
    }

    /// The floor is not lowered meanwhile.
    pub(crate) fn begin_pass(&self) -> RwLockReadGuard<'_, ()> {
        self.0.passes.read()
    }

    /// Where it is.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.0.offset.load(Ordering::SeqCst)
    }

    /// The offset below which messages were removed although they are above the floor: the lag was
    /// too large. `None` if that has not happened.
    #[must_use]
    pub fn overrun_to(&self) -> Option<u64> {
        let offset = self.0.overrun_to.load(Ordering::Acquire);
        (offset > 0).then_some(offset)
    }

    /// Whether the floor was raised since it has kept messages that would have been removed. Tells
    /// it once.
    pub(crate) fn take_raised(&self) -> bool {
        self.0.is_raised.load(Ordering::Acquire) && self.0.is_raised.swap(false, Ordering::AcqRel)
    }

    /// Whether it keeps messages that would be removed.
    pub(crate) fn is_held(&self) -> bool {
        self.0.is_held.load(Ordering::Acquire)
    }

    /// How much may be removed of what the policy does not keep, in a log that ends at
    /// `next_offset`.
    fn limit(&self, before: u64, next_offset: u64, lag_max: u64) -> Allowed {
        // In front of the look: whoever raises it then says so.
        self.0.is_held.store(true, Ordering::SeqCst);
        let floor = self.offset();
        if before <= floor {
            self.0.is_held.store(false, Ordering::Release);
            return Allowed {
                before,
                is_overrun: false,
            };
        }
        let allowed = before.min(next_offset.saturating_sub(lag_max)).max(floor);
        self.0.is_held.store(allowed < before, Ordering::Release);
        Allowed {
            before: allowed,
            is_overrun: allowed > floor,
        }
    }

    /// Messages below `offset` were removed that are above the floor.
    pub(crate) fn note_overrun(&self, offset: u64) {
        self.0.overrun_to.fetch_max(offset, Ordering::AcqRel);
    }
}

impl Retention {
    /// Whether the floor keeps something that may go now, because it is too far behind.
    pub(crate) fn is_overrun(&self, floor: &RetentionFloor, next_offset: u64) -> bool {
        let too_far = self.lag_max.and_then(|lag_max| next_offset.checked_sub(lag_max));
        let held_from = floor.overrun_to().unwrap_or(0).max(floor.offset());
        floor.is_held() && too_far.is_some_and(|too_far| held_from < too_far)
    }

    pub(crate) fn keeps_unread(&self) -> bool {
        self.lag_max.is_some()
    }

    /// How much may be removed of what this policy does not keep, in a log that ends at
    /// `next_offset`.
    pub(crate) fn allowed(&self, floor: &RetentionFloor, before: u64, next_offset: u64) -> Allowed {
        match self.lag_max {
            Some(lag_max) => floor.limit(before, next_offset, lag_max),
            None => Allowed {
                before,
                is_overrun: false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(before: u64, is_overrun: bool) -> Allowed {
        Allowed { before, is_overrun }
    }

    #[test]
    fn what_is_above_the_floor_stays_until_the_lag_is_too_large() {
        let floor = RetentionFloor::new();
        assert_eq!(floor.limit(50, 100, u64::MAX), allowed(0, false));
        assert_eq!(floor.limit(50, 100, 100), allowed(0, false));
        assert_eq!(floor.limit(50, 100, 99), allowed(1, true));
        assert_eq!(floor.limit(50, 100, 10), allowed(50, true));
        floor.set(40);
        assert_eq!(floor.limit(50, 100, u64::MAX), allowed(40, false));
        assert_eq!(floor.limit(50, 100, 55), allowed(45, true));
        assert_eq!(floor.limit(30, 100, 0), allowed(30, false));
        floor.set(200);
        assert_eq!(floor.limit(50, 100, 0), allowed(50, false));
    }

    #[test]
    fn who_raises_the_floor_has_retention_look_again_if_that_was_held() {
        let floor = RetentionFloor::new();
        floor.set(1);
        assert!(!floor.take_raised());
        floor.limit(50, 100, u64::MAX);
        assert!(floor.is_held() && !floor.take_raised());
        floor.set(1);
        assert!(!floor.take_raised(), "it is where it was");
        floor.set(10);
        assert!(floor.take_raised() && !floor.take_raised());
        floor.set(20);
        assert!(!floor.take_raised(), "nothing was held since");
        floor.limit(15, 100, u64::MAX);
        floor.set(30);
        assert!(!floor.take_raised(), "nothing was held");
    }
}
