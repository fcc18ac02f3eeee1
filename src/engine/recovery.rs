//! Opening a log that was not closed: cuts its torn tail and makes it safe to append again.
//!
//! [`Unclosed`] already says which batches are whole, which of those are durable and what has to be
//! cut. Every step is a copy under a temporary name, a sync, a rename and a sync of the directory:
//! a crash in between leaves the files as they were before the step, or as they are after it.

use std::sync::Arc;

use super::beside::Tails;
use crate::Options;
use crate::chain::{Unclosed, Walked};
use crate::control::ControlState;
use crate::directory::{Directory, Home, MetaStore, SeenNote};
use crate::format::{FileName, Previous, SPARE_NAME};
use crate::log::Span;
use crate::segment::{Active, Extent, Sealed, SegmentEnd, SegmentRef, Tail, capacity_for, copy_over};
use crate::sys::{found, is_out_of_space};
use crate::{LifeId, Result};

/// A segment of up to this many bytes is copied to a new file while the log is opened, and
/// continued there; a larger one is left behind and copied in the background.
const COPY_AT_OPEN_MAX: u64 = 1 << 20;

/// The result of recovery.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) segments: Vec<SegmentRef>,
    /// The segment to go on in, with its end and last checksum.
    pub(crate) active: Option<(Arc<Active>, Extent)>,
    /// The segment that a new one is to follow, if there is none to go on in.
    pub(crate) previous: Option<Previous>,
    /// Segments that are not proven to be durable, oldest first.
    pub(crate) unsynced: Vec<(Arc<Active>, Extent)>,
    pub(crate) next_offset: u64,
    pub(crate) synced: u64,
    /// Whether durable messages were cut off, which only happens if the options ask for it.
    pub(crate) has_cut: bool,
    /// The offset behind the last message. The next offset may be higher.
    pub(crate) reached: u64,
    /// Whether offsets are missing between the last message and the next offset.
    pub(crate) has_gap: bool,
    /// For reading only: the segments that were walked through, and whether only durable messages
    /// are visible in them.
    pub(crate) tails: Option<(Tails, bool)>,
    /// How many bytes were cut off, if anybody is told or counts.
    pub(crate) cut_bytes: u64,
}

/// The recovery of one log.
pub(crate) struct Recovery<'a> {
    pub(crate) directory: &'a Arc<Directory>,
    pub(crate) options: &'a Options,
    pub(crate) meta: &'a mut MetaStore,
    pub(crate) home: Home,
    /// What the log's records have come to.
    pub(crate) control: ControlState,
}

