//! Removing messages from the front of the log, by asking or by the retention policy.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::engine::segments::Reader;
use crate::engine::shared::Shared;
use crate::format::{FRAMES_START, FileName};
use crate::log::{Age, AgeCut, Retention};
use crate::segment::{Fault, Opened, SegmentRef};
use crate::sys::{Open, found};
use crate::{Error, Result, Timestamp, Trimmed};

impl Shared {
    /// See [`Log::trim`](crate::Log::trim).
    pub(crate) fn trim(self: &Arc<Shared>, before: u64) -> Result<Trimmed> {
        self.check_writable()?;
        let _one_at_a_time = self.removal.lock();
        self.check_writable()?;
        self.trim_locked(before)
    }

    /// See [`Log::apply_retention`](crate::Log::apply_retention).
    pub(crate) fn apply_retention(self: &Arc<Shared>, dry_run: bool) -> Result<Trimmed> {
        self.check_open()?;
        if !dry_run {
            self.check_writable()?;
        }
        let _one_at_a_time = self.removal.lock();
        self.retain_locked(dry_run)
    }

    /// As [`apply_retention`](Shared::apply_retention), unless something else is being removed, or a backup taken:
    /// neither publishers nor the background thread wait for that. The next rollover applies it then.
    pub(crate) fn apply_retention_if_free(self: &Arc<Shared>) {
        if let Some(_one_at_a_time) = self.removal.try_lock() {
            let _ = self.retain_locked(false);
        }
    }

    fn retain_locked(self: &Arc<Shared>, dry_run: bool) -> Result<Trimmed> {
        let policy = self.options.retention;
        let cut = Reader::with(self, |reader| self.retention_cut(reader, &policy))?;
        if dry_run {
            return Reader::with(self, |reader| self.what_goes(reader, cut));
        }
        self.check_writable()?;
        self.trim_locked(cut)
    }

    fn trim_locked(self: &Arc<Shared>, before: u64) -> Result<Trimmed> {
        let reader = Reader::new(self)?;
        let before = before.min(reader.next_offset());
        if before <= reader.list().start_offset {
            return Ok(Trimmed::default());
        }
        let trimmed = self.what_goes(&reader, before)?;
        let gone = reader
            .list()
            .segments
            .get(..reader.list().index_at(before))
            .unwrap_or_default();
        // From here on nobody may read what is trimmed, whatever happens. No offset below is given out again, also
        // where messages that were not synced are lost.
        let written = self.write_meta(|meta| {
            meta.start_offset = before;
            meta.is_copy = false;
            meta.next_offset = meta.next_offset.max(before);
        });
        if self.meta.lock().current().start_offset < before {
            return written.map(|()| Trimmed::default());
        }
        let kept_from = reader.list().segments.get(gone.len()).map_or(0, SegmentRef::base);
        self.change_list(|list| {
            list.start_offset = before;
            list.segments.retain(|segment| segment.base() >= kept_from);
        });
        self.changes.notify();
        // Damage to the only copy that knows would bring the other one back, which needs the segments.
        written?;
        let runs = self.drop_runs(before);
        self.drop_parts(gone)?;
        for run in runs {
            // Derived: if it cannot be removed now, the next open does.
            let _ = self.directory.storage.remove(&self.directory.path_of(&run));
        }
        Ok(trimmed)
    }

    /// Removes the files of parts that are no longer of the log.
    fn drop_parts(&self, gone: &[SegmentRef]) -> Result<()> {
        if gone.is_empty() {
            return Ok(());
        }
        for segment in gone {
            match segment {
                SegmentRef::Active(active) => active.retire(),
                SegmentRef::Sealed(segment) => segment.retire(),
            }
        }
        let is_gone = |base: u64| gone.iter().any(|segment| segment.base() == base);
        self.writer
            .lock()
            .unsynced
            .retain(|held| !is_gone(held.header.base));
        let _not_while_sealing = self.sealing.lock();
        self.forget_mapped(gone);
        // What cannot be removed now is removed by the next open.
        self.remove_files(gone.iter().map(SegmentRef::base))
    }

