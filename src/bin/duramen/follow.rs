//! `duramen consume --follow`: messages as they are published.
//!
//! A log is open for publishing or for reading, never both, and a publisher is another process. So a follower holds
//! the log only while it copies messages out of it, never while it prints or waits; a publisher that finds it there
//! tries again for a moment (`duramen publish` does). While a publisher has the log open, the follower waits, and
//! sees its messages when it has closed the log.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use duramen::{Batch, Error, Log as _, Options};

use crate::failure::Failure;
use crate::reader::Reader;

/// Time between two looks at the log.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Of the time, the follower has the log open for at most one part in so many when there is nothing new.
const OPEN_SHARE: u32 = 10;

/// Gives all that `reader` finds, now and later, to `print`; returns when the reader is done.
pub(crate) fn run(
    dir: &Path,
    reader: &mut Reader<'_>,
    mut print: impl FnMut(&Batch) -> Result<(), Failure>,
) -> Result<(), Failure> {
    while !reader.is_done() {
        let started = Instant::now();
        match look(dir, reader) {
            Ok(Some(batch)) => print(&batch)?,
            // A log that was not closed is scanned on every open, which can take long.
            Ok(None) => thread::sleep(POLL_INTERVAL.max(started.elapsed() * OPEN_SHARE)),
            Err(Failure::Log(Error::Locked { .. })) => thread::sleep(POLL_INTERVAL),
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// Opens the log for as long as it takes to read the next messages.
fn look(dir: &Path, reader: &mut Reader<'_>) -> Result<Option<Batch>, Failure> {
    // The settings may have changed since the last look.
    let log = Options::of(dir)?.read_only(true).open(dir)?;
    let batch = reader.read(&log)?;
    log.close()?;
    Ok(batch)
}
