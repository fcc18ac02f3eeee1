use std::sync::atomic::{AtomicU64, Ordering};

use super::waiting::Waiting;
use crate::Changes;
use crate::segment::{Active, Visible, Way};
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
    /// How most batches go to the file.
    usual_way: Way,
    /// Where the log ended when it was opened.
    opened_at: u64,
    waiting: Waiting,
    /// Wakes who waits for the durable end to move.
    moved: Changes,
}

impl Frontiers {
    /// The frontiers of a log in which everything below the offset `durable` is on stable storage,
    /// and which ends at `opened_at`.
    pub(super) fn new(
        durable: u64,
        opened_at: u64,
        (visible_is_durable, takes_stores): (bool, bool),
    ) -> Frontiers {
        let usual_way = if takes_stores && !visible_is_durable {
            Way::Mapping
        } else {
            Way::Call
        };
        Frontiers {
            durable: AtomicU64::new(durable),
            visible_is_durable,
            usual_way,
            opened_at,
            waiting: Waiting::new(),
            moved: Changes::new(),
        }
    }

    /// Whether everything that opening found is on stable storage. If there was no space for the
    /// copies that this may take, it is not.
    pub(crate) fn has_proven_found(&self) -> bool {
        self.durable() >= self.opened_at
    }

    pub(crate) fn visible_is_durable(&self) -> bool {
        self.visible_is_durable
    }

    /// How most batches go to the file.
    pub(crate) fn usual_way(&self) -> Way {
        self.usual_way
    }

    /// Every message below this offset is on stable storage.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Wakes who waits for the durable end to move.
    pub(super) fn moved(&self) -> &Changes {
        &self.moved
    }

    /// Since when messages have been waiting to be on stable storage.
    #[inline]
    pub(crate) fn waiting(&self) -> &Waiting {
        &self.waiting
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

    /// Notes that everything below `offset` was synced: `offset` was the written end before the
    /// first of these syncs began, or a segment begins there.
    pub(super) fn all_synced(&self, offset: u64) {
        raise(&self.durable, offset);
        self.waiting.synced(offset);
        self.moved.notify();
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
