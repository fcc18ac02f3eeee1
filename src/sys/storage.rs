use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::{DirLock, File};
use crate::{Error, Result};

/// The file system operations that the engine uses.
///
/// A file's bytes and length are durable only after [`File::sync`], and names only after
/// [`Storage::sync_dir`]. Until then, a crash may keep any part of the changes, in any order.
pub(crate) trait Storage: Send + Sync + fmt::Debug {
    /// Fails if `dir` is on a file system on which a log could not keep its guarantees.
    fn check_supported(&self, dir: &Path) -> Result<()>;

    /// Creates `dir` and its missing parents, accessible only to their owner. Their names are
    /// durable.
    fn create_dirs(&self, dir: &Path) -> Result<()>;

    /// Whether `dir` is a directory.
    fn is_dir(&self, dir: &Path) -> Result<bool>;

    /// A number that directories on the same file system have in common.
    fn file_system_of(&self, dir: &Path) -> Result<u64>;

    /// The path of an existing directory, without symbolic links and `..`.
    fn real_path(&self, dir: &Path) -> Result<PathBuf>;

    /// The names in `dir` that are valid UTF-8, in any order.
    fn list(&self, dir: &Path) -> Result<Vec<String>>;

    /// Opens a regular file. Refuses symbolic links, files with several names, and everything that
    /// is not a regular file.
    fn open(&self, path: &Path, how: Open) -> Result<File>;

    /// The length of a file in bytes, without opening it.
    fn len_of(&self, path: &Path) -> Result<u64>;

    /// Renames a file. Replaces an existing file with the name `to`.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes a name.
    fn remove(&self, path: &Path) -> Result<()>;

    /// Makes the names in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> Result<()>;

    /// Locks `dir` for one writer or for any number of readers. Fails at once if the lock is held.
    fn lock(&self, dir: &Path, exclusive: bool) -> Result<DirLock>;

    /// Draws 128 random bits, which no other log or segment has.
    fn random(&self) -> Result<[u8; 16]>;
}

/// How [`Storage::open`] opens a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Open {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A new file, which must not exist. Only its owner can read and write it.
    Create,
}

/// Turns the error for a missing file into `None`.
pub(crate) fn found<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
