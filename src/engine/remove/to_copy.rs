//! What the backups under way have yet to copy.
//!
//! A backup has the permission to remove only while it fixes its moment. While it copies, messages
//! are removed beside it. What it has yet to copy stays readable all the same:
//!
//! - The files of a trimmed segment stay, under their names, until no backup needs them. They do
//!   not count, so a crash needs nothing new: the next open removes them.
//! - A segment that is replaced keeps its own files open, as for any reader. The queue holds the
//!   segment. That takes mappings, so a backup whose share is used up gives everything up.
//!
//! A removal never waits for a backup, nor fails on one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::segment::{Sealed, SegmentRef};
use crate::sys::{is_out_of_mappings, mappings_max};
use crate::{Error, Result};

/// A backup holds replaced segments, with up to four mappings each, in at most one part in so many
/// of the mappings that the system allows the process.
const SHARE: usize = 16;

/// How many replaced segments a backup may hold.
fn replaced_max() -> usize {
    mappings_max() / SHARE / 4
}

/// What the backups under way have yet to copy; see the module.
#[derive(Debug, Default)]
pub(super) struct ToCopy {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By the number of the backup.
    backups: BTreeMap<u64, Left>,
    /// How many backups were begun.
    begun: u64,
    /// Base offsets of trimmed segments whose files wait until no backup needs them.
    waiting: BTreeSet<u64>,
}

/// What one backup has yet to copy.
#[derive(Debug)]
struct Left {
    /// In the order of their base offsets.
    segments: VecDeque<SegmentRef>,
    /// The base offsets of those of them that were replaced since it began.
    replaced: BTreeSet<u64>,
    /// Whether it gave up what it had yet to copy.
    has_given_up: bool,
}

impl State {
    fn is_needed(&self, base: u64) -> bool {
        self.backups.values().any(|left| left.index_of(base).is_some())
    }

    fn unneeded(&self) -> Vec<u64> {
        let waiting = self.waiting.iter().copied();
        waiting.filter(|base| !self.is_needed(*base)).collect()
    }
}

impl ToCopy {
    /// Of trimmed segments, those whose files can go. The files of the others wait.
    pub(super) fn unless_needed(&self, gone: &[SegmentRef]) -> Vec<u64> {
        let state = &mut *self.state.lock();
        let (needed, unneeded) = gone
            .iter()
            .map(SegmentRef::base)
            .partition::<Vec<u64>, _>(|base| state.is_needed(*base));
        // An empty last segment has the name that the next one gets: it is never trimmed.
        state.waiting.extend(needed);
        unneeded
    }

    /// Notes that a segment is about to be replaced, and keeps its files open. A backup that holds
    /// too many of those gives up.
    pub(super) fn note_replaced(&self, segment: &Arc<Sealed>) {
        let mut given_up = Vec::new();
        for left in self.state.lock().backups.values_mut() {
            if left.has(segment) {
                left.replaced.insert(segment.base());
            }
            if left.replaced.len() > replaced_max() {
                left.give_up(&mut given_up);
            }
        }
    }

    /// Has all backups give up if `error` says that the system allows no more mappings; returns
    /// whether there was something to give up.
    pub(super) fn gives_up_for(&self, error: &Error) -> bool {
        let mut given_up = Vec::new();
        if is_out_of_mappings(error) {
            for left in self.state.lock().backups.values_mut() {
                left.give_up(&mut given_up);
            }
        }
        !given_up.is_empty()
    }

    /// Begins a backup, which has these segments to copy; returns its number.
    pub(super) fn begin(&self, segments: &[SegmentRef]) -> u64 {
        let state = &mut *self.state.lock();
        state.begun += 1;
        let left = Left {
            segments: segments.iter().cloned().collect(),
            replaced: BTreeSet::new(),
            has_given_up: false,
        };
        state.backups.insert(state.begun, left);
        state.begun
    }

    /// The first two segments that a backup has left; `None` for those that are not there. `dir` is
    /// the log's, for an error.
    pub(super) fn first_two(&self, number: u64, dir: &Path) -> Result<[Option<SegmentRef>; 2]> {
        let state = self.state.lock();
        let left = state.backups.get(&number).ok_or(Error::Closed)?;
        if left.has_given_up {
            return Err(Error::Io {
                operation: "keep so many replaced segments open for a backup",
                path: dir.to_path_buf(),
                source: io::ErrorKind::OutOfMemory.into(),
            });
        }
        Ok([0, 1].map(|at| left.segments.get(at).cloned()))
    }

    /// Gives up the first segment that a backup has left.
    pub(super) fn pop(&self, number: u64) {
        let mut state = self.state.lock();
        let left = state.backups.get_mut(&number);
        let copied = left.and_then(Left::pop);
        drop(state);
        drop(copied);
    }

    /// Gives up all that a backup has left.
    pub(super) fn give_up(&self, number: u64) {
        let left = self.state.lock().backups.remove(&number);
        drop(left);
    }

