//! What made a handle refuse writes, kept for everybody who was relying on it.

use std::io;
use std::path::PathBuf;

use crate::Error;

/// A failed write or sync. The first one counts: what comes after it is its consequence.
#[derive(Debug)]
pub(crate) struct Failure {
    path: PathBuf,
    code: Option<i32>,
    kind: io::ErrorKind,
    text: String,
}

impl Failure {
    /// `None` if the error does not say what failed.
    pub(crate) fn of(error: &Error) -> Option<Failure> {
        let (Error::SyncFailed { path, source } | Error::Io { path, source, .. }) = error else {
            return None;
        };
        Some(Failure {
            path: path.clone(),
            code: source.raw_os_error(),
            kind: source.kind(),
            text: source.to_string(),
        })
    }

    /// The same failure, told once more.
    pub(crate) fn error(&self) -> Error {
        let source = match self.code {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(self.kind, self.text.clone()),
        };
        Error::SyncFailed {
            path: self.path.clone(),
            source,
        }
    }
}
