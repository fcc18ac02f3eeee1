use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::space::Space;
use super::to_copy::ToCopy;
use crate::directory::{Directory, Health, LiveMetadata};
use crate::engine::append::{Append, Due};
use crate::engine::segments::Segments;
use crate::log::Aging;
use crate::{Clock, Options, Result, Retention, RetentionFloor};

/// What removing messages works on.
#[derive(Debug)]
pub(crate) struct Remove {
    pub(super) directory: Arc<Directory>,
    pub(super) segments: Arc<Segments>,
    pub(super) append: Arc<Append>,
    pub(super) metadata: Arc<LiveMetadata>,
    pub(super) space: Arc<Space>,
    pub(crate) policy: Retention,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) aging: Arc<Mutex<Aging>>,
    pub(super) floor: RetentionFloor,
    pub(super) rollover: u64,
    pub(super) to_copy: ToCopy,
    /// Base offsets of segments that were merged into others and could not be unlinked.
    unlink_pending: Mutex<Vec<u64>>,
}

/// The permission to remove messages, which only one thread has at a time. While it is held,
/// nothing else is removed. So a backup has it while it fixes its moment, and for no longer.
///
/// Segments are trimmed, rewritten, merged and unlinked only through a `Removal`.
#[derive(Debug)]
pub(crate) struct Removal<'a> {
    pub(super) remove: &'a Remove,
    pub(super) unlink_pending: MutexGuard<'a, Vec<u64>>,
    /// What became due when a segment was left behind.
    due: Option<Box<Due>>,
}

impl Remove {
    pub(crate) fn new(
        append: &Arc<Append>,
        segments: &Arc<Segments>,
        metadata: &Arc<LiveMetadata>,
        space: &Arc<Space>,
        options: &Options,
    ) -> Remove {
        Remove {
            directory: Arc::clone(&segments.directory),
            segments: Arc::clone(segments),
            append: Arc::clone(append),
            metadata: Arc::clone(metadata),
            space: Arc::clone(space),
            policy: options.admission.retention,
            clock: Arc::clone(&options.environment.clock),
            aging: options.environment.retaining.aging.clone().unwrap_or_default(),
            floor: options.environment.retaining.floor.clone().unwrap_or_default(),
            rollover: options.rollover,
            to_copy: ToCopy::default(),
            unlink_pending: Mutex::new(Vec::new()),
        }
    }

    /// Begins a removal. Waits until no other removal is under way.
    pub(crate) fn begin(&self) -> Result<Removal<'_>> {
        self.health().check_writable()?;
        let removal = self.hold();
        self.health().check_writable()?;
        Ok(removal)
    }

    /// Keeps everybody else from removing anything. Waits until no other removal is under way.
    pub(crate) fn hold(&self) -> Removal<'_> {
        Removal {
            remove: self,
            unlink_pending: self.unlink_pending.lock(),
            due: None,
        }
    }

    /// As [`hold`](Remove::hold), but `None` if a removal is under way: neither upkeep nor a
    /// publisher waits for one, unless its own batch trims the log.
    pub(crate) fn try_hold(&self) -> Option<Removal<'_>> {
        Some(Removal {
            remove: self,
            unlink_pending: self.unlink_pending.try_lock()?,
            due: None,
        })
    }

    pub(super) fn health(&self) -> &Health {
        &self.directory.health
    }
}

impl Removal<'_> {
    /// Leaves the segment with this base behind if it is the last, so that nothing more is written
    /// to it.
    pub(super) fn leave_behind(&mut self, base: u64) -> Result<()> {
        self.remove.append.leave_behind(base, &mut self.due)
    }

    /// Gives back the space behind the end of a segment that this removal has left behind and that
    /// is durable: on a full disk the removal may need it.
    pub(super) fn cut_left_behind(&self) -> Result<()> {
        let Some((left, seal)) = self.due.as_ref().and_then(|due| due.left_behind.as_ref()) else {
            return Ok(());
        };
        let _not_while_sealing = self.remove.segments.lock_replacing();
        if self.remove.segments.has_active(left) {
            left.truncate(u64::from(seal.len))?;
        }
        Ok(())
    }

    /// Removes the files of segments that are no longer of the log.
    pub(super) fn unlink(&self, bases: impl Iterator<Item = u64>) -> Result<()> {
        let removed = self.remove.directory.remove_segments(bases);
        self.remove.health().poison_on_failed_sync(removed)
    }

    /// Ends the removal; returns what is due now.
    pub(crate) fn end(self) -> Option<Box<Due>> {
        self.due
    }
}
