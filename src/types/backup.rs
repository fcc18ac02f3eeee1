/// The result of a [`backup`](crate::Log::backup).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupReport {
    /// Segments in the backup.
    pub segments: u64,
    /// Segments of which bytes were copied. The others were in the backup already and were
    /// verified.
    pub segments_copied: u64,
    /// Bytes copied.
    pub bytes_copied: u64,
    /// Files of an earlier backup that were removed, because their messages have been trimmed or
    /// deleted since.
    pub files_removed: u64,
    /// The start offset of the backup.
    pub start_offset: u64,
    /// The next offset of the backup: that of the log at the moment of the snapshot.
    pub next_offset: u64,
}
