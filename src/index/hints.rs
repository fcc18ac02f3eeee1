/// What is known of a segment when it begins: only the use of memory depends on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentHints {
    /// How large the segment will become.
    pub(crate) bytes: u32,
    /// How many records the segment before it had; 0 if not known.
    pub(crate) records_expected: u32,
}
