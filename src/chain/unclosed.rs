//! A log that was not closed: what of it is whole, and what of that was durable.
//!
//! Only segments that are not known to be durable are walked through: the last one, and in the
//! modes that do not wait for syncs those before it that no evidence covers. Evidence is the
//! durable frontier carried by every batch, the marker behind the last one, and the metadata's
//! clean ends. Below the frontier any damage is an error; above it the log ends at the first batch
//! that is not whole.

use super::contents::Chain;
use super::segments::{all_but_last, known};
use super::walked::Walked;
use crate::directory::{corrupt, offset_bound};
use crate::format::SegmentHeader;
use crate::segment::{Ending, SegmentRef, Testimony, capacity_for, end_of};
use crate::sys::Open;
use crate::{Corruption, Error, Options, Result};

/// What was found of a log that was not closed.
pub(crate) struct Unclosed {
    /// The segments that need no walking through, oldest first.
    pub(crate) sealed: Vec<SegmentRef>,
    /// The others, oldest first.
    pub(crate) walked: Vec<Walked>,
    /// The end of the last segment, if that was rewritten: it is durable then, and so are all
    /// before it, and nothing was walked through.
    pub(crate) rewritten: Option<Ending>,
    /// Base offsets of the last segments, from the first one on whose header cannot be read; newest
    /// first.
    pub(crate) unreadable: Vec<u64>,
    /// The first segment that falls short of its end: the log ends in it.
    pub(crate) gap: Option<Gap>,
    /// The base offset of a segment that was durable and is not there.
    pub(crate) missing: Option<u64>,
    /// No offset below this one may be given out again, apart from those of messages that are
    /// there.
    pub(crate) next_offset_min: u64,
}

/// Where a log is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// Which of the segments walked through it is.
    pub(crate) at: usize,
    /// Whether what it lacks was durable.
    pub(crate) is_durable: bool,
}

impl Unclosed {
    /// Whether durable messages are lost. Only where it was asked for going on without them.
    pub(crate) fn is_lossy(&self) -> bool {
        self.missing.is_some() || !self.unreadable.is_empty() || self.gap.is_some_and(|gap| gap.is_durable)
    }

    /// Takes out the segments behind the one in which the log ends, oldest first.
    pub(crate) fn take_behind_gap(&mut self) -> Vec<Walked> {
        let kept = self.gap.map_or(self.walked.len(), |gap| gap.at + 1);
        self.walked.split_off(kept.min(self.walked.len()))
    }

    /// The offset behind the last message of the segments that are left.
    pub(crate) fn reached(&self) -> u64 {
        let last = self.walked.last().map(|last| last.extent.next_offset);
        let rewritten = self.rewritten.and_then(|ending| ending.next_offset);
        last.or(rewritten).unwrap_or(0)
    }
}

impl Chain {
    /// Finds out where the log ends. An error if durable messages are lost, where nobody has asked
    /// for going on without them.
    pub(super) fn unclosed(&self, options: &Options) -> Result<Unclosed> {
        let missing = self.missing_last()?;
        if let Some(base) = missing.filter(|_| !options.recover) {
            return Err(corrupt(&self.path(base), 0, None, Corruption::Missing));
        }
        let (walked, unreadable) = self.walk_readable(options)?;
        let gap = self.gap(&walked, options)?;
        let readable = &self.bases[..self.bases.len() - unreadable.len()];
        let rewritten = match readable.last() {
            Some(last) if walked.is_empty() => end_of(&self.header(*last)?, Testimony::Nobody),
            _ => None,
        };
        let first_walked = walked.first().map_or(u64::MAX, Walked::base);
        let sealed_end = readable.partition_point(|base| *base <= first_walked);
        let mut sealed = all_but_last(&self.directory, &readable[..sealed_end]);
        if let (Some(ending), Some(base)) = (rewritten, readable.last()) {
            sealed.push(known(&self.directory, *base, ending.origin));
        }
        let mut found = Unclosed {
            sealed,
            walked,
            rewritten,
            unreadable,
            gap,
            missing,
            next_offset_min: self.meta.next_offset,
        };
        // Offsets that were given out in what is lost must not be given out again.
        let last = found.unreadable.first().copied();
        let last = last.or(found.walked.last().map(Walked::base));
        let lost_in = [missing, last.filter(|_| found.is_lossy())];
        let bound = lost_in.into_iter().flatten().map(offset_bound).max();
        found.next_offset_min = found.next_offset_min.max(bound.unwrap_or(0));
        Ok(found)
    }

    /// As [`walk_unproven`](Chain::walk_unproven). Where it was asked for, without the segments
    /// from the first one on of which the header is unreadable: nothing in it can be read. Returns
    /// those as well, newest first.
    fn walk_readable(&self, options: &Options) -> Result<(Vec<Walked>, Vec<u64>)> {
        let (mut bases, mut unreadable) = (&self.bases[..], Vec::new());
        loop {
            match self.walk_unproven(bases, options) {
                Err(error @ Error::Corrupt { .. }) if options.recover => {
                    let (last, before) = bases.split_last().ok_or(error)?;
                    unreadable.push(*last);
                    bases = before;
                }
                other => return Ok((other?, unreadable)),
            }
        }
    }

    /// Walks through the last of these segments, and through those before it that may not be
    /// durable. Ascending. A segment that was rewritten was synced before it got its name, and
    /// after all before it.
    fn walk_unproven(&self, bases: &[u64], options: &Options) -> Result<Vec<Walked>> {
        let Some((last, before)) = bases.split_last() else {
            return Ok(Vec::new());
        };
        let is_writable = self.directory.health.may_write_files();
        let capacity = is_writable.then(|| capacity_for(options.rollover, 0));
        let header = self.header(*last)?;
        if header.rewrite.is_some() {
            return Ok(Vec::new());
        }
        let mut walked = vec![Walked::walk(
            &self.directory,
            &header,
            Testimony::Nobody,
            capacity,
        )?];
        let durable_base = header.durable_base.min(*last);
        let mut successor = header.previous;
        for base in before.iter().rev().take_while(|base| **base >= durable_base) {
            if walked.last().is_some_and(Walked::proves_those_before) {
                break;
            }
            let header = self.header(*base)?;
            if header.rewrite.is_some() {
                break;
            }
            let testimony = successor.map_or(Testimony::NoSegment, Testimony::Successor);
            if end_of(&header, testimony).is_none() {
                return Err(corrupt(&self.path(*base), 0, None, Corruption::Missing));
            }
            walked.push(Walked::walk(&self.directory, &header, testimony, None)?);
            successor = header.previous;
        }
        walked.reverse();
        Ok(walked)
    }

    fn header(&self, base: u64) -> Result<SegmentHeader> {
        Ok(self.directory.open_segment(base, Open::Read)?.1)
    }

    /// The first segment that falls short of its end; an error if it is durable messages that it
    /// lacks and nobody has asked for going on without them.
    fn gap(&self, walked: &[Walked], options: &Options) -> Result<Option<Gap>> {
        let durable_end = self.copies.durable_end();
        let Some(at) = walked.iter().position(|one| one.is_cut_here(durable_end)) else {
            return Ok(None);
        };
        // A later batch that knows the earlier segments to be durable speaks for this one too.
        let mut behind = walked.iter().skip(at + 1);
        let is_known = behind.any(Walked::proves_those_before);
        let short = &walked[at];
        let is_durable = short.lacks_durable(is_known, durable_end);
        if is_durable && !options.recover {
            return Err(short.error());
        }
        Ok(Some(Gap { at, is_durable }))
    }
}
