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

use super::spare::is_out_of_space;
use crate::engine::segments::Reader;
use crate::engine::shared::Shared;
use crate::format::{Previous, SegmentHeader};
use crate::segment::{Active, Fault, Opened, Rewriter, Sealed, SegmentEnd, SegmentRef, Visible};
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
        let (list, next_offset) = (reader.list(), reader.next_offset());
        // Cut off, and not looked at one by one: this is asked for each segment.
        if offsets.first().is_some_and(|first| *first < list.start_offset) {
            *offsets = offsets.split_off(&list.start_offset);
        }
        if offsets.last().is_some_and(|last| *last >= next_offset) {
            offsets.split_off(&next_offset);
        }
        let Some(first) = offsets.first() else {
            return Ok(None);
        };
        let at = list.index_at(*first);
        let Some(segment) = list.segments.get(at) else {
            offsets.clear();
            return Ok(None);
        };
        let end = list.segments.get(at + 1).map_or(next_offset, SegmentRef::base);
        Ok(Some((segment.base(), offsets.range(..end).copied().collect())))
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
        let start = self.list.load().start_offset;
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
        let Some(segment) = reader.segment(base) else {
            return Ok(0);
        };
        reader.read(segment, |opened| {
            let mut count = 0;
            for offset in named {
                count += u64::from(opened.find(*offset)?.1);
            }
            Ok(count)
        })
    }

    fn size_of(&self, base: u64) -> Result<u64> {
        let reader = Reader::new(self)?;
        reader
            .segment(base)
            .map_or(Ok(0), |segment| self.size_on_disk(segment))
    }

    /// Sees to it that the segment with this base is not written to, and will not be.
    pub(crate) fn leave_behind(self: &Arc<Shared>, base: u64) -> Result<()> {
        let mut writer = self.writer.lock();
        self.check_writable()?;
        let is_last = self
            .list
            .load()
            .segments
            .last()
            .is_some_and(|segment| segment.base() == base);
        if is_last { writer.roll(self) } else { Ok(()) }
    }

    /// Removes the files of segments that are no longer of the log.
    pub(crate) fn remove_files(&self, bases: impl Iterator<Item = u64>) -> Result<()> {
        match self.directory.remove_segments(bases) {
            Err(error @ Error::SyncFailed { .. }) => self.poison_on_error(Err(error)),
            other => other,
        }
    }

    /// Writes both copies of the metadata.
    pub(crate) fn write_meta(&self, change: impl FnOnce(&mut crate::format::Meta)) -> Result<()> {
        let written = self.meta.lock().write_both(&*self.directory.storage, change);
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
        let segment = reader
            .segment(base)
            .ok_or(Error::Invalid("the segment is gone"))?;
        if let SegmentRef::Active(active) = segment {
            // The background may be copying it to a new file of the same temporary name.
            self.poison_on_error(active.sync(&self.directory))?;
        }
        let source = Source::of(self, &reader, segment)?;
        let rewriter = reader.read(segment, |opened| {
            let mut rewriter = Rewriter::create(&self.directory, source.header)?;
            copy(opened, &mut rewriter, is_kept)?;
            Ok(rewriter)
        })?;
        let generation = source.header.next_generation()?;
        self.replace(
            rewriter,
            generation,
            source.origin,
            source.end,
            std::slice::from_ref(segment),
        )
    }

    /// Finishes a segment and puts it in the place of `parts`, of which the first has its base; returns the bytes of
    /// its files. When this fails without poisoning the log, nothing has changed.
    pub(crate) fn replace(
        &self,
        mut rewriter: Rewriter<'_>,
        generation: u32,
        origin: Previous,
        end: u64,
        segments: &[SegmentRef],
    ) -> Result<u64> {
        rewriter.finish(generation, origin, end)?;
        for segment in segments {
            match segment {
                SegmentRef::Active(active) => active.retire(),
                SegmentRef::Sealed(segment) => segment.retire_readable()?,
            }
        }
        let len = rewriter.len();
        let header = match rewriter.install() {
            Err(Error::Closed) => return Err(Error::Closed),
            other => self.poison_on_error(other)?,
        };
        let segment = Sealed::new(
            Arc::clone(&self.directory),
            header.base,
            SegmentEnd::Known(origin),
        );
        let segment = SegmentRef::Sealed(Arc::new(segment));
        let range = header.base..end;
        self.change_list(|list| {
            if let Some(first) = list
                .segments
                .iter_mut()
                .find(|segment| segment.base() == header.base)
            {
                *first = segment.clone();
            }
            list.segments
                .retain(|segment| segment.base() == header.base || !range.contains(&segment.base()));
        });
        self.changes.notify();
        self.forget_mapped(segments);
        let SegmentRef::Sealed(segment) = &segment else {
            return Ok(len);
        };
        // Builds the index. It is derived: without it, it is built when it is needed.
        let index_len = segment.mapped().and_then(|_| segment.index_len()).unwrap_or(0);
        self.note_mapped(segment);
        Ok(len + index_len)
    }

    /// Lets go of the files of parts that are no longer of the log; readers keep what they hold.
    pub(crate) fn forget_mapped(&self, segments: &[SegmentRef]) {
        for segment in segments {
            if let SegmentRef::Sealed(segment) = segment {
                segment.release(true);
            }
        }
        self.drop_unmapped();
    }
}

/// What has to be known of a segment before it is rewritten.
pub(crate) struct Source {
    pub(crate) header: SegmentHeader,
    /// How the one behind it knows it.
    pub(crate) origin: Previous,
    pub(crate) end: u64,
    /// Where its frames end.
    pub(crate) len: u32,
}

impl Source {
    /// A segment that is written to, or was until now, as far as `visible` says.
    pub(crate) fn of_active(active: &Active, visible: Visible) -> Result<Source> {
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

    pub(crate) fn of(shared: &Shared, reader: &Reader<'_>, segment: &SegmentRef) -> Result<Source> {
        let end = reader.end_of(segment);
        match segment {
            SegmentRef::Active(active) => Source::of_active(active, active.visible()),
            SegmentRef::Sealed(sealed) => {
                let (_, header) = shared.directory.open_segment(sealed.base(), Open::Read)?;
                let origin = match header.rewrite {
                    Some(rewrite) => rewrite.origin,
                    None => sealed.link()?.0,
                };
                let len = reader.read(segment, |opened| Ok(opened.end()))?;
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
pub(crate) fn copy(
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
