use std::io;
use std::path::Path;

use crate::{Error, Result};

/// Adds the operation and the path to an I/O error. Called once, where the error arises.
pub(super) fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io {
        operation,
        path: path.to_path_buf(),
        source,
    }
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
