//! What tells files and boots of the machine apart.

/// Which file one is, apart from its name and content. All zeros is no file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// When it was made, in nanoseconds since the Unix epoch; 0 if the file system does not tell. A
    /// new file may have the inode of one that was removed.
    pub(crate) made: u64,
}

/// The name of the lock file. The file is never removed, because a lock on a removed file excludes
/// nobody.
pub(crate) const LOCK_NAME: &str = "LOCK";

/// The boot id that is written where the system tells none.
pub(crate) const UNKNOWN_BOOT: [u8; 16] = [0; 16];