    /// What trimming to `before` removes.
    fn what_goes(&self, reader: &Reader<'_>, before: u64) -> Result<Trimmed> {
        let start = reader.list().start_offset;
        let mut trimmed = Trimmed::default();
        if before <= start {
            return Ok(trimmed);
        }
        let last = reader.list().index_at(before);
        let has_gaps = self.meta.lock().current().has_gaps;
        for (index, segment) in reader.list().segments.iter().enumerate().take(last + 1) {
            let (from, to) = (start.max(segment.base()), before.min(reader.end_of(segment)));
            let count = if has_gaps {
                reader.read(segment, |opened| {
                    Ok(u64::from(opened.find(to)?.0.saturating_sub(opened.find(from)?.0)))
                })
            } else {
                Ok(to.saturating_sub(from))
            };
            trimmed.count += match count {
                // What cannot be read can go all the same.
                Err(Error::Corrupt { .. }) => to.saturating_sub(from),
                other => other?,
            };
            if index < last {
                trimmed.size += self.size_on_disk(segment)?;
            }
        }
        Ok(trimmed)
    }

    /// Bytes of a part's files. Space reserved ahead of the end does not count.
    pub(crate) fn size_on_disk(&self, segment: &SegmentRef) -> Result<u64> {
        let base = segment.base();
        match segment {
            SegmentRef::Active(active) => Ok(u64::from(active.visible().end)),
            SegmentRef::Sealed(_) => {
                Ok(self.len_of(&FileName::Segment(base))? + self.len_of(&FileName::Index(base))?)
            }
        }
    }

    /// Bytes of a file; 0 where there is none.
    fn len_of(&self, name: &FileName) -> Result<u64> {
        Ok(found(self.directory.storage.len_of(&self.directory.path_of(name)))?.unwrap_or(0))
    }

    /// Does what is due when a segment was begun, or has it done where there is a background thread: applies the
    /// retention policy, and gathers the keys of the segments behind.
    #[cold]
    pub(crate) fn keep_up(self: &Arc<Shared>) {
        if !self.upkeep_due.swap(false, Ordering::Relaxed) {
            return;
        }
        // What fails now is tried again at the next rollover; a failed sync has poisoned the log.
        if self.options.has_retention() && !self.retain_later() {
            self.apply_retention_if_free();
        }
        self.make_spare_soon();
        if self.background.is_none() {
            self.build_runs_soon();
        }
    }

    /// The offset below which the policy keeps nothing.
    fn retention_cut(&self, reader: &Reader<'_>, policy: &Retention) -> Result<u64> {
        let mut cut = reader.list().start_offset;
        if let Some(messages) = policy.messages {
            let has_gaps = self.meta.lock().current().has_gaps;
            cut = cut.max(cut_by_count(reader, messages, has_gaps)?);
        }
        if let Some(bytes) = policy.bytes {
            cut = cut.max(self.cut_by_bytes(reader, bytes)?);
        }
        if let Some(age) = policy.age {
            let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
            let oldest = Timestamp::now().as_micros().saturating_sub(age);
            cut = cut.max(self.cut_by_time(reader, oldest)?);
        }
        Ok(cut)
    }

    /// The first offset that is not older than `oldest` by the log's own time.
    ///
    /// That time never goes back, and never runs ahead of the clock by which segments are created: a message that
    /// claims to be younger than the segment behind its own is as old as that.
    fn cut_by_time(&self, reader: &Reader<'_>, oldest: i64) -> Result<u64> {
        let now = Timestamp::now().as_micros();
        let segments = &reader.list().segments;
        for (index, segment) in segments.iter().enumerate() {
            let latest = match segments.get(index + 1) {
                Some(next) => self.created_before(next)?.unwrap_or(now),
                None => now,
            };
            if latest < oldest {
                continue;
            }
            if let Some(offset) = first_since(reader, segment, oldest)? {
                return Ok(offset.max(reader.list().start_offset));
            }
        }
        Ok(reader.next_offset())
    }

