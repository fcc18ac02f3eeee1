use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::OsDir;
use super::system::device;
use crate::sys::error::failed;
use crate::sys::{LOCK_NAME, Mutex, PerProcess, Process};
use crate::{Error, Result};

/// Directories that this process has open for writing, as (device, inode).
///
/// `flock` works both between processes and between handles of one process. But some network file
/// systems emulate it with record locks, which belong to a process as a whole. This registry covers
/// that case.
static WRITERS: PerProcess<Mutex<HashSet<(u64, u64)>>> = PerProcess::new();

/// A lock on a log's directory, released when dropped.
#[derive(Debug)]
pub(in crate::sys) struct OsLock {
    #[expect(dead_code, reason = "held for what dropping it does")]
    files: (Locked, Option<Locked>),
    #[expect(dead_code, reason = "held for what dropping it does")]
    registered: Option<Registered>,
}

/// A file or directory with a lock on it, and the process that took the lock.
#[derive(Debug)]
struct Locked(fs::File, Process);

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing the file is not enough. A child process that another thread is starting has a
        // copy of the descriptor until it calls `exec`, and would keep the lock until then. A
        // forked child that does not call `exec` has a copy too, and must not release its parent's
        // lock: it only closes the copy.
        if self.1.is_current() {
            let _ = self.0.unlock();
        }
    }
}

/// An entry in the registry of the process that made it.
#[derive(Debug)]
struct Registered((u64, u64), Process);

impl Drop for Registered {
    fn drop(&mut self) {
        if self.1.is_current() {
            WRITERS.get().lock().remove(&self.0);
        }
    }
}

impl OsLock {
    /// Locks the directory: both the lock file in it and the directory itself, because the file can
    /// be replaced by another one with its name. A reader skips the lock file if it is missing or
    /// may not be opened, because a reader without write permission could not create it.
    pub(in crate::sys) fn take(dir: &OsDir, path: &Path, exclusive: bool) -> Result<OsLock> {
        let locked = || Error::Locked {
            path: path.to_path_buf(),
        };
        let metadata = dir.file().metadata().map_err(failed("look at", path))?;
        let id = (metadata.dev(), metadata.ino());
        let process = Process::current();
        let registered = if exclusive {
            if !WRITERS.get().lock().insert(id) {
                return Err(locked());
            }
            Some(Registered(id, process))
        } else {
            if WRITERS.get().lock().contains(&id) {
                return Err(locked());
            }
            None
        };
        // The lock belongs to a descriptor of its own, which a forked child can close.
        let folder = dir.again(path)?;
        match take(&folder, exclusive) {
            Err(fs::TryLockError::WouldBlock) => return Err(locked()),
            // Some file systems can only lock files.
            Ok(()) | Err(fs::TryLockError::Error(_)) => {}
        }
        let folder = Locked(folder, process);
        let file = open_lock_file(dir, path, exclusive)?;
        if let Some(file) = &file {
            let path = path.join(LOCK_NAME);
            match take(file, exclusive) {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => return Err(locked()),
                Err(fs::TryLockError::Error(error)) => return Err(cannot_lock(&path, error)),
            }
            // If the file was replaced after it was opened, the lock is on a file without a name.
            let ours = file.metadata().map_err(failed("look at", &path))?;
            let named = dir.stat_of(&path, LOCK_NAME)?;
            if (ours.dev(), ours.ino()) != (device(&named), named.st_ino) {
                return Err(locked());
            }
        }
        Ok(OsLock {
            files: (folder, file.map(|file| Locked(file, process))),
            registered,
        })
    }
}

/// The error where the file system refused a lock for another reason than that somebody has it. A
/// log is never opened for writing without one.
fn cannot_lock(path: &Path, error: io::Error) -> Error {
    const REFUSALS: [Errno; 4] = [Errno::NOLCK, Errno::NOTSUP, Errno::OPNOTSUPP, Errno::NOSYS];
    match Errno::from_io_error(&error) {
        Some(errno) if REFUSALS.contains(&errno) => Error::Unsupported {
            path: path.to_path_buf(),
            what: "the file system locks no files, so a second writer could not be kept out",
        },
        _ => failed("lock", path)(error),
    }
}

fn take(file: &fs::File, exclusive: bool) -> std::result::Result<(), fs::TryLockError> {
    if exclusive {
        file.try_lock()
    } else {
        file.try_lock_shared()
    }
}

fn open_lock_file(dir: &OsDir, path: &Path, exclusive: bool) -> Result<Option<fs::File>> {
    let failed = |error: Errno| failed("open", &path.join(LOCK_NAME))(error.into());
    if exclusive {
        match dir.open_file(LOCK_NAME, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL) {
            Err(Errno::EXIST) => {}
            created => return created.map(Some).map_err(failed),
        }
    }
    let access = if exclusive { OFlags::RDWR } else { OFlags::RDONLY };
    match dir.open_file(LOCK_NAME, access) {
        Ok(file) => Ok(Some(file)),
        Err(Errno::NOENT | Errno::ACCESS) if !exclusive => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_locks_is_named_as_that() {
        let of = |errno: Errno| cannot_lock(Path::new("LOCK"), errno.into());
        for errno in [Errno::NOLCK, Errno::NOTSUP, Errno::NOSYS] {
            assert!(matches!(of(errno), Error::Unsupported { .. }), "{errno:?}");
        }
        let other = of(Errno::IO).to_string();
        assert_eq!(other, "LOCK: cannot lock: Input/output error (os error 5)");
    }
}
