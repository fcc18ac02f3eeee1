//! Opening a log that was not closed: what of it is whole, what of that is durable, what has to be
//! cut.
//!
//! Only segments that are not known to be durable are walked through: the last one, and in the
//! modes that do not wait for syncs those before it that no evidence covers. Evidence is the
//! durable frontier carried by every batch, the marker behind the last one, and the metadata's
//! clean ends. Below the frontier any damage is an error; above it the log ends at the first batch
//! that is not whole.

use std::sync::Arc;

use crate::Options;
use crate::directory::{Copies, MetaStore};
use crate::directory::{Directory, corrupt, offset_bound};
use crate::format::{BATCH_HEADER_LEN, FileName, Previous, Rewrite, SEGMENT_HEADER_LEN};
use crate::segment::{Active, Extent, Sealed, SegmentEnd, SegmentRef, Stop, capacity_for, copy_over};
use crate::sys::Open;
use crate::{Corruption, Error, Result};

/// A segment up to this size is copied to a new file and continued there; a larger one is left
/// behind and copied in the background.
const COPY_AT_OPEN_MAX: u64 = 1 << 20;

/// What recovery found.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) segments: Vec<SegmentRef>,
    /// The segment to go on in, its end and last checksum.
    pub(crate) active: Option<(Arc<Active>, Extent)>,
    /// The segment that a new one is to follow, if there is none to go on in.
    pub(crate) previous: Option<Previous>,
    /// Segments that are not proven to be durable, oldest first.
    pub(crate) unsynced: Vec<(Arc<Active>, Extent)>,
    pub(crate) next_offset: u64,
    pub(crate) synced: u64,
    /// Whether durable messages were cut off, which only happens where that was asked for.
    pub(crate) has_cut: bool,
    /// Whether the next offset is not the one behind the last message.
    pub(crate) has_gap: bool,
}

/// One run of recovery.
pub(crate) struct Recovery<'a> {
    pub(crate) directory: &'a Arc<Directory>,
    pub(crate) options: &'a Options,
    pub(crate) copies: &'a Copies,
    pub(crate) meta: &'a mut MetaStore,
    /// Base offsets of the segment files there are, ascending.
    pub(crate) bases: Vec<u64>,
    pub(crate) next_offset_min: u64,
}

/// A segment that was walked through.
struct Walked {
    active: Active,
    extent: Extent,
    /// Where it should end, if a segment behind it says so.
    link: Option<Previous>,
}

