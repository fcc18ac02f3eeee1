//! Removing messages from the middle of the log: a segment is written anew without them and put in the old one's
//! place.
//!
//! 1. Only segments that are not written to are rewritten: the active one is left behind first.
//! 2. Everything is synced first. So a rewritten segment is durable, and so are all before it; recovery relies on it.
//! 3. One rename decides. The index of the old content is bound to the old generation, so nobody takes it for the new.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::reader::Reader;
use super::shared::Shared;
use super::spare::is_out_of_space;
use crate::format::{Previous, SegmentHeader};
use crate::segment::{Active, Fault, Opened, Part, Rewriter, Segment, SegmentEnd, Visible};
use crate::sys::Open;
use crate::{Deleted, Error, Result};

/// How often, and how long each time, a deletion on a full disk waits for a job on the background thread.
const WAITS_MAX: usize = 5000;
const WAIT: Duration = Duration::from_millis(1);

impl Shared {
    /// See [`Log::delete_some`](crate::Log::delete_some).
    pub(crate) fn delete_some(self: &Arc<Shared>, offsets: &mut BTreeSet<u64>) -> Result<Deleted> {
        self.check_writable()?;
        let _one_at_a_time = self.removal.lock();
        self.check_writable()?;
        while let Some((base, named)) = self.first_named(offsets)? {
            let done: Vec<u64> = named.iter().copied().collect();
            let found = match self.delete_from(base, &named) {
                Err(error) if is_out_of_space(&error) && !self.is_poisoned() => {
                    self.delete_when_full(base, &named)?
                }
                other => other?,
            };
            for offset in done {
                offsets.remove(&offset);
            }
            if let Some(deleted) = found {
                let merged = Deleted::new(0, self.merge_around(base)?);
                return Ok(deleted + merged);
            }
        }
        Ok(Deleted::default())
    }

    /// The base of the first segment that may have one of `offsets`, and those that it may have. Takes out of
    /// `offsets` what is not in the log.
    fn first_named(&self, offsets: &mut BTreeSet<u64>) -> Result<Option<(u64, BTreeSet<u64>)>> {
        let reader = Reader::new(self)?;
        let (view, next_offset) = (reader.view(), reader.next_offset());
        // Cut off, and not looked at one by one: this is asked for each segment.
        if offsets.first().is_some_and(|first| *first < view.start_offset) {
            *offsets = offsets.split_off(&view.start_offset);
        }
        if offsets.last().is_some_and(|last| *last >= next_offset) {
            offsets.split_off(&next_offset);
        }
        let Some(first) = offsets.first() else {
            return Ok(None);
        };
        let at = view.part_at(*first);
        let Some(part) = view.parts.get(at) else {
            offsets.clear();
            return Ok(None);
        };
        let end = view.parts.get(at + 1).map_or(next_offset, Part::base);
        Ok(Some((part.base(), offsets.range(..end).copied().collect())))
    }

    /// Removes from one segment; `None` if it has none of the messages.
    fn delete_from(self: &Arc<Shared>, base: u64, named: &BTreeSet<u64>) -> Result<Option<Deleted>> {
        // Before anything is looked at: that may build an index.
        let before = self.size_of(base)?;
        let removed = self.count_of(base, named)?;
        if removed == 0 {
            return Ok(None);
        }
        self.leave_behind(base)?;
        let next_offset = self.writer.lock().next_offset;
        self.commit.wait_for(self, next_offset)?;
        let (meta, is_in_both) = {
            let store = self.meta.lock();
            (*store.current(), store.is_in_both())
        };
        if !meta.has_gaps || meta.is_copy || !is_in_both {
            self.write_meta(|meta| {
                meta.has_gaps = true;
                meta.is_copy = false;
            })?;
        }
        let start = self.view.load().start_offset;
        let after = self.rewrite(base, &|offset| offset >= start && !named.contains(&offset))?;
        Ok(Some(Deleted::new(removed, before.saturating_sub(after))))
    }

    /// As [`delete_from`](Shared::delete_from), on a full disk, where there is some space for just this.
    fn delete_when_full(self: &Arc<Shared>, base: u64, named: &BTreeSet<u64>) -> Result<Option<Deleted>> {
        self.give_back_spare();
        for _ in 0..WAITS_MAX {
            // From now on no job begins to take space. One that is under way finds no more of it, and gives back what
            // it has.
            let is_alone = self.job.try_lock().is_some();
            match self.delete_from(base, named) {
                Err(error) if !is_alone && is_out_of_space(&error) && !self.is_poisoned() => {
                    thread::sleep(WAIT);
                }
                other => return other,
            }
        }
        self.delete_from(base, named)
    }

    /// How many of the messages are in this segment.
    fn count_of(&self, base: u64, named: &BTreeSet<u64>) -> Result<u64> {
        let reader = Reader::new(self)?;
        let Some(part) = reader.part(base) else {
            return Ok(0);
        };
        reader.read(part, |opened| {
            let mut count = 0;
            for offset in named {
                count += u64::from(opened.find(*offset)?.1);
            }
            Ok(count)
        })
    }

    fn size_of(&self, base: u64) -> Result<u64> {
        let reader = Reader::new(self)?;
        reader.part(base).map_or(Ok(0), |part| self.size_on_disk(part))
    }

    /// Sees to it that the segment with this base is not written to, and will not be.
    pub(super) fn leave_behind(self: &Arc<Shared>, base: u64) -> Result<()> {
        let mut writer = self.writer.lock();
        self.check_writable()?;
        let is_last = self
            .view
            .load()
            .parts
            .last()
            .is_some_and(|part| part.base() == base);
        if is_last { writer.roll(self) } else { Ok(()) }
    }

