use std::io;
use std::path::Path;

use crate::Error;

/// Gives an I/O error its operation and path, once, where it arises.
pub(super) fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io {
        operation,
        path: path.to_path_buf(),
        source,
    }
}

/// A refusal of random bytes. They come from a system call, which stands where other errors have a path.
pub(super) fn random_failed(source: io::Error) -> Error {
    failed("draw random bytes", Path::new("getrandom"))(source)
}