impl Recovery<'_> {
    /// Finds the end of the log, and makes what is kept fit to go on from.
    pub(crate) fn run(mut self) -> Result<Recovered> {
        let is_last_missing = self.is_last_missing()?;
        let (mut walked, unreadable) = self.walk_readable()?;
        let unsure_from = walked.first().map(|first| first.active.header.base);
        let has_cut = self.cut(&mut walked, &unreadable, is_last_missing)?;
        let rewritten = self.rewritten_last(&walked)?;
        let reached = match (walked.last(), rewritten) {
            (Some(last), _) => last.extent.next_offset,
            (None, Some(rewrite)) => rewrite.end,
            (None, None) => 0,
        };
        let next_offset = self.next_offset_min.max(reached);
        let mut recovered = Recovered {
            segments: self.sealed_before(unsure_from.unwrap_or(u64::MAX)),
            active: None,
            previous: rewritten.map(|rewrite| rewrite.origin),
            unsynced: Vec::new(),
            next_offset,
            synced: next_offset,
            has_cut,
            has_gap: next_offset != reached,
        };
        if let (Some(rewrite), Some(base)) = (rewritten, self.bases.last()) {
            let end = SegmentEnd::Known(rewrite.origin);
            let segment = Sealed::new(Arc::clone(self.directory), *base, end);
            recovered.segments.push(SegmentRef::Sealed(Arc::new(segment)));
        }
        let last_base = walked.last().map(|last| last.active.header.base);
        for segment in walked {
            let is_last = Some(segment.active.header.base) == last_base;
            self.keep(segment, is_last, &mut recovered)?;
        }
        Ok(recovered)
    }

    /// Whether a segment is missing that was durable; an error where nobody has asked for going on
    /// without it.
    fn is_last_missing(&mut self) -> Result<bool> {
        let Some((base, _)) = self.copies.durable_end() else {
            return Ok(false);
        };
        if self
            .directory
            .last_base(&self.bases)?
            .is_some_and(|last| last >= base)
        {
            return Ok(false);
        }
        if !self.options.recover {
            let path = self.directory.path_of(&FileName::Segment(base));
            return Err(corrupt(&path, 0, None, Corruption::Missing));
        }
        // Offsets that were given out in it must not be given out again.
        self.next_offset_min = self.next_offset_min.max(offset_bound(base));
        Ok(true)
    }

    /// What the last segment says of itself, if it was rewritten: then it is durable, and so are
    /// all before it, and nothing was walked through.
    fn rewritten_last(&self, walked: &[Walked]) -> Result<Option<Rewrite>> {
        match self.bases.last() {
            Some(last) if walked.is_empty() => Ok(self.directory.open_segment(*last, Open::Read)?.1.rewrite),
            _ => Ok(None),
        }
    }

    /// As [`walk_unsure`](Recovery::walk_unsure). Where it was asked for, without the segments from
    /// the first one on of which the header is unreadable: nothing in it can be read. Returns those
    /// as well, newest first.
    fn walk_readable(&mut self) -> Result<(Vec<Walked>, Vec<u64>)> {
        let mut unreadable = Vec::new();
        loop {
            match self.walk_unsure() {
                Err(error @ Error::Corrupt { .. }) if self.options.recover => {
                    unreadable.push(self.bases.pop().ok_or(error)?);
                }
                other => return Ok((other?, unreadable)),
            }
        }
    }

    /// Walks through the last segment, and through those before it that may not be durable.
    /// Ascending. A segment that was rewritten was synced before it got its name, and after all
    /// before it.
    fn walk_unsure(&self) -> Result<Vec<Walked>> {
        let Some((last, before)) = self.bases.split_last() else {
            return Ok(Vec::new());
        };
        let capacity = self
            .directory
            .health
            .may_write_files()
            .then(|| capacity_for(self.options.rollover, 0));
        if self.is_rewritten(*last)? {
            return Ok(Vec::new());
        }
        let (active, extent) = Active::adopt(self.directory, *last, None, capacity)?;
        let covered = extent.frontier >= SEGMENT_HEADER_LEN;
        let unsure_from = if covered {
            *last
        } else {
            active.header.durable_base.min(*last)
        };
        let mut successor = active.header.previous;
        let mut walked = vec![Walked {
            active,
            extent,
            link: None,
        }];
        for base in before.iter().rev().take_while(|base| **base >= unsure_from) {
            if self.is_rewritten(*base)? {
                break;
            }
            let path = self.directory.path_of(&FileName::Segment(*base));
            let link = successor.filter(|link| link.base == *base);
            let link = link.ok_or_else(|| corrupt(&path, 0, None, Corruption::Missing))?;
            let (active, extent) = Active::adopt(self.directory, *base, Some(u64::from(link.len)), None)?;
            let covered = extent.frontier >= SEGMENT_HEADER_LEN;
            successor = active.header.previous;
            walked.push(Walked {
                active,
                extent,
                link: Some(link),
            });
            if covered {
                break;
            }
        }
        walked.reverse();
        Ok(walked)
    }

    fn is_rewritten(&self, base: u64) -> Result<bool> {
        let (_, header) = self.directory.open_segment(base, Open::Read)?;
        Ok(header.rewrite.is_some())
    }

    /// Cuts the log behind the first segment that does not reach its end; the `unreadable` ones go
    /// as well. Says whether durable messages were lost.
    fn cut(&mut self, walked: &mut Vec<Walked>, unreadable: &[u64], is_last_missing: bool) -> Result<bool> {
        let short = self.first_short(walked)?;
        if self.options.read_only {
            walked.truncate(short.map_or(walked.len(), |(at, _)| at + 1));
            return Ok(false);
        }
        let is_durable = short.is_some_and(|(_, is_durable)| is_durable);
        let is_lossy = is_last_missing || !unreadable.is_empty() || is_durable;
        if is_lossy {
            let last = walked.last().map(|last| last.active.header.base);
            self.announce_cut(unreadable.first().copied().or(last))?;
        }
        // The last one first: a crash in between leaves a log that is cut at the same place again.
        for base in unreadable {
            self.directory.quarantine_segment(*base)?;
        }
        if let Some((at, _)) = short {
            self.cut_behind(walked, at, is_durable)?;
        }
        Ok(is_lossy)
    }

    /// The first segment that does not reach its end, and whether it is durable messages that it
    /// lacks; an error if it is and nobody has asked for going on without them.
    fn first_short(&self, walked: &[Walked]) -> Result<Option<(usize, bool)>> {
        let durable_end = self.copies.durable_end();
        let ends_early = |last: &Walked| {
            durable_end.is_some_and(|(base, len)| {
                base == last.active.header.base && u64::from(len) > last.extent.end
            })
        };
        let is_cut_here = |one: &Walked| one.is_short() || ends_early(one) || one.has_durable_behind_marker();
        let Some(at) = walked.iter().position(is_cut_here) else {
            return Ok(None);
        };
        let behind = walked.get(at + 1..).unwrap_or_default();
        let short = &walked[at];
        // A later batch that knows the earlier segments to be durable speaks for this one too.
        let is_durable = behind
            .iter()
            .any(|later| later.extent.frontier >= SEGMENT_HEADER_LEN)
            || short
                .active
                .walk(u64::MAX, false)
                .is_durable_behind(&short.extent)
            || durable_end.is_some_and(|(base, len)| {
                (base, u64::from(len)) > (short.active.header.base, short.extent.end)
            });
        if is_durable && !self.options.recover {
            return Err(short.error());
        }
        Ok(Some((at, is_durable)))
    }

    /// Cuts the log behind what is whole of the segment `at`.
    fn cut_behind(&mut self, walked: &mut Vec<Walked>, at: usize, is_durable: bool) -> Result<()> {
        let short = &walked[at];
        let keep_bytes = is_durable
            || short
                .active
                .walk(u64::MAX, false)
                .is_frame_behind(&short.extent, 0);
        if keep_bytes {
            keep_tail(self.directory, &short.active, short.extent.end)?;
        }
        // The last one first, as above.
        for later in walked.drain(at + 1..).rev() {
            self.directory.quarantine_segment(later.active.header.base)?;
        }
        let kept = walked[at].active.header.base;
        self.bases.retain(|base| *base <= kept);
        Ok(())
    }

    /// Before durable messages are cut off, the metadata gets to know which offsets may have been
    /// given out, up to those in the segment with the base `last`, and that this is another epoch:
    /// after a crash in the middle of it, nothing else would tell.
    fn announce_cut(&mut self, last: Option<u64>) -> Result<()> {
        let next_offset = self.next_offset_min.max(last.map_or(0, offset_bound));
        self.next_offset_min = next_offset;
        self.meta.write_both(&*self.directory.storage, |meta| {
            meta.epoch = meta.epoch.saturating_add(1);
            meta.next_offset = meta.next_offset.max(next_offset);
            meta.clean = None;
        })
    }

    /// The segments with a base below this one, which need no looking at; the last of all is not
    /// among them.
    fn sealed_before(&self, base: u64) -> Vec<SegmentRef> {
        let sealed = |pair: &[u64]| {
            let end = SegmentEnd::Successor(pair[1]);
            SegmentRef::Sealed(Arc::new(Sealed::new(Arc::clone(self.directory), pair[0], end)))
        };
        self.bases
            .windows(2)
            .filter(|pair| pair[0] < base)
            .map(sealed)
            .collect()
    }

    /// Takes a segment into the log, the last one so that the log can go on in it where that is
    /// safe.
    fn keep(&self, segment: Walked, is_last: bool, recovered: &mut Recovered) -> Result<()> {
        let Walked { active, extent, .. } = segment;
        #[expect(clippy::cast_possible_truncation, reason = "positions in a segment are u32")]
        let end = extent.end as u32;
        if self.options.read_only {
            recovered.synced = recovered.synced.min(durable_offset(&active, &extent));
            recovered.segments.push(SegmentRef::Active(Arc::new(active)));
            return Ok(());
        }
        let is_proven = extent.frontier == extent.end;
        let is_continued =
            is_last && recovered.next_offset == extent.next_offset && active.header.rewrite.is_none();
        if is_proven && is_continued && is_empty_behind(&active, &extent)? {
            // Synced up to its end, and nothing was stored behind it: this file has not seen a
            // failed sync.
            active.raise_frontier(end);
            let active = Arc::new(active);
            recovered.segments.push(SegmentRef::Active(Arc::clone(&active)));
            recovered.active = Some((active, extent));
            return Ok(());
        }
        let earlier_proven = recovered.unsynced.is_empty();
        let copies_now = extent.end <= COPY_AT_OPEN_MAX
            || self.options.durability == crate::Durability::EachPublish
            || !self.options.background;
        if copies_now {
            copy_over(self.directory, active.header.base, extent.end)?;
            let capacity = capacity_for(self.options.rollover, 0);
            let (active, extent) = Active::adopt(
                self.directory,
                active.header.base,
                Some(extent.end),
                Some(capacity),
            )?;
            if earlier_proven {
                active.raise_frontier(end);
            }
            self.push(active, extent, is_last, is_continued, recovered);
            return Ok(());
        }
        active.set_needs_copy(end);
        recovered.synced = recovered.synced.min(durable_offset(&active, &extent));
        let active = Arc::new(active);
        recovered.segments.push(SegmentRef::Active(Arc::clone(&active)));
        if is_last {
            recovered.previous = Some(active.link(end, extent.last_checksum));
        }
        recovered.unsynced.push((active, extent));
        Ok(())
    }

    /// Takes in a segment that was copied, and with that is durable.
    fn push(
        &self,
        active: Active,
        extent: Extent,
        is_last: bool,
        is_continued: bool,
        recovered: &mut Recovered,
    ) {
        let active = Arc::new(active);
        #[expect(clippy::cast_possible_truncation, reason = "positions in a segment are u32")]
        let link = active.link(extent.end as u32, extent.last_checksum);
        if is_continued {
            recovered.segments.push(SegmentRef::Active(Arc::clone(&active)));
            recovered.active = Some((active, extent));
            return;
        }
        let sealed = Sealed::new(
            Arc::clone(self.directory),
            active.header.base,
            SegmentEnd::Known(link),
        );
        recovered.segments.push(SegmentRef::Sealed(Arc::new(sealed)));
        if is_last {
            recovered.previous = Some(link);
        }
    }
}

