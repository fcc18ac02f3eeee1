/// Estimates about a segment when it begins. Only the use of memory depends on them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentHints {
    /// The size that the segment is going to have.
    pub(crate) bytes: u32,
    /// The number of records in the segment before it; 0 if not known.
    pub(crate) records_expected: u32,
}