impl Recovery<'_> {
    /// Cuts the log at its end, and makes the segments that are kept safe to append to or to seal.
    pub(crate) fn run(mut self, mut found: Unclosed) -> Result<Recovered> {
        let has_cut = found.is_lossy();
        if self.options.read_only {
            drop(found.take_behind_cut());
            return self.shown(found);
        }
        let _span = Span::recovery(self.directory.dir.path());
        let is_told =
            self.options.environment.listener.is_somebody() || self.directory.health.meter().is_counting();
        let cut_bytes = if is_told {
            self.bytes_behind_end(&found)?
        } else {
            0
        };
        self.cut(&mut found)?;
        let reached = found.reached();
        let next_offset = found.next_offset_min.max(reached);
        let mut recovered = Recovered {
            segments: found.sealed,
            active: None,
            previous: found.rewritten.map(|ending| ending.origin),
            unsynced: Vec::new(),
            next_offset,
            synced: next_offset,
            has_cut,
            reached,
            has_gap: false,
            tails: None,
            cut_bytes,
        };
        let last_base = found.walked.last().map(Walked::base);
        for segment in found.walked {
            let is_last = Some(segment.base()) == last_base;
            self.keep(segment, is_last, &mut recovered)?;
        }
        // Without a segment there is nothing that the gap could be in.
        recovered.has_gap = next_offset != reached && !recovered.segments.is_empty();
        Ok(recovered)
    }

    /// The log as a reader sees it. Its writer may be alive, or was killed in this boot: then what
    /// it had not proven to be durable was not visible either, if it said so.
    fn shown(&self, found: Unclosed) -> Result<Recovered> {
        let meta = self.meta.current();
        let only_durable = self.home.shows_only_durable(meta);
        let (reached, floor) = (found.reached(), found.next_offset_min);
        let synced = found.walked.iter().map(Walked::durable_offset).min();
        let mut segments = found.sealed;
        let walked = found.walked.into_iter();
        // Where a part is shown, what the log has come to in front of each place has to be known.
        let read_again = |walked: Walked| -> Result<Tail> {
            let mut tail = Tail::open(self.directory, walked.base())?;
            tail.read_on(self.directory.kinds.key)?;
            Ok(tail)
        };
        let mut tails = Tails::of(if only_durable {
            walked.map(read_again).collect::<Result<_>>()?
        } else {
            walked.map(Walked::into_tail).collect()
        });
        // Not part of the floor, which is never beyond what the segments hold.
        let noted = SeenNote::open(&self.directory.dir)?.offset(meta)?;
        tails.show(only_durable.then_some(floor.max(noted)));
        segments.extend(tails.shown().cloned().map(SegmentRef::Active));
        let rewritten = found.rewritten.and_then(|ending| ending.next_offset);
        let end = tails.end_offset().or(rewritten).unwrap_or(0);
        let next_offset = floor.max(end);
        Ok(Recovered {
            segments,
            active: None,
            previous: None,
            unsynced: Vec::new(),
            next_offset,
            synced: synced.unwrap_or(next_offset).min(next_offset),
            has_cut: false,
            reached,
            has_gap: false,
            tails: Some((tails, only_durable)),
            cut_bytes: 0,
        })
    }

    /// How many bytes lie behind the end of the log, without space that was never written to.
    fn bytes_behind_end(&self, found: &Unclosed) -> Result<u64> {
        let mut bytes = 0;
        for base in &found.unreadable {
            bytes += self.directory.len_of(&FileName::Segment(*base))?;
        }
        for (segment, is_kept) in found.with_kept() {
            // Of a segment behind the cut nothing stays.
            let from = if is_kept { segment.bytes_end() } else { 0 };
            let end = segment.content_end(from)?;
            bytes += end.map_or(0, |end| end - from);
        }
        Ok(bytes)
    }

    /// Moves all that lies behind the end of the log to the quarantine.
    fn cut(&mut self, found: &mut Unclosed) -> Result<()> {
        if found.is_lossy() {
            self.announce_cut(found)?;
        }
        // The last segment goes first: a crash in between leaves a log that is cut at the same
        // place again.
        for base in &found.unreadable {
            self.directory.quarantine_segment(*base)?;
        }
        let Some(cut_at) = found.cut_at else { return Ok(()) };
        let short = &found.walked[cut_at.at];
        if cut_at.is_durable || short.is_frame_behind()? {
            keep_tail(self.directory, short)?;
        }
        // The last segment goes first here too, for the same reason.
        for later in found.take_behind_cut().iter().rev() {
            self.directory.quarantine_segment(later.base())?;
        }
        Ok(())
    }

    /// Tells the metadata, before durable messages are cut off, which offsets may have been given
    /// out, what the log has come to, and that another life begins: after a crash in the middle of
    /// the cut, nothing else would tell.
    fn announce_cut(&mut self, found: &Unclosed) -> Result<()> {
        let (life, home) = (LifeId::from_bytes(self.directory.dir.random()?), self.home);
        let control = self.control;
        self.meta.write_both(|meta| {
            let begin = found.reached().max(meta.start_offset);
            meta.next_offset = meta.next_offset.max(found.next_offset_min).max(begin);
            meta.clean = None;
            meta.control = (meta.next_offset, control);
            home.begin_life(meta, life, begin);
        })
    }

    /// Adds a segment to the log. The log goes on in the last one, if that is safe.
    fn keep(&self, segment: Walked, is_last: bool, recovered: &mut Recovered) -> Result<()> {
        let durable_offset = segment.durable_offset();
        let is_continued = is_last
            && recovered.next_offset == segment.extent.next_offset
            && segment.active.header.rewrite.is_none();
        let goes_on = is_continued && segment.is_untouched()?;
        let link = segment.own_end().map(|end| end.origin);
        let Walked { active, extent, .. } = segment;
        let end = extent.seal().len;
        if goes_on && active.take_over(u64::from(end))? {
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
        if copies_now && self.copy_now(&active, extent.end)? {
            let capacity = Some(capacity_for(self.options.rollover, 0));
            let (active, extent) =
                Active::adopt(self.directory, active.header.base, Some(extent.end), capacity)?;
            if earlier_proven {
                active.raise_frontier(end);
            }
            let is_continued = is_continued && active.map.is_appendable();
            self.push(active, extent, is_last, is_continued, recovered);
            return Ok(());
        }
        active.set_needs_copy(end);
        recovered.synced = recovered.synced.min(durable_offset);
        let active = Arc::new(active);
        recovered.segments.push(SegmentRef::Active(Arc::clone(&active)));
        if is_last {
            recovered.previous = link;
        }
        recovered.unsynced.push((active, extent));
        Ok(())
    }

    /// Copies a segment to a new file; false if there is no space for that, even with the space
    /// that the log keeps back.
    fn copy_now(&self, active: &Active, end: u64) -> Result<bool> {
        match copy_over(self.directory, active.header.base, end) {
            Err(error) if is_out_of_space(&error) => {}
            other => return other.map(|()| true),
        }
        found(self.directory.dir.remove(SPARE_NAME))?;
        active.truncate(end)?;
        match copy_over(self.directory, active.header.base, end) {
            Err(error) if is_out_of_space(&error) => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Adds a segment that was copied, and is durable by that.
    fn push(
        &self,
        active: Active,
        extent: Extent,
        is_last: bool,
        is_continued: bool,
        recovered: &mut Recovered,
    ) {
        let active = Arc::new(active);
        let seal = extent.seal();
        let link = active.link(seal.len, seal.last_checksum);
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

/// Keeps a copy, in the quarantine, of the bytes behind the end of a segment.
fn keep_tail(directory: &Directory, segment: &Walked) -> Result<()> {
    let end = segment.extent.end;
    match segment.content_end(end)? {
        Some(last) => directory
            .quarantine_range(&segment.active.file, end, last, "tail")
            .map(drop),
        None => Ok(()),
    }
}