    /// Removes the files of segments that are no longer of the log.
    pub(super) fn remove_files(&self, bases: impl Iterator<Item = u64>) -> Result<()> {
        match self.place.remove_segments(bases) {
            Err(error @ Error::SyncFailed { .. }) => self.poison_on_error(Err(error)),
            other => other,
        }
    }

    /// Writes both copies of the metadata.
    pub(super) fn write_meta(&self, change: impl FnOnce(&mut crate::format::Meta)) -> Result<()> {
        let written = self.meta.lock().write_both(&*self.place.storage, change);
        match written {
            Err(error @ Error::SyncFailed { .. }) => self.poison_on_error(Err(error)),
            other => other,
        }
    }

    /// Writes a segment that was left behind, and is durable, anew with the messages that `is_kept` says; returns the
    /// bytes of its files.
    fn rewrite(&self, base: u64, is_kept: &dyn Fn(u64) -> bool) -> Result<u64> {
        let _not_while_sealing = self.sealing.lock();
        let reader = Reader::new(self)?;
        let part = reader.part(base).ok_or(Error::Invalid("the segment is gone"))?;
        if let Part::Active(active) = part {
            // The background may be copying it to a new file of the same temporary name.
            self.poison_on_error(active.sync(&self.place))?;
        }
        let source = Source::of(self, &reader, part)?;
        let rewriter = reader.read(part, |opened| {
            let mut rewriter = Rewriter::create(&self.place, source.header)?;
            copy(opened, &mut rewriter, is_kept)?;
            Ok(rewriter)
        })?;
        let generation = source.header.next_generation()?;
        self.replace(
            rewriter,
            generation,
            source.origin,
            source.end,
            std::slice::from_ref(part),
        )
    }

    /// Finishes a segment and puts it in the place of `parts`, of which the first has its base; returns the bytes of
    /// its files. When this fails without poisoning the log, nothing has changed.
    pub(super) fn replace(
        &self,
        mut rewriter: Rewriter<'_>,
        generation: u32,
        origin: Previous,
        end: u64,
        parts: &[Part],
    ) -> Result<u64> {
        rewriter.finish(generation, origin, end)?;
        for part in parts {
            match part {
                Part::Active(active) => active.retire(),
                Part::Sealed(segment) => segment.retire_readable()?,
            }
        }
        let len = rewriter.len();
        let header = match rewriter.install() {
            Err(Error::Closed) => return Err(Error::Closed),
            other => self.poison_on_error(other)?,
        };
        let segment = Segment::new(Arc::clone(&self.place), header.base, SegmentEnd::Known(origin));
        let segment = Part::Sealed(Arc::new(segment));
        let range = header.base..end;
        self.change_view(|view| {
            if let Some(first) = view.parts.iter_mut().find(|part| part.base() == header.base) {
                *first = segment.clone();
            }
            view.parts
                .retain(|part| part.base() == header.base || !range.contains(&part.base()));
        });
        self.changes.notify();
        self.forget_mapped(parts);
        let Part::Sealed(segment) = &segment else {
            return Ok(len);
        };
        // Builds the index. It is derived: without it, it is built when it is needed.
        let index_len = segment.mapped().and_then(|_| segment.index_len()).unwrap_or(0);
        self.note_mapped(segment);
        Ok(len + index_len)
    }

    /// Lets go of the files of parts that are no longer of the log; readers keep what they hold.
    pub(super) fn forget_mapped(&self, parts: &[Part]) {
        for part in parts {
            if let Part::Sealed(segment) = part {
                segment.release(true);
            }
        }
        self.drop_unmapped();
    }
}

/// What has to be known of a segment before it is rewritten.
pub(super) struct Source {
    pub(super) header: SegmentHeader,
    /// How the one behind it knows it.
    pub(super) origin: Previous,
    pub(super) end: u64,
    /// Where its frames end.
    pub(super) len: u32,
}

impl Source {
    /// A segment that is written to, or was until now, as far as `visible` says.
    pub(super) fn of_active(active: &Active, visible: Visible) -> Result<Source> {
        let seal = active
            .seal_from(visible)
            .ok_or(Error::Invalid("the segment has no end"))?;
        Ok(Source {
            header: active.header,
            origin: active.link(seal.len, seal.last_checksum),
            end: active.header.base + u64::from(visible.count),
            len: seal.len,
        })
    }

    pub(super) fn of(shared: &Shared, reader: &Reader<'_>, part: &Part) -> Result<Source> {
        let end = reader.end_of(part);
        match part {
            Part::Active(active) => Source::of_active(active, active.visible()),
            Part::Sealed(segment) => {
                let (_, header) = shared.place.open_segment(segment.base(), Open::Read)?;
                let origin = match header.rewrite {
                    Some(rewrite) => rewrite.origin,
                    None => segment.link()?.0,
                };
                let len = reader.read(part, |opened| Ok(opened.end()))?;
                Ok(Source {
                    header,
                    origin,
                    end,
                    len,
                })
            }
        }
    }
}

/// Copies the records that `is_kept` says to `to`; returns how many others there are. All are verified.
pub(super) fn copy(
    from: &Opened<'_>,
    to: &mut Rewriter<'_>,
    is_kept: &dyn Fn(u64) -> bool,
) -> Result<u64, Fault> {
    let (mut frame, mut left) = (Vec::new(), 0);
    let keys = from.keys();
    for ordinal in 0..from.count() {
        let offset = from.offset(ordinal)?;
        if is_kept(offset) {
            from.frame(ordinal, offset, &mut frame)?;
            to.push(&frame, offset, &keys)?;
        } else {
            left += 1;
        }
    }
    Ok(left)
}
