//! Whether a log is open, poisoned or closed, and who may still write to its directory.
//!
//! Only this module keeps that state. A log goes through these states, and never back:
//!
//! | state | calls | files |
//! |---|---|---|
//! | open | work | may be written, unless the log was opened for reading only |
//! | poisoned | read; writing is [`Error::Poisoned`] | are not written any more |
//! | closed | fail with [`Error::Closed`] | are still written, to close the log in order |
//! | given up | fail with [`Error::Closed`] | belong to whoever opens the directory next |

use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::home::note_failed_sync;
use crate::log::Meter;
use crate::sys::{Dir, Process};
use crate::{Changes, Error, Result};

/// The state of a log and of the right to write to it; see the module.
#[derive(Debug)]
pub(crate) struct Health {
    /// The log's directory.
    dir: Dir,
    state: AtomicU8,
    /// The process that the handle was made in; its forks are refused.
    process: Process,
    is_read_only: bool,
    /// What poisoned the log first, if that was a failed write or sync.
    failure: OnceLock<Failure>,
    /// Held while a file gets the name of another, so that the directory is not given up meanwhile.
    renaming: Mutex<()>,
    /// Wakes those who wait for the log to change.
    changes: Changes,
    /// Counts what happens to the log.
    pub(super) meter: Meter,
}

const OPEN: u8 = 0;
const POISONED: u8 = 1;
const CLOSED: u8 = 2;
const GIVEN_UP: u8 = 4;

impl Health {
    /// An open log in `dir`.
    pub(crate) fn new(dir: &Dir, is_read_only: bool) -> Health {
        Health {
            dir: dir.clone(),
            state: AtomicU8::new(OPEN),
            process: Process::current(),
            is_read_only,
            failure: OnceLock::new(),
            renaming: Mutex::new(()),
            changes: if is_read_only {
                Changes::polled()
            } else {
                Changes::new()
            },
            meter: Meter::default(),
        }
    }

    /// Wakes those who wait for the log to change.
    #[inline]
    pub(crate) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Counts what happens to the log.
    #[inline]
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.state.load(Ordering::Acquire) & POISONED != 0
    }

    /// Whether this process is a fork of the one that the handle was made in. It may use nothing of
    /// the handle, because the locks of threads that it does not have are never released.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        !self.process.is_current()
    }

    /// Fails if the log was closed, or in a fork.
    #[inline]
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.is_forked() {
            return Err(Error::Forked);
        }
        if self.state.load(Ordering::Acquire) & CLOSED == 0 {
            Ok(())
        } else {
            Err(Error::Closed)
        }
    }

    /// Fails if calls that write are refused: the log was closed, poisoned, or opened for reading
    /// only, or this process is a fork.
    #[inline]
    pub(crate) fn check_writable(&self) -> Result<()> {
        if self.is_forked() {
            return Err(Error::Forked);
        }
        if self.is_read_only {
            return Err(self.refusal().unwrap_or(Error::ReadOnly));
        }
        self.check_still_writable()
    }

    /// The same for who has asked in this call already, and has waited since.
    #[inline]
    pub(crate) fn check_still_writable(&self) -> Result<()> {
        if self.state.load(Ordering::Acquire) == OPEN {
            Ok(())
        } else {
            Err(self.refusal().unwrap_or(Error::Closed))
        }
    }

    /// Why a call that writes is refused, if the log was closed or poisoned.
    #[cold]
    fn refusal(&self) -> Option<Error> {
        let state = self.state.load(Ordering::Acquire);
        if state & CLOSED != 0 {
            return Some(Error::Closed);
        }
        (state & POISONED != 0).then(|| {
            let (path, source) = self.first_failure();
            Error::Poisoned {
                path: Some(path),
                source,
            }
        })
    }

    /// Fails with what poisoned the log, if it is poisoned.
    pub(crate) fn check_not_poisoned(&self) -> Result<()> {
        if self.is_poisoned() {
            Err(self.failure())
        } else {
            Ok(())
        }
    }

    /// Whether files in the directory may be written. Closing still writes; a poisoned log does
    /// not.
    pub(crate) fn may_write_files(&self) -> bool {
        !self.is_read_only && self.state.load(Ordering::Acquire) & (POISONED | GIVEN_UP) == 0
    }

    /// The permission to give a file the name of another. While it is held, nobody else gets the
    /// directory.
    pub(crate) fn permit_rename(&self) -> Result<MutexGuard<'_, ()>> {
        let permit = self.renaming.lock();
        if self.may_write_files() {
            Ok(permit)
        } else {
            Err(Error::Closed)
        }
    }

    /// Refuses every write from now on, because of `cause`. The first cause counts.
    pub(crate) fn poison(&self, cause: &Error) {
        let _ = self.failure.set(Failure::of(cause, &self.dir));
        let before = self.state.fetch_or(POISONED, Ordering::AcqRel);
        if before & (POISONED | GIVEN_UP) == 0 && !self.is_read_only && self.process.is_current() {
            note_failed_sync(&self.dir);
            self.meter.poisoned();
        }
        self.changes.poison();
    }

    /// Poisons the log if `result` is an error. For failures after which nobody knows what is on
    /// disk.
    pub(crate) fn poison_on_error<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.poison(error);
        }
        result
    }

    /// Poisons the log if `result` is a failed sync. After any other error the log is as before.
    pub(crate) fn poison_on_failed_sync<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error @ Error::SyncFailed { .. }) = &result {
            self.poison(error);
        }
        result
    }

    /// What poisoned the log first.
    pub(crate) fn failure(&self) -> Error {
        let (path, source) = self.first_failure();
        Error::SyncFailed { path, source }
    }

    fn first_failure(&self) -> (PathBuf, io::Error) {
        let unknown = || {
            let source = io::Error::other("a write or sync did not come to its end");
            (self.dir.path().to_path_buf(), source)
        };
        self.failure.get().map_or_else(unknown, Failure::again)
    }

    /// Refuses calls from now on. False if they were refused already.
    pub(crate) fn close(&self) -> bool {
        let was_open = self.state.fetch_or(CLOSED, Ordering::AcqRel) & CLOSED == 0;
        self.changes.notify();
        was_open
    }

    /// Ends the right to write files: the directory may get another owner from now on.
    pub(crate) fn give_up(&self) {
        let _no_renaming = self.renaming.lock();
        self.state.fetch_or(GIVEN_UP, Ordering::AcqRel);
        self.meter.closed();
    }
}

