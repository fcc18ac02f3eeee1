//! Opening an existing log, to change it or to read it.

use std::path::Path;
use std::time::{Duration, Instant};

use duramen::{Error, FileLog, Options};

use crate::failure::Failure;
use crate::{signals, streams};

/// How long to retry opening a log that another process has open for writing, such as a command
/// that is about to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Calls `try_open` until it succeeds, for a short time at most while another process has the log
/// open for writing.
pub(crate) fn patiently<T>(try_open: impl Fn() -> duramen::Result<T>) -> Result<T, Failure> {
    let started = Instant::now();
    loop {
        match try_open() {
            Err(Error::Locked { .. }) if started.elapsed() < PATIENCE && !signals::came() => {
                streams::sleep(Duration::from_millis(1));
            }
            result => return Ok(result?),
        }
    }
}

/// Opens the existing log in `dir` with its own settings, for reading only if `read_only`.
pub(crate) fn existing(dir: &Path, read_only: bool) -> Result<FileLog, Failure> {
    patiently(|| Options::of(dir)?.read_only(read_only).open(dir))
}
