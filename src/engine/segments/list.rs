use std::sync::{Arc, OnceLock};

use crate::segment::{KeyRun, SegmentRef};

/// The running maxima of the times in a list of segments, worked out when they are first needed. A
/// copy of the list has none, because the copy is about to be changed.
#[derive(Debug, Default)]
pub(crate) struct Maxima(OnceLock<Vec<i64>>);

impl Clone for Maxima {
    fn clone(&self) -> Maxima {
        Maxima::default()
    }
}

impl Maxima {
    pub(super) fn get(&self) -> Option<&[i64]> {
        self.0.get().map(Vec::as_slice)
    }

    pub(super) fn fill(&self, maxima: Vec<i64>) -> &[i64] {
        self.0.get_or_init(|| maxima)
    }
}

/// A log's segments as readers see them: immutable, replaced as a whole when a segment is added,
/// sealed or dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct SegmentList {
    /// Everything below this offset was trimmed.
    pub(crate) start_offset: u64,
    /// In the order of their base offsets.
    pub(crate) segments: Vec<SegmentRef>,
    /// The next offset is at least this one, whatever the segments say.
    pub(crate) next_offset_min: u64,
    /// The time of the log's last record, unless a segment is being appended to.
    pub(crate) last_time: i64,
    /// Which keys many segments have together. The runs are in order and do not overlap.
    pub(crate) key_runs: Vec<Arc<KeyRun>>,
    /// The latest time up to each of the sealed segments behind the first.
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

    /// The index of the segment that has `offset`, if any has.
    #[inline]
    pub(crate) fn index_at(&self, offset: u64) -> usize {
        self.segments
            .partition_point(|segment| segment.base() <= offset)
            .saturating_sub(1)
    }

    /// The segment with this base offset.
    pub(crate) fn with_base(&self, base: u64) -> Option<&SegmentRef> {
        let segment = self.segments.get(self.index_at(base));
        segment.filter(|segment| segment.base() == base)
    }

    /// Whether the segment with this base offset is the last one.
    pub(crate) fn is_last(&self, base: u64) -> bool {
        self.segments.last().is_some_and(|last| last.base() == base)
    }

    /// All segments but the last, which may be written to, or be reopened for writing.
    pub(crate) fn before_last(&self) -> &[SegmentRef] {
        self.segments.split_last().map_or(&[][..], |(_, before)| before)
    }
}
