//! The options of `recover`, and its report.

use std::path::PathBuf;

use crate::Corruption;

/// Options for [`recover_with`](crate::recover_with).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct RecoverOptions {
    pub(crate) dry_run: bool,
    pub(super) salvage: bool,
}

impl RecoverOptions {
    /// Returns the default options: cut the log in front of the first message that is lost.
    pub fn new() -> RecoverOptions {
        RecoverOptions::default()
    }

    /// Whether only to report what would be done, and change nothing. Default: false.
    pub fn dry_run(mut self, dry_run: bool) -> RecoverOptions {
        self.dry_run = dry_run;
        self
    }

    /// Whether to keep the good messages behind damage as well, which leaves gaps between offsets.
    /// Default: false.
    pub fn salvage(mut self, salvage: bool) -> RecoverOptions {
        self.salvage = salvage;
        self
    }
}

/// What [`recover`](crate::recover) did, or in a dry run would do.
///
/// The report of a dry run does not name the files that would be in the quarantine, and counts only
/// the damaged indexes, not the missing ones. Nor does it tell what opening does to a log that was
/// not closed: opening removes the segments behind a torn tail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoverReport {
    /// The stretches that were cut off, in the order of the log. The first is exactly what is
    /// damaged.
    pub dropped: Vec<Dropped>,
    /// The files in the quarantine that keep the bytes that were cut off.
    pub quarantined: Vec<PathBuf>,
    /// The number of segments that the log has now.
    pub segments: u64,
    /// The number of messages that the log has now.
    pub messages: u64,
    /// The offset that the next message gets, which is above all that were ever given out. The last
    /// offset given out is unknown if the metadata is lost, or if messages of a log that was not
    /// closed are lost. The next offset is then above the base of the last segment by the most
    /// messages that a segment can hold, some 214 million.
    pub next_offset: u64,
    /// The log's epoch; it went up if messages were lost.
    pub epoch: u64,
    /// The number of index files that were damaged or missing and were built anew.
    pub indexes_rebuilt: u64,
    /// Whether no copy of the metadata was readable, so that it was made anew from the segments.
    pub metadata_rebuilt: bool,
    /// Whether anything was wrong, and so was changed, or in a dry run would be.
    pub changed: bool,
}

/// A stretch of a segment that is no longer in the log. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The segment's file.
    pub path: PathBuf,
    /// Where the stretch begins in that file, in bytes.
    pub position: u64,
    /// The length of the stretch in bytes; 0 if these bytes, or the whole file, are missing.
    pub len: u64,
    /// The offset of the first message in the stretch, if known.
    pub first_offset: Option<u64>,
    /// The offset behind the last message in the stretch, if known; equal to `first_offset` if
    /// there was no message in it.
    pub end_offset: Option<u64>,
    /// The kind of damage for which the stretch was cut off.
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
