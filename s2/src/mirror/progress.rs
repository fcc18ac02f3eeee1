/// How far a [`Mirror`](crate::Mirror) is. The counts begin when it is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MirrorProgress {
    /// The offset in the log up to which everything is in the stream.
    pub next_offset: u64,
    /// The log's end when it was last looked up.
    pub source_end: u64,
    /// Up to there the log was on stable storage then. What is behind is not shipped yet.
    pub durable_end: u64,
    /// Messages shipped, as far as their arrival was confirmed.
    pub messages: u64,
    /// Their bytes, as S2 counts.
    pub bytes: u64,
    /// Offsets in between that have no message in the log: control records, and messages that were
    /// deleted or compacted before they were shipped.
    pub gaps: u64,
    /// Offsets that were trimmed before they were shipped, and passed over: see
    /// [`Mirror::skip_trimmed`](crate::Mirror::skip_trimmed).
    pub trimmed: u64,
    /// How often the connection was begun anew.
    pub reconnects: u64,
}

impl MirrorProgress {
    /// How many offsets of the log are not in the stream yet.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.source_end.saturating_sub(self.next_offset)
    }
}
