//! `duramen consume --follow`: printing messages as they are published.
//!
//! A follower keeps the log open for reading, which is in no writer's way, and looks again in small
//! steps. Its handle belongs to the directory that was opened. So it opens the path again when the
//! handle fails, and when the path leads to another directory.
//!
//! A log that is opened again may be another one. So the follower keeps the position up to which it
//! has read, and asks the log whether it still goes on from there.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use duramen::{Error, FileLog, Log as _, Options, Position, Start};

use crate::failure::Failure;
use crate::reader::{Found, Reader};
use crate::streams::tell;
use crate::{signals, streams};

/// The time to the next look after something came. It doubles with each look that finds nothing.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// The longest time between two looks.
const PAUSE_MAX: Duration = Duration::from_millis(10);

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
        open: None,
        position: None,
        is_waiting: false,
        damaged_since: None,
    };
    let mut pause = PAUSE_MIN;
    while !reader.is_done() && !signals::came() {
        match follower.look(reader) {
            Ok(Some(found)) => {
                print(&found)?;
                pause = PAUSE_MIN;
                continue;
            }
            Ok(None) => {}
            Err(failure) => follower.bear(failure, reader)?,
        }
        streams::sleep(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
    Ok(())
}

struct Follower<'a> {
    dir: &'a Path,
    open: Option<Opened>,
    /// Up to where the log was read.
    position: Option<Position>,
    /// Whether there is no log at the moment, which was told.
    is_waiting: bool,
    damaged_since: Option<Instant>,
}

/// A log, and the directory that it is in, as the system numbers it. No other directory gets this
/// number while the log is open.
struct Opened {
    log: FileLog,
    number: Option<(u64, u64)>,
}

impl Follower<'_> {
    /// Reads the next messages. If that fails, the next look opens the log again.
    fn look(&mut self, reader: &mut Reader<'_>) -> Result<Option<Found>, Failure> {
        let opened = match self.open.take() {
            Some(opened) => opened,
            None => self.open(reader)?,
        };
        let log = &opened.log;
        let before = log.position()?;
        let found = match reader.read(log) {
            Err(Failure::Log(error)) if error.is_trimmed() => {
                go_on_behind_trim(&error, reader);
                reader.read(log)?
            }
            read => read?,
        };
        if let Start::At(offset) = reader.from()
            && self.position.is_none_or(|position| position.offset != offset)
        {
            // What was found is printed, even if the log has just lost it.
            self.position = Some(log.position().unwrap_or(before).at(offset));
        }
        self.is_waiting = false;
        self.damaged_since = None;
        if found.is_some() || opened.number == number(self.dir) {
            self.open = Some(opened);
        }
        Ok(found)
    }

    fn open(&mut self, reader: &mut Reader<'_>) -> Result<Opened, Failure> {
        let number = number(self.dir);
        let log = Options::new().read_only(true).open(self.dir)?;
        self.resume(&log, reader)?;
        Ok(Opened { log, number })
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
                self.position = None;
            }
            Err(Error::EpochChanged {
                parted_at: Some(offset),
                ..
            }) => {
                self.position = Some(log.position()?.at(offset));
                tell(format_args!(
                    "duramen: the log has gone on without messages that were printed, from offset {offset} on; \
                     going on there"
                ));
                reader.go_on(Start::At(offset));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Returns the failure, unless it may pass.
    fn bear(&mut self, failure: Failure, reader: &mut Reader<'_>) -> Result<(), Failure> {
        match &failure {
            // The log that is there now tells what is different.
            Failure::Log(Error::EpochChanged { .. }) => Ok(()),
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

/// The system's number of the directory; `None` if there is none.
fn number(dir: &Path) -> Option<(u64, u64)> {
    let found = fs::metadata(dir).ok()?;
    Some((found.dev(), found.ino()))
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
