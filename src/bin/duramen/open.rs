//! Opening a log that is there, to change it or to read it.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use duramen::{Error, FileLog, Options};

use crate::failure::Failure;

/// How long opening is tried: `consume --follow` holds the log again and again for a moment.
const PATIENCE: Duration = Duration::from_secs(1);

/// Opens with `try_open`, again and again while somebody has the log open, but not for long.
pub(crate) fn patiently<T>(try_open: impl Fn() -> duramen::Result<T>) -> Result<T, Failure> {
    let started = Instant::now();
    loop {
        match try_open() {
            Err(Error::Locked { .. }) if started.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(1));
            }
            result => return Ok(result?),
        }
    }
}

/// The log in `dir` as it is; for reading only if `read_only`.
pub(crate) fn existing(dir: &Path, read_only: bool) -> Result<FileLog, Failure> {
    patiently(|| Options::of(dir)?.read_only(read_only).open(dir))
}
