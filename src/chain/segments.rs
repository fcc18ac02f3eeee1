//! The list of the segments that recovery need not walk through.

use std::sync::Arc;

use crate::directory::Directory;
use crate::format::Previous;
use crate::segment::{Sealed, SegmentEnd, SegmentRef};

/// The segments with these base offsets, except for the last. Each ends where the next one says.
pub(super) fn all_but_last(directory: &Arc<Directory>, bases: &[u64]) -> Vec<SegmentRef> {
    let sealed = |pair: &[u64]| sealed(directory, pair[0], SegmentEnd::Successor(pair[1]));
    bases.windows(2).map(sealed).collect()
}

/// The last segment of a log that was closed. It ends as the metadata says.
pub(super) fn closed(directory: &Arc<Directory>, base: u64, link: Previous) -> SegmentRef {
    sealed(directory, base, SegmentEnd::Closed(link))
}

/// The segment with this base offset, which ends as `link` says.
pub(super) fn known(directory: &Arc<Directory>, base: u64, link: Previous) -> SegmentRef {
    sealed(directory, base, SegmentEnd::Known(link))
}

fn sealed(directory: &Arc<Directory>, base: u64, end: SegmentEnd) -> SegmentRef {
    SegmentRef::Sealed(Arc::new(Sealed::new(Arc::clone(directory), base, end)))
}
