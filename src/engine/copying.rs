//! Copying a log that is open.

#[cfg(feature = "fault")]
use std::path::Path;

use super::backup::{self, To};
use super::file_log::FileLog;
use crate::sys::{Dir, DirLock};
use crate::{BackupReport, Result};

impl FileLog {
    /// See [`Log::backup`](crate::Log::backup).
    pub(crate) fn backup_to(&self, to: To<'_>) -> Result<BackupReport> {
        self.log.copy(|source| backup::copy(source, to))
    }

    /// Copies the messages below the offset `end`, as a log of its own.
    pub(crate) fn copy_until(&self, to: To<'_>, end: u64) -> Result<BackupReport> {
        self.log.copy(|source| backup::copy_until(source, to, end))
    }

    /// Fails if a backup may not go to this directory, and changes nothing there.
    pub(crate) fn refuse_target(&self, dir: &Dir) -> Result<()> {
        self.log.copy(|source| backup::refuse(source, To::Dir(dir)))
    }

    /// Has `dir` count as an unfinished backup, or for a fork as an unfinished restore, until it is
    /// taken to this directory, which the caller has locked then. Before anything is changed,
    /// `accept` is asked whether that may be; it is told whether a whole backup is there.
    pub(crate) fn mark_target(
        &self,
        dir: &Dir,
        is_fork: bool,
        accept: &dyn Fn(bool) -> Result<()>,
    ) -> Result<Option<DirLock>> {
        self.log
            .copy(|source| backup::mark(source, To::Dir(dir), is_fork, accept))
    }
}

/// Restores the messages of `log` below the offset `end` to the directory `dir`, as
/// [`restore`](crate::restore) does, on whatever disk the log is.
///
/// # Errors
///
/// As `restore`.
#[cfg(feature = "fault")]
pub fn restore_to(log: &FileLog, dir: &Path, end: u64) -> Result<BackupReport> {
    log.copy_until(To::Path(dir), end)
}
