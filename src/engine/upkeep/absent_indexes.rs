//! Which segments lack an index that was turned on, or lost it.

use std::sync::Arc;

use crate::engine::remove::Space;
use crate::engine::segments::{SegmentList, Segments};
use crate::segment::{AbsentIndex, INDEX_LEN_MIN, Sealed, SegmentRef};
use crate::{Job, Result};

/// How many segments a step looks at: that takes about a millisecond if their headers are in
/// memory.
const LOOKS_EACH: usize = 16;
/// How many records a step adds to an index.
const RECORDS_EACH: usize = 4096;

/// What a search for a segment without its index has found.
pub(super) enum Found {
    Absent(Box<AbsentIndex>),
    /// None so far; the search goes on below this base offset.
    NoneAbove(u64),
    Nothing,
}

/// Whether the oldest segment lacks its index. It is the last to get one, so if it has one, the
/// others have theirs, or a reader builds them.
pub(super) fn may_lack_one(segments: &Segments) -> bool {
    let kinds = segments.directory.kinds;
    let list = segments.list();
    (kinds.key || kinds.time) && worthy(&list, 0).is_some_and(|oldest| lacks_index(oldest))
}

/// Looks for a segment without its index below the base offset `below`, the newest first.
pub(super) fn find(segments: &Segments, below: u64) -> Found {
    let list = segments.list();
    let end = list.segments.partition_point(|segment| segment.base() < below);
    let from = end.saturating_sub(LOOKS_EACH);
    for at in (from..end).rev() {
        let Some(sealed) = worthy(&list, at) else {
            continue;
        };
        let begun = sealed.has_index().and_then(|has_index| {
            if has_index {
                Ok(None)
            } else {
                AbsentIndex::begin(sealed)
            }
        });
        // The search goes on without a segment that cannot be read.
        if let Some(Some(absent)) = segments.teller.note_failure(Job::Index, begun) {
            return Found::Absent(Box::new(absent));
        }
    }
    match list.segments.get(from) {
        Some(segment) if from > 0 => Found::NoneAbove(segment.base()),
        _ => Found::Nothing,
    }
}

/// The segment at this place of the list, if it is sealed. The last one may be reopened; a small
/// index of it is not worth a file.
fn worthy(list: &SegmentList, at: usize) -> Option<&Arc<Sealed>> {
    let Some(SegmentRef::Sealed(sealed)) = list.segments.get(at) else {
        return None;
    };
    let is_last = at + 1 == list.segments.len();
    let is_large = || sealed.link().is_ok_and(|(link, _)| link.len >= INDEX_LEN_MIN);
    (!is_last || is_large()).then_some(sealed)
}

/// A segment that cannot be read counts as having its index: whoever reads it reports the damage.
fn lacks_index(sealed: &Sealed) -> bool {
    sealed.has_index().is_ok_and(|has_index| !has_index)
}

/// Does a step of a few milliseconds; returns the build if there is more to do. After the last step
/// the file is there, if there was space and the segment is in order: the index is derived, and
/// readers build what is missing.
pub(super) fn resume(
    mut absent: Box<AbsentIndex>,
    segments: &Segments,
    space: &Arc<Space>,
) -> Option<Box<AbsentIndex>> {
    // A segment that was removed is let go of: on a full disk its space may be needed.
    if !is_there(&absent, segments) {
        return None;
    }
    if !absent.resume(RECORDS_EACH) {
        return Some(absent);
    }
    let stored = store(*absent, segments, space);
    segments.teller.note_failure(Job::Index, stored);
    None
}

fn store(absent: AbsentIndex, segments: &Segments, space: &Arc<Space>) -> Result<()> {
    let Some(_lease) = space.lease() else {
        return Ok(());
    };
    let _not_while_replacing = segments.lock_replacing();
    if is_there(&absent, segments) {
        absent.store()
    } else {
        Ok(())
    }
}

/// Whether the segment is still of the log.
fn is_there(absent: &AbsentIndex, segments: &Segments) -> bool {
    let is_ours = |held: &SegmentRef| match held {
        SegmentRef::Sealed(sealed) => Arc::ptr_eq(sealed, absent.sealed()),
        SegmentRef::Active(_) => false,
    };
    segments.list().segments.iter().any(is_ours)
}
