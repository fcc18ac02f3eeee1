//! A walk through every segment of a log, from the newest to the oldest; each is compared with what
//! the one behind it says.

use super::contents::Chain;
use super::torn_tail::Defect;
use super::walked::Walked;
use crate::Result;
use crate::format::SegmentHeader;
use crate::segment::{Ending, Testimony, Witness, end_of};
use crate::sys::Open;

/// A walk through all segments. The newest comes first, because each segment knows where the one
/// before it ends.
pub(crate) struct Survey<'a> {
    chain: &'a Chain,
    /// The testimony about the segment that comes next.
    testimony: Testimony,
    /// Segments with a base below this offset are known to be durable.
    durable_below: u64,
}

/// A segment that was walked through, and the findings about it.
pub(crate) struct Surveyed {
    pub(crate) walked: Walked,
    /// Whether it is another segment than the testimony is about.
    pub(crate) is_other: bool,
    /// The defect of its frames, if any, among those that are known to be durable.
    pub(crate) defect: Option<Defect>,
    /// Where the file has to end, if it is longer than it may be.
    pub(crate) excess_from: Option<u64>,
}

impl Chain {
    pub(crate) fn survey(&self) -> Survey<'_> {
        let last = self.meta.clean.and_then(|clean| clean.last);
        let is_empty = self.copies.agree() && self.meta.was_closed_empty();
        let unknown = if is_empty {
            Testimony::NoSegment
        } else {
            Testimony::Nobody
        };
        Survey {
            chain: self,
            testimony: last.map_or(unknown, Testimony::Metadata),
            durable_below: if last.is_some() { u64::MAX } else { 0 },
        }
    }

    /// The end of a segment, by the header of the one behind it, which has the base `next`, or else
    /// by the metadata; for a rewritten segment by its own header.
    pub(crate) fn ending_of(&self, header: &SegmentHeader, next: Option<u64>) -> Result<Option<Ending>> {
        let testimony = match next {
            _ if header.rewrite.is_some() => Testimony::Nobody,
            Some(next) => said_by(self.directory.header(next)?.as_ref()),
            None => self.said_by_metadata(),
        };
        Ok(end_of(header, testimony))
    }

    /// The metadata's testimony about the last segment.
    pub(crate) fn said_by_metadata(&self) -> Testimony {
        let last = self.meta.clean.and_then(|clean| clean.last);
        last.map_or(Testimony::Nobody, Testimony::Metadata)
    }
}

/// The testimony of a segment's header, if that is readable, about the segment in front of it.
pub(crate) fn said_by(successor: Option<&SegmentHeader>) -> Testimony {
    match successor {
        None => Testimony::Nobody,
        Some(header) => header.previous.map_or(Testimony::NoSegment, Testimony::Successor),
    }
}

impl Survey<'_> {
    /// Walks through the segment with this base, the newest of those that are left. If this fails,
    /// there is no testimony about the segment in front of it.
    pub(crate) fn walk(&mut self, base: u64) -> Result<Surveyed> {
        let testimony = std::mem::replace(&mut self.testimony, Testimony::Nobody);
        let directory = &self.chain.directory;
        let (_, header) = directory.open_segment(base, Open::Read)?;
        let walked = Walked::walk(directory, &header, testimony, None)?;
        let header = walked.active.header;
        let is_durable = base < self.durable_below || header.rewrite.is_some();
        if is_durable || walked.proves_those_before() {
            self.durable_below = self.durable_below.max(base);
        }
        self.durable_below = self.durable_below.max(header.durable_base);
        self.testimony = said_by(Some(&header));
        let defect = walked.defect(is_durable, self.chain.copies.durable_end());
        walked.active.check_read()?;
        Ok(Surveyed {
            is_other: match testimony {
                Testimony::NoSegment => true,
                Testimony::Successor(_) | Testimony::Metadata(_) => walked.told.is_none(),
                Testimony::Nobody | Testimony::Frames { .. } => false,
            },
            defect,
            excess_from: self.excess_from(&walked)?,
            walked,
        })
    }

    /// Where the file of a segment should end, if it is longer than that and has to end exactly
    /// there.
    fn excess_from(&self, walked: &Walked) -> Result<Option<u64>> {
        let Some(told) = walked.told else {
            return Ok(None);
        };
        let is_exact = match told.witness {
            Witness::Itself => true,
            Witness::Metadata => !self.chain.meta.unfinished,
            Witness::Successor | Witness::Frames => false,
        };
        let len = u64::from(told.seal.len);
        let is_longer = is_exact && walked.active.file.len()? > len;
        Ok(is_longer.then_some(len))
    }
}
