//! The queue of a backup, and what becomes of the files that have waited for it.

use super::removal::{Removal, Remove};
use crate::segment::SegmentRef;
use crate::{Job, Result};

/// The segments that one backup has yet to copy. Dropping this gives them up.
#[derive(Debug)]
pub(crate) struct CopyQueue<'a> {
    remove: &'a Remove,
    number: u64,
}

impl<'a> Removal<'a> {
    /// Begins the queue of a backup, with the segments of the list at its moment. It must not be
    /// dropped before the permission to remove.
    pub(crate) fn begin_copy(&self, segments: &[SegmentRef]) -> CopyQueue<'a> {
        CopyQueue {
            remove: self.remove,
            number: self.remove.to_copy.begin(segments),
        }
    }

    /// Ends all backups, because the log is closed, and removes the files that have waited for
    /// them.
    pub(crate) fn end_copies(&self) {
        let waiting = self.remove.to_copy.end();
        if self.remove.health().may_write_files() {
            // The next open removes files that cannot be removed now.
            let removed = self.unlink(waiting.into_iter());
            self.remove.segments.teller.note_failure(Job::Removal, removed);
        }
    }
}

impl CopyQueue<'_> {
    /// The first two segments of those that are left; `None` for those that are not there.
    pub(crate) fn first_two(&self) -> Result<[Option<SegmentRef>; 2]> {
        self.remove.health().check_open()?;
        let dir = self.remove.directory.dir.path();
        self.remove.to_copy.first_two(self.number, dir)
    }

    /// Gives up the first segment, which was copied. Waits for a removal that is under way if there
    /// are files that nobody needs any more.
    pub(crate) fn pop(&self) {
        self.remove.to_copy.pop(self.number);
        self.remove_unneeded();
    }

    /// Removes the files that have waited and that no backup needs any more.
    fn remove_unneeded(&self) {
        if !self.remove.to_copy.has_unneeded() {
            return;
        }
        let removal = self.remove.hold();
        // A log that was closed has removed them, and its directory may have another owner.
        if self.remove.health().check_writable().is_ok() {
            // The next open removes files that cannot be removed now. A failed sync poisons the
            // log.
            let removed = removal.unlink(self.remove.to_copy.take_unneeded().into_iter());
            self.remove.segments.teller.note_failure(Job::Removal, removed);
        }
    }
}

impl Drop for CopyQueue<'_> {
    fn drop(&mut self) {
        self.remove.to_copy.give_up(self.number);
        self.remove_unneeded();
    }
}
