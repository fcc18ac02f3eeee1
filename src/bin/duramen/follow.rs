//! `duramen consume --follow`: printing messages as they are published.
//!
//! A follower keeps the log open for reading, which is in no writer's way, and looks again in small
//! steps. Its handle belongs to the directory that was opened. So it opens the path again when the
//! handle fails, and when the path leads to another directory.
//!
//! A log that is opened again may be another one. So the follower keeps the position up to which it
//! has read, and asks the log whether it still goes on from there.

use std::fmt::Display;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use duramen::{Error, FileLog, Log, Options, Position, Start};

use crate::failure::Failure;
use crate::reader::{Budget, Found, Reader};
use crate::streams::tell;
use crate::{signals, streams};

/// The time to the next look after something came. It doubles with each look that finds nothing.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// The longest time between two looks, if a look does not take longer.
const PAUSE_MAX: Duration = Duration::from_millis(10);

/// How long a log may look damaged, as one does that is just being removed.
const DAMAGED_MAX: Duration = Duration::from_secs(1);

/// Where a follower finds its log.
pub(crate) trait Source {
    type Log: Log;

    fn open(&mut self) -> Result<Self::Log, Failure>;

    /// Whether the log that was opened is the one that is there now.
    fn is_current(&self) -> bool;

    /// Whether the error says that there is no log yet, or no more. The user is told that this
    /// waits for one, once.
    fn is_absent(&mut self, error: &Error) -> bool;

    /// The log that was opened has failed, and another one may be there.
    fn forget(&mut self);

    /// The log was read.
    fn was_read(&mut self);

    /// What stands in front of what the user is told about the log.
    fn label(&self) -> String;
}

