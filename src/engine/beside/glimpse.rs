//! Reading a directory that somebody may be writing to.

use std::io;
use std::thread;
use std::time::Duration;

use crate::directory::Copies;
use crate::sys::{Dir, Entry};
use crate::{Error, Result};

/// The names and the metadata in a log's directory. Where two glimpses are equal, nobody has opened
/// or closed the log in between, nor begun, replaced or removed one of its files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Glimpse {
    names: Vec<Entry>,
    copies: Copies,
}

impl Glimpse {
    pub(crate) fn of(dir: &Dir) -> Result<Glimpse> {
        let mut names = dir.entries()?;
        names.sort_unstable();
        let copies = Copies::read(dir)?;
        Ok(Glimpse { names, copies })
    }

    /// Both copies of the metadata may look damaged to who reads each while it is written.
    fn has_metadata(&self) -> bool {
        self.copies.sequence() > 0
    }
}

/// Reads a directory that somebody may be writing to: what two reads find need not fit together. So
/// an error counts if two attempts in a row meet it, and nothing has changed around the second. No
/// writer makes a read fail, so such an error counts whatever has changed.
pub(crate) fn until_it_fits<T>(dir: &Dir, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    const PAUSE: Duration = Duration::from_millis(1);
    const ATTEMPTS_MAX: u32 = 1000;
    /// So many times in a row, an error counts whatever has changed.
    const SAME_MAX: u32 = 20;
    /// Attempts without a pause in between.
    const AT_ONCE: u32 = 2;
    let (mut said, mut glimpse) = (String::new(), None);
    let (mut attempts, mut same) = (0, 0);
    loop {
        let error = match attempt() {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        if !matches!(error, Error::Corrupt { .. } | Error::Io { .. }) {
            return Err(error);
        }
        let (says, now) = (error.to_string(), Glimpse::of(dir).ok());
        same = if says == said { same + 1 } else { 1 };
        attempts += 1;
        let is_quiet = now == glimpse && now.as_ref().is_none_or(Glimpse::has_metadata);
        let counts = is_quiet || is_failed_read(&error);
        if (same > 1 && counts) || same == SAME_MAX || attempts == ATTEMPTS_MAX {
            return Err(error);
        }
        (said, glimpse) = (says, now);
        if attempts < AT_ONCE {
            thread::yield_now();
        } else {
            thread::sleep(PAUSE);
        }
    }
}

/// Whether this is the system's own error, and not that a file has gone.
fn is_failed_read(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() != io::ErrorKind::NotFound)
}
