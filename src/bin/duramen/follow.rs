//! `duramen consume --follow`: printing messages as they are published.
//!
//! A follower opens the log only to copy messages out of it, and has it closed while it prints or
//! waits. Where a log cannot be open for publishing in one process and for reading in another, it
//! waits until the publisher has closed it.
//!
//! Between two looks, anything can happen to the directory. So the follower keeps the position up
//! to which it has read, and asks the log each time whether it still goes on from there.

use std::path::Path;
use std::time::{Duration, Instant};

use duramen::{Error, FileLog, Log as _, Options, Position, Start};

use crate::failure::Failure;
use crate::reader::{Found, Reader};
use crate::streams::tell;
use crate::{signals, streams};

/// The time between two attempts to read.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// When there are no new messages, the follower has the log open for at most one part in this many
/// of the time.
const OPEN_SHARE: u32 = 10;

/// How long a log may look damaged, as one does that is just being removed.
const DAMAGED_MAX: Duration = Duration::from_secs(1);

/// Passes all that `reader` finds, now and later, to `print`. Returns when the reader is done, or a
/// signal has come.
pub(crate) fn run(
    dir: &Path,
    reader: &mut Reader<'_>,
    mut print: impl FnMut(&Found) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut follower = Follower {
        dir,
        position: None,
        is_waiting: false,
        damaged_since: None,
    };
    while !reader.is_done() && !signals::came() {
        let started = Instant::now();
        match follower.look(reader) {
            Ok(Some(found)) => print(&found)?,
            // Opening a log that was not closed scans it each time, which can take long.
            Ok(None) => streams::sleep(POLL_INTERVAL.max(started.elapsed() * OPEN_SHARE)),
            Err(failure) => {
                follower.bear(failure, reader)?;
                streams::sleep(POLL_INTERVAL);
            }
        }
    }
    Ok(())
}

struct Follower<'a> {
    dir: &'a Path,
    /// Up to where the log was read.
    position: Option<Position>,
    /// Whether there is no log at the moment, which was told.
    is_waiting: bool,
    damaged_since: Option<Instant>,
}

impl Follower<'_> {
    /// Opens the log for as long as it takes to read the next messages.
    fn look(&mut self, reader: &mut Reader<'_>) -> Result<Option<Found>, Failure> {
        // The settings may have changed since the log was last open.
        let log = Options::of(self.dir)?.read_only(true).open(self.dir)?;
        self.resume(&log, reader)?;
        let found = match reader.read(&log) {
            Err(Failure::Log(error)) if error.is_trimmed() => {
                go_on_behind_trim(&error, reader);
                reader.read(&log)?
            }
            read => read?,
        };
        if let Start::At(offset) = reader.from() {
            self.position = Some(log.position()?.at(offset));
        }
        log.close()?;
        self.is_waiting = false;
        self.damaged_since = None;
        Ok(found)
    }

    /// Goes on where the log is no longer the one that was read.
    fn resume(&mut self, log: &FileLog, reader: &mut Reader<'_>) -> Result<(), Failure> {
        let Some(position) = self.position else {
            return Ok(());
        };
        match log.resume(position) {
            Ok(_) => {}
            Err(Error::EpochChanged { parted_at: None, .. }) => {
                tell("duramen: there is another log in the directory; going on at its beginning");
                reader.go_on(Start::Oldest);
            }
            Err(Error::EpochChanged {
                parted_at: Some(offset),
                ..
            }) => {
                tell(format_args!(
                    "duramen: the log has gone on without messages that were printed, from offset {offset} on; \
                     going on there"
                ));
                reader.go_on(Start::At(offset));
            }
            Err(error) => return Err(error.into()),
        }
        self.position = None;
        Ok(())
    }

    /// Returns the failure, unless it may pass.
    fn bear(&mut self, failure: Failure, reader: &mut Reader<'_>) -> Result<(), Failure> {
        match &failure {
            Failure::Log(Error::Locked { .. }) => Ok(()),
            Failure::Log(Error::NoLog { .. } | Error::Unfinished { .. }) => {
                self.damaged_since = None;
                if !self.is_waiting {
                    self.is_waiting = true;
                    tell(format_args!(
                        "duramen: waiting for a log in {}",
                        self.dir.display()
                    ));
                }
                if self.position.is_none() && matches!(reader.from(), Start::Newest | Start::Last(_)) {
                    // All messages of a log that is not there yet are newer than this moment.
                    reader.go_on(Start::Oldest);
                }
                Ok(())
            }
            Failure::Log(Error::Corrupt { .. } | Error::Io { .. }) => {
                let since = *self.damaged_since.get_or_insert_with(Instant::now);
                if since.elapsed() < DAMAGED_MAX {
                    Ok(())
                } else {
                    Err(failure)
                }
            }
            _ => Err(failure),
        }
    }
}

/// Goes on at the oldest message, and tells what was missed.
fn go_on_behind_trim(error: &Error, reader: &mut Reader<'_>) {
    if let Error::OffsetOutOfRange { offset, start, .. } = error {
        tell(format_args!(
            "duramen: offsets {offset} to {} were trimmed before they were printed; going on at {start}",
            start.saturating_sub(1)
        ));
    }
    reader.go_on(Start::Oldest);
}
