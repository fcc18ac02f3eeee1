use std::sync::atomic::{AtomicU64, Ordering};

use crate::segment::{Active, Visible};
use crate::sys::raise;

/// How far a log is written, durable and visible.
///
/// 1. The *written* end is the appender's, under its lock.
/// 2. The *durable* end is never beyond the written end. After a sync has succeeded, it moves to
///    where the written end was before that sync began.
/// 3. The *visible* end is kept in the active segment, where readers look at it. It is the durable
///    end where visible messages must be durable, and otherwise the written end.
///
/// Each end only moves forward, and only here.
#[derive(Debug)]
pub(crate) struct Frontiers {
    /// Every message below this offset is on stable storage.
    durable: AtomicU64,
    /// Whether messages are visible only when they are durable.
    visible_is_durable: bool,
}

impl Frontiers {
    /// The frontiers of a log in which everything below the offset `durable` is on stable storage.
    pub(super) fn new(durable: u64, visible_is_durable: bool) -> Frontiers {
        Frontiers {
            durable: AtomicU64::new(durable),
            visible_is_durable,
        }
    }

    pub(crate) fn visible_is_durable(&self) -> bool {
        self.visible_is_durable
    }

    /// Every message below this offset is on stable storage.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Notes that a batch was written up to `end`. Only the appender writes, so only it calls this.
    #[inline]
    pub(super) fn wrote(&self, active: &Active, end: Visible) {
        if !self.visible_is_durable {
            active.show(end);
        }
    }

    /// Notes that the segment was synced, and that everything up to `end` was written before that
    /// sync began.
    pub(super) fn synced(&self, active: &Active, end: Visible) {
        active.raise_frontier(end.end);
        if self.visible_is_durable {
            active.show_at_least(end);
        }
    }

    /// Notes that all segments were synced, and that `offset` was the written end before the first
    /// of these syncs began.
    pub(super) fn all_synced(&self, offset: u64) {
        raise(&self.durable, offset);
    }

    /// Notes that everything below this position of a segment, and every earlier segment, is on
    /// stable storage.
    pub(super) fn durable_up_to(&self, active: &Active, position: u32) {
        debug_assert!(position <= active.visible().end || self.visible_is_durable);
        active.raise_frontier(position);
    }

    /// Notes that everything in the last segment is on stable storage, because the log is being
    /// closed.
    pub(super) fn closed(&self, active: &Active, end: Visible) {
        debug_assert!(self.visible_is_durable || active.visible() == end);
        active.show_at_least(end);
    }
}