    /// A time at which this segment had been created, in microseconds; `None` where it is not known.
    fn created_before(&self, segment: &SegmentRef) -> Result<Option<i64>> {
        let created = match segment {
            SegmentRef::Active(active) => active.header.created,
            SegmentRef::Sealed(segment) => match self.directory.open_segment(segment.base(), Open::Read) {
                Err(Error::Corrupt { .. }) => return Ok(None),
                opened => opened?.1.created,
            },
        };
        // In whole seconds: it was in the one that begins there.
        Ok((created > 0).then(|| (i64::from(created) + 1).saturating_mul(1_000_000)))
    }

    /// The first offset from which on the messages take at most so many bytes in their segments.
    fn cut_by_bytes(&self, reader: &Reader<'_>, bytes_max: u64) -> Result<u64> {
        let mut left = bytes_max;
        for segment in reader.list().segments.iter().rev() {
            let found = match reader.read(segment, |opened| first_within(opened, left)) {
                // What its file takes is known all the same, and it stays or goes as a whole.
                Err(Error::Corrupt { .. }) => {
                    let len = self.len_of(&FileName::Segment(segment.base()))?;
                    let taken = len.saturating_sub(u64::from(FRAMES_START));
                    if taken <= left {
                        Err(taken)
                    } else {
                        Ok(Some(segment.base()))
                    }
                }
                found => found?,
            };
            match found {
                Ok(offset) => return Ok(offset.unwrap_or_else(|| reader.end_of(segment))),
                Err(taken) => left -= taken,
            }
        }
        Ok(reader.list().start_offset)
    }
}

/// The first offset in a part that is kept when everything older than `oldest` goes. What is behind the part is kept.
///
/// A message that cannot be read is as old as the next that can, and a part of which nothing can be read as old as
/// what is behind it: so damage stays no longer than that.
fn first_since(reader: &Reader<'_>, segment: &SegmentRef, oldest: i64) -> Result<Option<u64>> {
    let found = reader.read(segment, |opened| {
        if let Some(max) = opened.time_max() {
            if max < oldest {
                return Ok(None);
            }
            match opened.first_at_or_after(oldest) {
                Err(Fault::Record { .. }) => {}
                found => return found?.map(|ordinal| opened.offset(ordinal)).transpose(),
            }
        }
        // Without an index of times: one by one.
        let mut cut = AgeCut::default();
        for ordinal in 0..opened.count() {
            let offset = opened.offset(ordinal)?;
            let age = match opened.message(ordinal, offset) {
                Ok(Some(message)) if message.time.as_micros() >= oldest => Age::Young,
                Ok(_) => Age::Old,
                Err(Fault::Record { .. }) => Age::Unknown,
                Err(fault) => return Err(fault),
            };
            if let Some(offset) = cut.see(offset, age) {
                return Ok(Some(offset));
            }
        }
        Ok(cut.end())
    });
    match found {
        Err(Error::Corrupt { .. }) => Ok(Some(segment.base())),
        found => found,
    }
}

/// The offset of the `count`-th message from the end. A part that cannot be read has a message at each offset, or, in
/// a log with gaps, perhaps none: so nothing goes too early.
fn cut_by_count(reader: &Reader<'_>, count: u64, has_gaps: bool) -> Result<u64> {
    reader.last_or(count, |segment, wanted, error| {
        if !matches!(error, Error::Corrupt { .. }) {
            return Err(error);
        }
        let (start, end) = (
            segment.base().max(reader.list().start_offset),
            reader.end_of(segment),
        );
        let there = if has_gaps { 0 } else { end.saturating_sub(start) };
        Ok(if there < wanted {
            Err(there)
        } else {
            Ok(end - wanted)
        })
    })
}

/// The first offset in a part from which on its messages take at most `left` bytes, if there is one; or the bytes that
/// all of them take, if that is no more.
fn first_within(opened: &Opened<'_>, left: u64) -> Result<Result<Option<u64>, u64>, Fault> {
    let count = opened.count();
    let end = u64::from(opened.end());
    let taken = |ordinal| Ok::<_, Fault>(end - u64::from(opened.position(ordinal)?));
    if count == 0 || taken(0)? <= left {
        return Ok(Err(if count == 0 { 0 } else { taken(0)? }));
    }
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if taken(middle)? <= left {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(Ok(if low < count {
        Some(opened.offset(low)?)
    } else {
        None
    }))
}
