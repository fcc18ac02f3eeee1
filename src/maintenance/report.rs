//! How `recover` goes about it, and what it says that it did.

use std::path::PathBuf;

use crate::Corruption;

/// How [`recover_with`] goes about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct RecoverOptions {
    pub(super) dry_run: bool,
    pub(super) salvage: bool,
}

impl RecoverOptions {
    /// Cut the log in front of the first message that is lost.
    pub fn new() -> RecoverOptions {
        RecoverOptions::default()
    }

    /// Only say what would be done, and change nothing. Default: false.
    pub fn dry_run(mut self, dry_run: bool) -> RecoverOptions {
        self.dry_run = dry_run;
        self
    }

    /// Keep the good messages behind damage as well, which leaves gaps. Default: false.
    pub fn salvage(mut self, salvage: bool) -> RecoverOptions {
        self.salvage = salvage;
        self
    }
}

/// What [`recover`] did, or would.
///
/// A dry run does not tell which files will be in the quarantine, and of indexes only the damaged
/// ones. Nor does it foretell what opening does to a log that was not closed: it removes the
/// segments behind a torn tail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoverReport {
    /// What was cut off, in the order of the log: first of all, exactly what is damaged.
    pub dropped: Vec<Dropped>,
    /// The files in which what was cut off is kept.
    pub quarantined: Vec<PathBuf>,
    /// Segments that the log has now.
    pub segments: u64,
    /// Messages that the log has now.
    pub messages: u64,
    /// The offset that the next message gets: above all that were ever given out. Where nobody
    /// knows which was the last, because the metadata is lost or messages of a log that was not
    /// closed, that is as much above the base of the last segment as a segment can hold, some 214
    /// million.
    pub next_offset: u64,
    /// The log's epoch; it went up if messages were lost.
    pub epoch: u64,
    /// Index files that were damaged or missing and were built anew.
    pub indexes_rebuilt: u64,
    /// Whether no copy of the metadata could be read, so that it was made anew from what the
    /// segments say.
    pub metadata_rebuilt: bool,
    /// Whether anything was wrong, and with it anything changed.
    pub changed: bool,
}

/// A stretch of a segment that is no longer in the log. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The segment's file.
    pub path: PathBuf,
    /// Where in it, in bytes.
    pub position: u64,
    /// Bytes.
    pub len: u64,
    /// The offset of the first message in it, where known.
    pub first_offset: Option<u64>,
    /// The offset behind the last message in it, where known; the same as the first if there was no
    /// message in it.
    pub end_offset: Option<u64>,
    /// What is wrong with it.
    pub kind: Corruption,
}

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: position {}, {} bytes",
            self.path.display(),
            self.position,
            self.len
        )?;
        match (self.first_offset, self.end_offset) {
            (Some(first), Some(end)) if first == end => write!(f, ", no message")?,
            (Some(first), Some(end)) if first + 1 == end => write!(f, ", offset {first}")?,
            (Some(first), Some(end)) => write!(f, ", offsets {first} to {}", end - 1)?,
            (Some(first), None) => write!(f, ", offsets from {first}")?,
            (None, _) => {}
        }
        write!(f, ": {}", self.kind)
    }
}