/// Passes all that the followers find, now and later, to `print`. Returns when they are done, or a
/// signal has come.
pub(crate) fn run<S: Source>(
    followers: &mut [Follower<'_, S>],
    budget: &mut Budget,
    mut print: impl FnMut(&S, &Found) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut pause = PAUSE_MIN;
    loop {
        let started = Instant::now();
        let (mut is_done, mut is_news) = (true, false);
        for follower in &mut *followers {
            if signals::came() {
                return Ok(());
            }
            if follower.reader.is_done(budget) {
                continue;
            }
            is_done = false;
            match follower.look(budget) {
                Ok(Some(found)) => {
                    print(&follower.source, &found)?;
                    is_news = true;
                }
                Ok(None) => {}
                Err(failure) => follower.bear(failure)?,
            }
        }
        if is_done {
            return Ok(());
        }
        if is_news {
            pause = PAUSE_MIN;
            continue;
        }
        // Looking at many logs takes half of a processor at most.
        streams::sleep(pause.max(started.elapsed()));
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Reads one log, as it grows.
pub(crate) struct Follower<'a, S: Source> {
    source: S,
    reader: Reader<'a>,
    open: Option<S::Log>,
    /// Up to where the log was read.
    position: Option<Position>,
    damaged_since: Option<Instant>,
}

impl<'a, S: Source> Follower<'a, S> {
    pub(crate) fn new(source: S, reader: Reader<'a>) -> Follower<'a, S> {
        Follower {
            source,
            reader,
            open: None,
            position: None,
            damaged_since: None,
        }
    }

    /// Reads the next messages. If that fails, the next look opens the log again.
    fn look(&mut self, budget: &mut Budget) -> Result<Option<Found>, Failure> {
        let log = match self.open.take() {
            Some(log) => log,
            None => self.open()?,
        };
        let before = log.position()?;
        let found = match self.reader.read(&log, budget) {
            Err(Failure::Log(error)) if error.is_trimmed() => {
                self.go_on_behind_trim(&error);
                self.reader.read(&log, budget)?
            }
            read => read?,
        };
        if let Start::At(offset) = self.reader.from()
            && self.position.is_none_or(|position| position.offset != offset)
        {
            // What was found is printed, even if the log has just lost it.
            self.position = Some(log.position().unwrap_or(before).at(offset));
        }
        self.source.was_read();
        self.damaged_since = None;
        if found.is_some() || self.source.is_current() {
            self.open = Some(log);
        }
        Ok(found)
    }

    fn open(&mut self) -> Result<S::Log, Failure> {
        let log = self.source.open()?;
        self.resume(&log)?;
        Ok(log)
    }

    /// Goes on where the log is no longer the one that was read.
    fn resume(&mut self, log: &S::Log) -> Result<(), Failure> {
        let Some(position) = self.position else {
            return Ok(());
        };
        match log.resume(position) {
            Ok(_) => {}
            Err(Error::EpochChanged { parted_at: None, .. }) => {
                self.tell("there is another log in the directory; going on at its beginning");
                self.reader.go_on(Start::Oldest);
                self.position = None;
            }
            Err(Error::EpochChanged {
                parted_at: Some(offset),
                ..
            }) => {
                self.position = Some(log.position()?.at(offset));
                self.tell(format_args!(
                    "the log has gone on without messages that were printed, from offset {offset} on; \
                     going on there"
                ));
                self.reader.go_on(Start::At(offset));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Goes on at the oldest message, and tells what was missed.
    fn go_on_behind_trim(&mut self, error: &Error) {
        if let Error::OffsetOutOfRange { offset, start, .. } = error {
            self.tell(format_args!(
                "offsets {offset} to {} were trimmed before they were printed; going on at {start}",
                start.saturating_sub(1)
            ));
        }
        self.reader.go_on(Start::Oldest);
    }

    fn tell(&self, text: impl Display) {
        tell(format_args!("duramen: {}{text}", self.source.label()));
    }

    /// Returns the failure, unless it may pass.
    fn bear(&mut self, failure: Failure) -> Result<(), Failure> {
        let Failure::Log(error) = &failure else {
            return Err(failure);
        };
        if self.source.is_absent(error) {
            self.damaged_since = None;
            if self.position.is_none() && matches!(self.reader.from(), Start::Newest | Start::Last(_)) {
                // All messages of a log that is not there yet are newer than this moment.
                self.reader.go_on(Start::Oldest);
            }
            return Ok(());
        }
        self.source.forget();
        match error {
            // The log that is there now tells what is different.
            Error::EpochChanged { .. } => Ok(()),
            Error::Corrupt { .. } | Error::Io { .. } => {
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

/// A log in a directory of its own.
pub(crate) struct Directory<'a> {
    dir: &'a Path,
    /// The number of the directory that was opened. No other one gets this number while the log is
    /// open.
    number: Option<(u64, u64)>,
    /// Whether it was told that there is no log.
    is_told: bool,
}

impl<'a> Directory<'a> {
    pub(crate) fn new(dir: &'a Path) -> Directory<'a> {
        Directory {
            dir,
            number: None,
            is_told: false,
        }
    }
}

impl Source for Directory<'_> {
    type Log = FileLog;

    fn open(&mut self) -> Result<FileLog, Failure> {
        self.number = number(self.dir);
        Ok(Options::new().read_only(true).open(self.dir)?)
    }

    fn is_current(&self) -> bool {
        self.number == number(self.dir)
    }

    fn is_absent(&mut self, error: &Error) -> bool {
        let is_absent = matches!(error, Error::NoLog { .. } | Error::Unfinished { .. });
        if is_absent && !self.is_told {
            self.is_told = true;
            tell(format_args!(
                "duramen: waiting for a log in {}",
                self.dir.display()
            ));
        }
        is_absent
    }

    fn forget(&mut self) {}

    fn was_read(&mut self) {
        self.is_told = false;
    }

    fn label(&self) -> String {
        String::new()
    }
}

/// The system's number of the directory; `None` if there is none.
pub(crate) fn number(dir: &Path) -> Option<(u64, u64)> {
    let found = fs::metadata(dir).ok()?;
    Some((found.dev(), found.ino()))
}
