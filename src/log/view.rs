use crate::segment::Part;

/// A log's segments as readers see them: immutable, replaced as a whole when a segment is added, sealed or dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// Everything below was trimmed.
    pub(crate) start_offset: u64,
    /// By base offset.
    pub(crate) parts: Vec<Part>,
    /// The next offset is at least this one, whatever the segments say.
    pub(crate) next_offset_min: u64,
}

impl View {
    /// One past the last visible offset.
    #[inline]
    pub(crate) fn next_offset(&self) -> u64 {
        match self.parts.last() {
            Some(Part::Active(active)) => self
                .next_offset_min
                .max(active.header.base + u64::from(active.visible().count)),
            _ => self.next_offset_min,
        }
    }

    /// The index of the part in which `offset` is, if it is anywhere.
    #[inline]
    pub(crate) fn part_at(&self, offset: u64) -> usize {
        self.parts
            .partition_point(|part| part.base() <= offset)
            .saturating_sub(1)
    }
}
