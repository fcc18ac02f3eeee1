/// What a [`backup`](crate::Log::backup) made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupReport {
    /// Segments that the backup consists of.
    pub segments: u64,
    /// Those of which bytes had to be copied; the others were there already and were verified.
    pub segments_copied: u64,
    /// Bytes that were copied.
    pub bytes_copied: u64,
    /// Files of an earlier backup that were removed, because what they held was trimmed or deleted since.
    pub files_removed: u64,
    /// The oldest offset in the backup that a reader may name.
    pub start_offset: u64,
    /// The log's next offset at the moment that the backup shows.
    pub next_offset: u64,
}
