//! A log that was closed: of its segments only the header of the last one is read.

use std::cmp::Ordering;

use super::contents::Chain;
use super::segments::{self, all_but_last};
use super::torn_tail::{Defect, flaw_in};
use crate::directory::corrupt;
use crate::format::Previous;
use crate::segment::{Ending, SegmentRef, Testimony, end_of};
use crate::sys::Open;
use crate::{Corruption, Error, Options, Result};

/// Where a log ends that was closed and has not changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    /// How the metadata knows the last segment; `None` in a log without segments.
    pub(crate) last: Option<Previous>,
    /// No offset below this one may be given out again.
    pub(crate) next_offset: u64,
    /// The base offset of the last segment that there is, and the length to cut its file to, if an
    /// interrupted backup has added bytes behind that length.
    pub(crate) excess: Option<(u64, u64)>,
}

impl Chain {
    /// Where the log ends, if both copies of the metadata say that it was closed, and the last
    /// segment is as they say; `None` if the end has to be found in the segments.
    pub(super) fn closed(&self, options: &Options) -> Result<Option<Closed>> {
        // While a backup onto this copy is unfinished, the end is in the metadata alone: the last
        // segment may go on behind it. Nobody has written to the copy as to a log.
        let is_told = self.copies.agree() || self.meta.unfinished;
        let Some(clean) = self.meta.clean.filter(|_| is_told) else {
            return Ok(None);
        };
        let missing = |base| corrupt(&self.path(base), 0, None, Corruption::Missing);
        let foreign = |base| corrupt(&self.path(base), 0, None, Corruption::Foreign);
        let (last, base) = match (clean.last, self.bases.last()) {
            (None, None) => return Ok(Some(self.closed_at(None, None))),
            (Some(last), Some(base)) => (last, *base),
            (Some(last), None) => return Err(missing(last.base)),
            (None, Some(base)) => return Err(foreign(*base)),
        };
        let (file, header) = match self.directory.open_segment(base, Open::Read) {
            Err(Error::Corrupt { .. }) if options.recover => return Ok(None),
            other => other?,
        };
        let testimony = Testimony::Metadata(last);
        let Some(ending) = end_of(&header, testimony) else {
            return Err(if header.last_base() < last.base || self.meta.unfinished {
                missing(last.base)
            } else {
                foreign(base)
            });
        };
        let (len, sealed_len) = (file.len()?, u64::from(ending.seal.len));
        let at = |position, kind| Defect {
            position,
            offset: None,
            kind,
        };
        let mut excess = None;
        let flaw = match len.cmp(&sealed_len) {
            Ordering::Less => Some(at(len, Corruption::Short)),
            Ordering::Equal if options.check || options.recover => flaw_in(&self.directory, base, testimony)?,
            Ordering::Equal => None,
            Ordering::Greater if self.meta.unfinished => {
                excess = Some((base, sealed_len));
                None
            }
            Ordering::Greater => Some(at(sealed_len, Corruption::Trailing)),
        };
        match flaw {
            None => Ok(Some(self.closed_at(Some(ending), excess))),
            Some(_) if options.recover => Ok(None),
            Some(flaw) => Err(flaw.error(file.path())),
        }
    }

    fn closed_at(&self, ending: Option<Ending>, excess: Option<(u64, u64)>) -> Closed {
        // The header of a rewritten segment says how far the segment reaches.
        let reached = ending.and_then(|ending| ending.next_offset);
        Closed {
            last: ending.map(|ending| ending.origin),
            next_offset: self.meta.next_offset.max(reached.unwrap_or(0)),
            excess,
        }
    }

    /// The segments of a log that was closed. Each ends where the next one says, and the last where
    /// the metadata says.
    pub(crate) fn closed_segments(&self, closed: &Closed) -> Vec<SegmentRef> {
        let mut segments = all_but_last(&self.directory, &self.bases);
        if let (Some(base), Some(last)) = (self.bases.last(), closed.last) {
            segments.push(segments::closed(&self.directory, *base, last));
        }
        segments
    }
}
