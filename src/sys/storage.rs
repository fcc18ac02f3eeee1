use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::{DirLock, File};
use crate::{Error, Result};

/// A file system as the engine sees it.
///
/// Nothing is durable before [`File::sync`] for a file's bytes and length, and [`Storage::sync_dir`] for names; until
/// then a crash may keep any part of it, in any order.
pub(crate) trait Storage: Send + Sync + fmt::Debug {
    /// Fails if `dir` is on a file system on which a log that is written to could not keep its promises.
    fn check_supported(&self, dir: &Path) -> Result<()>;

    /// Creates `dir` and what is missing above it, readable by its owner only, each durably named in its parent.
    fn create_dirs(&self, dir: &Path) -> Result<()>;

    /// Whether `dir` is a directory.
    fn is_dir(&self, dir: &Path) -> Result<bool>;

    /// The path of a directory that exists without links and `..` in it.
    fn real_path(&self, dir: &Path) -> Result<PathBuf>;

    /// The names in `dir` that are valid UTF-8, in no order.
    fn list(&self, dir: &Path) -> Result<Vec<String>>;

    /// Opens a regular file. Refuses links and everything else that is not a regular file of one name.
    fn open(&self, path: &Path, how: Open) -> Result<File>;

    /// Bytes of a file, as its directory tells. Takes no descriptor.
    fn len_of(&self, path: &Path) -> Result<u64>;

    /// Renames a file, replacing one that has the name `to`.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes a name.
    fn remove(&self, path: &Path) -> Result<()>;

    /// Makes the names in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> Result<()>;

    /// Locks `dir` for one writer or for any number of readers, at once or not at all.
    fn lock(&self, dir: &Path, exclusive: bool) -> Result<DirLock>;

    /// The time, in whole seconds since the Unix epoch.
    fn now(&self) -> u32;

    /// 128 bits that no other log or segment has.
    fn random(&self) -> Result<[u8; 16]>;
}

/// How [`Storage::open`] opens a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Open {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A new file, which must not exist, readable and writable by its owner only.
    Create,
}

/// What was got of a file; `None` if there is no such file.
pub(crate) fn found<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