    /// Whether files have waited that no backup needs any more.
    pub(super) fn has_unneeded(&self) -> bool {
        !self.state.lock().unneeded().is_empty()
    }

    /// The base offsets of segments whose files have waited, and that no backup needs any more.
    /// They do not wait from now on.
    pub(super) fn take_unneeded(&self) -> Vec<u64> {
        let mut state = self.state.lock();
        let unneeded = state.unneeded();
        state.waiting.retain(|base| unneeded.binary_search(base).is_err());
        unneeded
    }

    /// Ends all backups, because the log is closed; returns the base offsets of the segments whose
    /// files have waited for them.
    pub(super) fn end(&self) -> BTreeSet<u64> {
        let State { backups, waiting, .. } = std::mem::take(&mut *self.state.lock());
        drop(backups);
        waiting
    }
}

impl Left {
    fn index_of(&self, base: u64) -> Option<usize> {
        self.segments.binary_search_by_key(&base, SegmentRef::base).ok()
    }

    fn has(&self, segment: &Arc<Sealed>) -> bool {
        let held = self.index_of(segment.base()).and_then(|at| self.segments.get(at));
        matches!(held, Some(SegmentRef::Sealed(held)) if Arc::ptr_eq(held, segment))
    }

    fn pop(&mut self) -> Option<SegmentRef> {
        let copied = self.segments.pop_front()?;
        self.replaced.remove(&copied.base());
        Some(copied)
    }

    /// Moves the segments to `given_up`, which is dropped without the lock.
    fn give_up(&mut self, given_up: &mut Vec<SegmentRef>) {
        self.has_given_up |= !self.segments.is_empty();
        given_up.extend(std::mem::take(&mut self.segments));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Directory;
    use crate::format::{IndexKinds, Previous};
    use crate::segment::SegmentEnd;
    use crate::sys::{Os, Storage};

    /// Segments of which nothing is opened.
    fn segments(dir: &Path, count: usize) -> Vec<SegmentRef> {
        let kinds = IndexKinds {
            key: false,
            time: false,
        };
        let opened = Os.open_dir(dir).expect("opened");
        let directory = Arc::new(Directory::new(opened, [0; 16], kinds, true));
        let of = |base| {
            let link = Previous {
                base,
                len: 128,
                last_checksum: 0,
            };
            let sealed = Sealed::new(Arc::clone(&directory), base, SegmentEnd::Known(link));
            SegmentRef::Sealed(Arc::new(sealed))
        };
        (0..count as u64).map(of).collect()
    }

    fn with_one_backup(segments: &[SegmentRef]) -> ToCopy {
        let to_copy = ToCopy::default();
        assert_eq!(to_copy.begin(segments), 1);
        to_copy
    }

    fn has_given_up(to_copy: &ToCopy) -> bool {
        let state = to_copy.state.lock();
        state.backups[&1].has_given_up && state.backups[&1].segments.is_empty()
    }

    #[test]
    fn a_backup_that_holds_too_many_replaced_segments_gives_up() {
        let dir = tempfile::tempdir().expect("a folder");
        let max = replaced_max();
        let (held, other) = (segments(dir.path(), max + 1), segments(dir.path(), 1));
        let to_copy = with_one_backup(&held);
        let replace = |segment: &SegmentRef| match segment {
            SegmentRef::Sealed(sealed) => to_copy.note_replaced(sealed),
            SegmentRef::Active(_) => {}
        };
        // What has the name by now is replaced as often as one likes.
        (0..2 * max).for_each(|_| replace(&other[0]));
        held[..max].iter().for_each(&replace);
        assert!(!has_given_up(&to_copy));
        replace(&held[max]);
        assert!(has_given_up(&to_copy));
    }

    #[test]
    fn backups_give_up_when_the_system_allows_no_more_mappings() {
        let dir = tempfile::tempdir().expect("a folder");
        let held = segments(dir.path(), 3);
        let to_copy = with_one_backup(&held);
        let failed = |kind: io::ErrorKind| Error::Io {
            operation: "map",
            path: dir.path().to_path_buf(),
            source: kind.into(),
        };
        assert!(!to_copy.gives_up_for(&failed(io::ErrorKind::StorageFull)));
        assert!(!has_given_up(&to_copy));
        assert!(to_copy.gives_up_for(&failed(io::ErrorKind::OutOfMemory)));
        assert!(has_given_up(&to_copy));
        assert!(!to_copy.gives_up_for(&failed(io::ErrorKind::OutOfMemory)));
    }

    #[test]
    fn files_wait_only_for_those_who_need_them() {
        let dir = tempfile::tempdir().expect("a folder");
        let held = segments(dir.path(), 4);
        let to_copy = with_one_backup(&held[1..3]);
        assert_eq!(to_copy.unless_needed(&held), [0, 3]);
        assert!(to_copy.state.lock().unneeded().is_empty());
        to_copy.state.lock().backups.clear();
        assert_eq!(to_copy.state.lock().unneeded(), [1, 2]);
        assert!(to_copy.end().into_iter().eq([1, 2]));
    }
}
