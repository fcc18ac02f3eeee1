//! `duramen consume --follow`: printing messages as they are published.
//!
//! A log cannot be open for publishing in one process and for reading in another. Therefore a
//! follower opens the log only to copy messages out of it, and has it closed while it prints or
//! waits. `duramen publish` retries for a moment when it finds the log locked. While a publisher
//! has the log open, the follower waits; it prints the new messages after the publisher has closed
//! the log.

use std::path::Path;
use std::time::{Duration, Instant};

use duramen::{Error, Log as _, Options};

use crate::failure::Failure;
use crate::reader::{Found, Reader};
use crate::{signals, streams};

/// The time between two attempts to read.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// When there are no new messages, the follower has the log open for at most one part in this many
/// of the time.
const OPEN_SHARE: u32 = 10;

/// Passes all that `reader` finds, now and later, to `print`. Returns when the reader is done, or a
/// signal has come.
pub(crate) fn run(
    dir: &Path,
    reader: &mut Reader<'_>,
    mut print: impl FnMut(&Found) -> Result<(), Failure>,
) -> Result<(), Failure> {
    while !reader.is_done() && !signals::came() {
        let started = Instant::now();
        match look(dir, reader) {
            Ok(Some(found)) => print(&found)?,
            // Opening a log that was not closed scans it each time, which can take long.
            Ok(None) => streams::sleep(POLL_INTERVAL.max(started.elapsed() * OPEN_SHARE)),
            Err(Failure::Log(Error::Locked { .. })) => streams::sleep(POLL_INTERVAL),
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// Opens the log for as long as it takes to read the next messages.
fn look(dir: &Path, reader: &mut Reader<'_>) -> Result<Option<Found>, Failure> {
    // The settings may have changed since the log was last open.
    let log = Options::of(dir)?.read_only(true).open(dir)?;
    let found = reader.read(&log)?;
    log.close()?;
    Ok(found)
}
