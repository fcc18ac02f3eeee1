use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Adds the operation and the path to an I/O error. Called once, where the error arises.
pub(super) fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io {
        operation,
        path: path.to_path_buf(),
        source,
    }
}

thread_local! {
    /// The last read of this thread that has failed where a mapping could not have.
    static FAILED_READ: RefCell<Option<(PathBuf, Error)>> = const { RefCell::new(None) };
}

/// Notes that a file that is not mapped could not be read. Whoever loads from it finds that bytes
/// are missing, as from a file that is too short.
pub(super) fn note_failed_read(path: &Path, error: Error) {
    FAILED_READ.with(|noted| *noted.borrow_mut() = Some((path.to_path_buf(), error)));
}

/// Why this thread found bytes of this file missing, if it was because a read failed. Ask before
/// missing bytes are taken for damage, or for the end.
pub(crate) fn failed_read(path: &Path) -> Option<Error> {
    FAILED_READ.with(|noted| {
        let noted = &mut *noted.borrow_mut();
        let found = noted.take_if(|(failed, _)| failed == path);
        found.map(|(_, error)| error)
    })
}

/// Whether there is no space: the disk, the user's share of it, or what the process may write to
/// one file.
pub(crate) fn is_out_of_space(error: &Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error, Error::Io { source, .. } if matches!(source.kind(), FileTooLarge | QuotaExceeded | StorageFull))
}

/// Whether the system allows this process no more mappings.
pub(crate) fn is_out_of_mappings(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == io::ErrorKind::OutOfMemory)
}

/// The error for random bytes that the system refused. They have no path, so the error names the
/// system call instead.
pub(super) fn random_failed(source: io::Error) -> Error {
    failed("draw random bytes", Path::new("getrandom"))(source)
}

/// Turns the error for a missing file into `None`.
pub(crate) fn found<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// The same for a directory: what is no directory counts as missing.
pub(super) fn found_dir<T>(result: Result<T>) -> Result<Option<T>> {
    match found(result) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotADirectory => Ok(None),
        other => other,
    }
}
