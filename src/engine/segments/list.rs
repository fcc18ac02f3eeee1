use std::sync::{Arc, OnceLock};

use super::key_runs::KeyRun;
use crate::segment::SegmentRef;

/// Something that is worked out from a list of segments when it is first needed. A copy of the list, which is about to
/// be changed, has none.
#[derive(Debug, Default)]
pub(crate) struct Maxima(OnceLock<Vec<i64>>);

impl Clone for Maxima {
    fn clone(&self) -> Maxima {
        Maxima::default()
    }
}

impl Maxima {
    pub(crate) fn get(&self) -> Option<&[i64]> {
        self.0.get().map(Vec::as_slice)
    }

    pub(crate) fn fill(&self, maxima: Vec<i64>) -> &[i64] {
        self.0.get_or_init(|| maxima)
    }
}

/// A log's segments as readers see them: immutable, replaced as a whole when a segment is added, sealed or dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct SegmentList {
    /// Everything below was trimmed.
    pub(crate) start_offset: u64,
    /// By base offset.
    pub(crate) segments: Vec<SegmentRef>,
    /// The next offset is at least this one, whatever the segments say.
    pub(crate) next_offset_min: u64,
    /// What is known of the keys of many segments together; in order, and none covers what another does.
    pub(crate) runs: Vec<Arc<KeyRun>>,
    /// For the sealed parts behind the first, the latest time up to there.
    pub(crate) time_maxima: Maxima,
}

impl SegmentList {
    /// One past the last visible offset.
    #[inline]
    pub(crate) fn next_offset(&self) -> u64 {
        match self.segments.last() {
            Some(SegmentRef::Active(active)) => self
                .next_offset_min
                .max(active.header.base + u64::from(active.visible().count)),
            _ => self.next_offset_min,
        }
    }

    /// The index of the part in which `offset` is, if it is anywhere.
    #[inline]
    pub(crate) fn index_at(&self, offset: u64) -> usize {
        self.segments
            .partition_point(|segment| segment.base() <= offset)
            .saturating_sub(1)
    }
}
