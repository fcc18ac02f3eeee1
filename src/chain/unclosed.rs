//! A log that was not closed: which of its batches are whole, and which of those were durable.
//!
//! Only segments that are not known to be durable are walked through: the last one and, in the
//! modes that do not wait for syncs, those before it that no evidence covers. Evidence is the
//! durable frontier carried by every batch, the marker behind the last batch, and the metadata's
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

/// The findings about a log that was not closed.
pub(crate) struct Unclosed {
    /// The segments that were not walked through, because they are known to be durable; oldest
    /// first.
    pub(crate) sealed: Vec<SegmentRef>,
    /// The segments that were walked through, oldest first.
    pub(crate) walked: Vec<Walked>,
    /// The end of the last segment, if it was rewritten: it is durable then, like all before it,
    /// and no segment was walked through.
    pub(crate) rewritten: Option<Ending>,
    /// Base offsets of the last segments, from the first one on whose header is unreadable; newest
    /// first.
    pub(crate) unreadable: Vec<u64>,
    /// The first segment that falls short of its end: the log ends in it.
    pub(crate) cut_at: Option<CutAt>,
    /// The base offset of a segment that was durable and is missing.
    pub(crate) missing: Option<u64>,
    /// No offset below this one may be given out again. (Messages that are there keep theirs.)
    pub(crate) next_offset_min: u64,
}

/// The place at which a log is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CutAt {
    /// The index of the segment among those that were walked through.
    pub(crate) at: usize,
    /// Whether the bytes that the segment lacks were durable.
    pub(crate) is_durable: bool,
}

impl Unclosed {
    /// Whether durable messages are lost. This is possible only if the options ask to go on without
    /// them.
    pub(crate) fn is_lossy(&self) -> bool {
        self.missing.is_some()
            || !self.unreadable.is_empty()
            || self.cut_at.is_some_and(|cut_at| cut_at.is_durable)
    }

    /// Removes from `walked` the segments behind the one in which the log ends, and returns them,
    /// oldest first.
    pub(crate) fn take_behind_cut(&mut self) -> Vec<Walked> {
        self.walked.split_off(self.kept().len())
    }

    /// The segments that were walked through, and whether each is kept.
    pub(crate) fn with_kept(&self) -> impl Iterator<Item = (&Walked, bool)> {
        let kept = self.kept().len();
        self.walked
            .iter()
            .enumerate()
            .map(move |(at, segment)| (segment, at < kept))
    }

    /// The segments that were walked through, up to the one in which the log ends.
    fn kept(&self) -> &[Walked] {
        let kept = self.cut_at.map_or(self.walked.len(), |cut_at| cut_at.at + 1);
        self.walked.get(..kept).unwrap_or(&self.walked)
    }

    /// The last of them.
    pub(super) fn last_kept(&self) -> Option<&Walked> {
        self.kept().last()
    }

    /// The offset behind the last message of the segments that are left.
    pub(crate) fn reached(&self) -> u64 {
        let last = self.kept().last().map(|last| last.extent.next_offset);
        let rewritten = self.rewritten.and_then(|ending| ending.next_offset);
        last.or(rewritten).unwrap_or(0)
    }
}

impl Chain {
    /// Finds out where the log ends. Returns an error if durable messages are lost, unless the
    /// options ask to go on without them.
    pub(super) fn unclosed(&self, options: &Options) -> Result<Unclosed> {
        let missing = self.missing_last()?;
        if let Some(base) = missing.filter(|_| !options.recover) {
            return Err(corrupt(&self.path(base), 0, None, Corruption::Missing));
        }
        let (walked, unreadable) = self.walk_readable(options)?;
        let cut_at = self.cut_at(&walked, options)?;
        // What could not be read must not be taken for what is not there.
        walked
            .iter()
            .try_for_each(|segment| segment.active.check_read())?;
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
            cut_at,
            missing,
            next_offset_min: self.meta.next_offset,
        };
        // Offsets of lost messages must not be given out again.
        let last = found.unreadable.first().copied();
        let last = last.or(found.walked.last().map(Walked::base));
        let lost_in = [missing, last.filter(|_| found.is_lossy())];
        let bound = lost_in.into_iter().flatten().map(offset_bound).max();
        found.next_offset_min = found.next_offset_min.max(bound.unwrap_or(0));
        Ok(found)
    }

    /// Does the same as [`walk_unproven`](Chain::walk_unproven). If the options ask to go on
    /// without lost messages, it leaves out the segments from the first one on whose header is
    /// unreadable, because nothing in that segment can be read. Returns the bases of those as well,
    /// newest first.
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
    /// durable; returns them in ascending order. A rewritten segment ends the walk: it was synced
    /// before it got its name, and after all segments before it.
    fn walk_unproven(&self, bases: &[u64], options: &Options) -> Result<Vec<Walked>> {
        let Some((last, before)) = bases.split_last() else {
            return Ok(Vec::new());
        };
        let may_write = self.directory.health.may_write_files();
        let capacity = may_write.then(|| capacity_for(options.rollover, 0));
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

    /// The first segment that falls short of its end; an error if that segment lacks durable
    /// messages, unless the options ask to go on without them.
    fn cut_at(&self, walked: &[Walked], options: &Options) -> Result<Option<CutAt>> {
        let durable_end = self.copies.durable_end();
        let Some(at) = walked.iter().position(|one| one.is_cut_here(durable_end)) else {
            return Ok(None);
        };
        // A batch in a later segment that knows the earlier ones to be durable proves this one too.
        let mut behind = walked.iter().skip(at + 1);
        let is_known = behind.any(Walked::proves_those_before);
        let short = &walked[at];
        let is_durable = short.lacks_durable(is_known, durable_end);
        if is_durable && !options.recover {
            return Err(short.error());
        }
        Ok(Some(CutAt { at, is_durable }))
    }
}