/// A failed write or sync, kept for everybody who relied on it.
#[derive(Debug)]
struct Failure {
    path: PathBuf,
    code: Option<i32>,
    kind: io::ErrorKind,
    text: String,
}

impl Failure {
    /// The failure that `error` reports, of the log in `dir`.
    fn of(error: &Error, dir: &Dir) -> Failure {
        let (path, source) = match error {
            Error::SyncFailed { path, source } | Error::Io { path, source, .. } => (path.as_path(), source),
            Error::Poisoned { path, source } => (path.as_deref().unwrap_or(dir.path()), source),
            other => {
                return Failure {
                    path: dir.path().to_path_buf(),
                    code: None,
                    kind: io::ErrorKind::Other,
                    text: other.to_string(),
                };
            }
        };
        Failure {
            path: path.to_path_buf(),
            code: source.raw_os_error(),
            kind: source.kind(),
            text: source.to_string(),
        }
    }

    /// The same failure, to be reported once more.
    fn again(&self) -> (PathBuf, io::Error) {
        let source = match self.code {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(self.kind, self.text.clone()),
        };
        (self.path.clone(), source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{Os, Storage};

    /// The health of a log in a directory of its own.
    fn health(is_read_only: bool) -> (Health, tempfile::TempDir) {
        let dir = tempfile::tempdir().expect("a folder");
        let opened = Os.open_dir(dir.path()).expect("opened");
        (Health::new(&opened, is_read_only), dir)
    }

    fn failed(text: &'static str) -> Error {
        Error::SyncFailed {
            path: PathBuf::from("file"),
            source: io::Error::other(text),
        }
    }

    #[test]
    fn the_first_failure_is_the_one_that_is_reported() {
        let (health, _dir) = health(false);
        assert!(health.check_writable().is_ok() && health.check_not_poisoned().is_ok());
        health.poison(&failed("first"));
        health.poison(&failed("second"));
        let Err(Error::Poisoned { path, source }) = health.check_writable() else {
            panic!("not poisoned");
        };
        assert_eq!(path, Some(PathBuf::from("file")));
        assert_eq!(source.to_string(), "first");
        let Err(Error::SyncFailed { source, .. }) = health.check_not_poisoned() else {
            panic!("not poisoned");
        };
        assert_eq!(source.to_string(), "first");
        assert!(health.check_open().is_ok() && health.permit_rename().is_err());
    }

    /// Goal: what poisoned a log is named, also where no file was refused. Method: a failed sync,
    /// one that panics, and another error.
    #[test]
    fn a_poisoned_log_names_what_failed() {
        let text = |cause: &Error| {
            let (health, dir) = health(false);
            health.poison(cause);
            let text = health.check_still_writable().expect_err("poisoned").to_string();
            text.replace(&dir.path().display().to_string(), "log")
        };
        let told = "an earlier write or sync failed, so the handle no longer writes; open the log again";
        assert_eq!(text(&failed("why")), format!("file: {told}: why"));
        assert_eq!(text(&Error::poisoned("panic")), format!("log: {told}: panic"));
        assert_eq!(text(&Error::Sealed), format!("log: {told}: the log is sealed"));
    }

    #[test]
    fn a_closed_log_writes_until_it_gives_the_directory_up() {
        let (health, _dir) = health(false);
        assert!(health.close());
        assert!(!health.close());
        assert!(matches!(health.check_open(), Err(Error::Closed)));
        assert!(health.may_write_files() && health.permit_rename().is_ok());
        health.give_up();
        assert!(!health.may_write_files());
        assert!(matches!(health.permit_rename(), Err(Error::Closed)));
    }

    #[test]
    fn a_log_opened_for_reading_only_writes_nothing() {
        let (health, _dir) = health(true);
        assert!(matches!(health.check_writable(), Err(Error::ReadOnly)));
        assert!(!health.may_write_files() && health.permit_rename().is_err());
    }
}