impl Walked {
    /// Whether the segment ends before it should.
    fn is_short(&self) -> bool {
        match self.link {
            Some(link) => {
                (self.extent.end, self.extent.last_checksum) != (u64::from(link.len), link.last_checksum)
            }
            None => matches!(self.extent.stop, Stop::Defect { .. }),
        }
    }

    /// Whether behind the marker at its end stands a batch that knows of durable bytes behind the
    /// marker: then the batch that overwrote the marker was lost.
    fn has_durable_behind_marker(&self) -> bool {
        let is_marked = self.link.is_none() && self.extent.stop == Stop::Marker;
        is_marked && self.active.walk(u64::MAX, false).is_durable_behind(&self.extent)
    }

    fn error(&self) -> Error {
        let path = self.active.file.path();
        let short = || {
            let Extent { end, next_offset, .. } = self.extent;
            corrupt(path, end, Some(next_offset), Corruption::Short)
        };
        self.extent.stop.defect(path).unwrap_or_else(short)
    }
}

/// The offset below which a segment that was walked through is known to be durable.
fn durable_offset(active: &Active, extent: &Extent) -> u64 {
    if extent.frontier == extent.end {
        return extent.next_offset;
    }
    // The frontier stands between two batches: the records below it are durable.
    let (mut low, mut high) = (0, active.visible().count);
    while low < high {
        let middle = low + (high - low) / 2;
        if active
            .index
            .position(middle)
            .is_some_and(|position| u64::from(position) < extent.frontier)
        {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    active.header.base + u64::from(low)
}

/// Keeps a copy of what stands behind the end of a segment.
fn keep_tail(directory: &Directory, active: &Active, end: u64) -> Result<()> {
    match last_nonzero(active, end)? {
        Some(last) => directory
            .quarantine_range(&active.file, end, last, "tail")
            .map(drop),
        None => Ok(()),
    }
}

/// Whether the file holds only zeros behind the end, and behind the marker that may stand there.
fn is_empty_behind(active: &Active, extent: &Extent) -> Result<bool> {
    let marker = if extent.stop == Stop::Marker {
        BATCH_HEADER_LEN as u64
    } else {
        0
    };
    Ok(last_nonzero(active, extent.end + marker)?.is_none())
}

/// One past the last byte at or behind `from` that is not zero.
fn last_nonzero(active: &Active, from: u64) -> Result<Option<u64>> {
    let rest = active.file.len()?.saturating_sub(from);
    let mut buffer = vec![0; usize::try_from(rest).unwrap_or(usize::MAX).clamp(1, 256 << 10)];
    let (mut at, mut last) = (from, None);
    loop {
        let read = active.file.read_at(at, &mut buffer)?;
        if let Some(found) = buffer[..read].iter().rposition(|byte| *byte != 0) {
            last = Some(at + found as u64 + 1);
        }
        at += read as u64;
        if read < buffer.len() {
            return Ok(last);
        }
    }
}
