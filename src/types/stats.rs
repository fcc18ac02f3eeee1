/// What a log holds, as told by [`Log::stat`](crate::Log::stat) and the command `duramen stat`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Segment files.
    pub segments: u64,
    /// Messages that exist: published, visible, and neither trimmed nor deleted.
    pub messages: u64,
    /// Bytes of the segment and index files that hold messages. Space reserved ahead of the end does not count.
    pub size: u64,
    /// The oldest offset a reader may name.
    pub start_offset: u64,
    /// The offset the next visible message gets.
    pub next_offset: u64,
    /// Every message below this offset is on stable storage.
    pub synced_offset: u64,
    /// How often the log lost, or may have lost, messages that had been visible. A stored position is only as good
    /// as the epoch it was taken in.
    pub epoch: u64,
    /// Whether the log has a key index.
    pub key_index: bool,
    /// Whether the log has a time index.
    pub time_index: bool,
}
