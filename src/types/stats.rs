use super::{LifeId, MappedFiles, Token};
use std::time::Instant;

/// Counts, sizes and offsets of a log, returned by [`Log::stat`](crate::Log::stat) and printed by
/// the command `duramen stat`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Segment files.
    pub segments: u64,
    /// Existing messages: those that are visible and neither trimmed nor deleted.
    pub messages: u64,
    /// Bytes used in segment and index files. Space reserved beyond the end does not count.
    pub size: u64,
    /// The lowest offset that a reader may ask for.
    pub start_offset: u64,
    /// One past the offset of the last visible message or control record.
    pub next_offset: u64,
    /// All messages below this offset are on stable storage.
    pub synced_offset: u64,
    /// How many lives the log has begun after its first: see
    /// [`Log::position`](crate::Log::position). Two logs may have the same epoch in different
    /// lives, so this is no part of a position.
    pub epoch: u64,
    /// Since when the oldest message that is not on stable storage has been waiting, as far as this
    /// handle knows: a message of an earlier life waits since the log was opened. `None` if none
    /// waits, or if the log is open for reading only.
    pub unsynced_since: Option<Instant>,
    /// The life of the log; `None` if the log has no positions.
    pub life: Option<LifeId>,
    /// The log's token; the empty one in a log without tokens.
    pub token: Token,
    /// Whether the log is sealed.
    pub is_sealed: bool,
    /// How many producers the log knows; see
    /// [`PublishOptions::producer`](crate::PublishOptions::producer).
    pub producers: u64,
    /// Whether the log has a key index.
    pub key_index: bool,
    /// Whether the log has a time index.
    pub time_index: bool,
    /// Which of the log's files are mapped; see
    /// [`Options::mapped_files`](crate::Options::mapped_files). A log in memory has no files.
    pub mapped_files: MappedFiles,
}
