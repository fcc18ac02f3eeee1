//! The segment that is written to.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::copy::copy_over;
use super::ending::Seal;
use super::extent::{Entry, Extent};
use super::reserve::{PAGE, RESERVE_FIRST, reserve_or_less};
use super::sync_progress::SyncProgress;
use super::told::Told;
use super::visible::Visible;
use super::walk::Walk;
use super::way::{Growth, Way};
use crate::directory::{Directory, corrupt};
use crate::format::{
    BATCH_HEADER_LEN, FRAMES_START, FrameSeeds, Previous, SEGMENT_LEN_MAX, SegmentHeader, TIME_AT,
};
use crate::index::{ActiveIndex, SegmentHints};
use crate::sys::{File, Map, Open, Window, failed_read, is_out_of_space, raise};
use crate::{Corruption, Error, Result};

/// The largest step by which reserved space grows.
const RESERVE_STEP_MAX: u64 = 8 << 20;
/// Bytes behind the end that are fetched ahead for the next batch.
const NEXT_LEN: u64 = 256;
/// Unsynced bytes from which on letting go of their pages before a sync pays.
const LET_GO_MIN: u32 = 128 << 10;

/// A segment whose index is in memory: the one being appended to, one that waits to be sealed, or
/// the last one of a log that was not closed.
///
/// One thread at a time appends, under the lock of the log's appender. Readers see what lies below
/// [`visible`](Active::visible) and never wait.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) header: SegmentHeader,
    pub(crate) header_checksum: u32,
    pub(crate) seeds: FrameSeeds,
    pub(crate) file: File,
    pub(crate) map: Map,
    pub(crate) index: ActiveIndex,
    /// [`Visible`], count in the upper half. Stored with release ordering once bytes and index are
    /// in place.
    visible: AtomicU64,
    /// All bytes below this position, and all earlier segments, are durable; at 0 not even the
    /// earlier segments need be.
    frontier: AtomicU32,
    /// Held while space is reserved; true once the segment has been cut to its end and gets no more
    /// space.
    growing: Mutex<bool>,
    /// Set while a request to the background thread for more space is pending.
    growth_requested: AtomicBool,
    /// Held while the segment is synced, so that the system gets one sync at a time.
    syncing: Mutex<()>,
    /// Where the segment ends, as long as nothing proves all of it durable; else 0.
    needs_copy: AtomicU32,
}

impl Active {
    /// Makes the segment of an installed file; `expected` is a guess at its number of records.
    pub(super) fn new(
        directory: &Directory,
        header: SegmentHeader,
        file: File,
        map: Map,
        expected: u32,
    ) -> Active {
        let bytes = u32::try_from(map.capacity()).unwrap_or(u32::MAX);
        let hints = SegmentHints {
            bytes,
            records_expected: expected,
        };
        let encoded = header.encode();
        Active {
            header_checksum: encoded.last_chunk().copied().map_or(0, u32::from_le_bytes),
            seeds: FrameSeeds::new(header.salt),
            index: ActiveIndex::new(directory.kinds, hints),
            visible: AtomicU64::new(
                Visible {
                    count: 0,
                    end: FRAMES_START,
                }
                .pack(),
            ),
            frontier: AtomicU32::new(0),
            growing: Mutex::new(false),
            growth_requested: AtomicBool::new(false),
            syncing: Mutex::new(()),
            needs_copy: AtomicU32::new(0),
            header,
            file,
            map,
        }
    }

    /// Opens an existing segment: walks through its first `limit` bytes and indexes the intact
    /// batches there.
    ///
    /// `capacity` is the length up to which the file may be appended to; `None` is for reading.
    pub(crate) fn adopt(
        directory: &Directory,
        base: u64,
        limit: Option<u64>,
        capacity: Option<u64>,
    ) -> Result<(Active, Extent)> {
        Self::adopt_told(directory, base, limit, capacity).map(|(active, extent, _)| (active, extent))
    }

    /// The same, and returns what the segment's records say besides their messages.
    pub(crate) fn adopt_told(
        directory: &Directory,
        base: u64,
        limit: Option<u64>,
        capacity: Option<u64>,
    ) -> Result<(Active, Extent, Told)> {
        let how = if directory.health.may_write_files() {
            Open::Write
        } else {
            Open::Read
        };
        let (file, header) = directory.open_segment(base, how)?;
        let len = file.len()?;
        let map = match capacity {
            Some(capacity) => file.map_to_append(capacity.max(len))?,
            None if how == Open::Write => file.map(len)?,
            // Somebody else may write to it, and shorten it.
            None => file.unmapped(SEGMENT_LEN_MAX)?,
        };
        let active = Active::new(directory, header, file, map, 0);
        drop(failed_read(active.file.path()));
        let (extent, told) = active
            .walk(limit.unwrap_or(len), directory.kinds.key)
            .run_told(|entry| active.index_entry(entry));
        active.check_read()?;
        let now = active.file.len()?;
        if now < len {
            // Somebody has cut it meanwhile, and bytes in front of its end may not have been read.
            return Err(corrupt(active.file.path(), now, None, Corruption::Short));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "positions in a segment are u32, which open has checked"
        )]
        active.show(Visible {
            count: (extent.next_offset - base) as u32,
            end: extent.end as u32,
        });
        Ok((active, extent, told))
    }

    /// Fails if bytes were missing because a read of the file failed, which is neither damage nor
    /// the end. Only a file that is not mapped is read.
    pub(crate) fn check_read(&self) -> Result<()> {
        failed_read(self.file.path()).map_or(Ok(()), Err)
    }

    /// A walk through this segment up to `limit`.
    pub(crate) fn walk(&self, limit: u64, hash_keys: bool) -> Walk<'_> {
        Walk {
            map: &self.map,
            seeds: self.seeds,
            base: self.header.base,
            header_checksum: self.header_checksum,
            limit: limit.min(self.map.len()),
            rewritten: self.header.rewrite.is_some(),
            hash_keys,
        }
    }

    /// How many of the first `count` records begin in front of `position`.
    pub(crate) fn records_below(&self, position: u64, count: u32) -> u32 {
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            let begin = self.index.position(middle);
            if begin.is_some_and(|begin| u64::from(begin) < position) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Adds a record to the index. Readers see the record after [`show`](Active::show).
    #[inline]
    pub(crate) fn index_entry(&self, entry: &Entry) {
        if entry.is_control {
            self.index.push_control(entry.position);
        } else {
            self.index.push(entry.position, entry.time, entry.key_hash);
        }
    }

    /// Reserved space of `len` bytes at `position`, into which bytes are stored through the
    /// mapping; `None` if there is no such space.
    #[inline]
    pub(crate) fn window(&self, position: u64, len: u64) -> Option<Window<'_>> {
        self.map.window(position, usize::try_from(len).ok()?)
    }

    /// Has the processor fetch the place of the next batch, which begins at `end`. Whoever writes
    /// to many logs in turn would wait for each.
    #[inline]
    pub(crate) fn prefetch_for_next(&self, end: u32) {
        self.map.prefetch(u64::from(end), NEXT_LEN);
    }

    /// Whether the process may write to the file up to `end`.
    pub(crate) fn check_size_limit(&self, end: u64) -> Result<()> {
        self.file.check_size_limit(end)
    }

    /// Writes `bytes` into reserved space at `position`, by a call. Only the appender calls this,
    /// after [`check_size_limit`](Active::check_size_limit), and never for bytes that readers see.
    pub(crate) fn write(&self, position: u64, bytes: &[u8]) -> Result<()> {
        // Beyond reserved space, a write would change the file's length.
        if position + bytes.len() as u64 > self.map.len() || !self.map.is_appendable() {
            return Err(Error::poisoned("reserved space is gone"));
        }
        self.file.write_checked(position, bytes)
    }

    /// How much of the segment readers see.
    #[inline]
    pub(crate) fn visible(&self) -> Visible {
        Visible::unpack(self.visible.load(Ordering::Acquire))
    }

    /// The time of the last record in front of the offset `end`, as readers see the log.
    pub(crate) fn time_before(&self, end: u64) -> i64 {
        let below = u32::try_from(end.saturating_sub(self.header.base)).unwrap_or(u32::MAX);
        let last = below.min(self.visible().count).checked_sub(1);
        let time = last.and_then(|last| self.map.array(u64::from(self.index.position(last)?) + TIME_AT));
        time.map_or(self.header.control.last_time, i64::from_le_bytes)
    }

    /// Shows readers everything up to here. Only the writer calls this, and never with less than
    /// before.
    #[inline]
    pub(crate) fn show(&self, visible: Visible) {
        self.visible.store(visible.pack(), Ordering::Release);
    }

    /// Shows readers everything up to here, unless they already see more.
    pub(crate) fn show_at_least(&self, visible: Visible) {
        raise(&self.visible, visible.pack());
    }

    /// Brings the segment to stable storage.
    pub(crate) fn sync(&self, directory: &Directory) -> Result<()> {
        let mut progress = SyncProgress::at_once();
        while !self.sync_step(directory, &mut progress)? {}
        Ok(())
    }

    /// Does a step of [`sync`](Active::sync), of a few milliseconds, for a thread that has other
    /// things to do as well. Returns true when the segment is on stable storage.
    ///
    /// Only one sync goes on at a time. A failed sync poisons the log, and there is none after it:
    /// the system reports lost bytes only once, so the next sync would succeed without them.
    pub(crate) fn sync_step(&self, directory: &Directory, progress: &mut SyncProgress) -> Result<bool> {
        let _one_at_a_time = self.syncing.lock();
        let health = &directory.health;
        health.check_not_poisoned()?;
        let copied_to = self.needs_copy.load(Ordering::Acquire);
        if copied_to == 0 {
            return health.poison_on_error(self.sync_stored(progress));
        }
        match copy_over(directory, self.header.base, u64::from(copied_to)) {
            // The file was not replaced, most likely for want of space. The copy can be tried
            // again.
            Err(error @ Error::Io { .. }) => return Err(error),
            other => health.poison_on_error(other)?,
        }
        self.needs_copy.store(0, Ordering::Release);
        Ok(true)
    }

    fn sync_stored(&self, progress: &mut SyncProgress) -> Result<bool> {
        let (from, to) = if let Some(left) = progress.left {
            left
        } else {
            let last = self.index.count().checked_sub(1);
            let stored = last.and_then(|last| self.index.position(last)).unwrap_or(0);
            let durable = self.frontier();
            if stored.saturating_sub(durable) >= LET_GO_MIN {
                self.map.let_go(u64::from(durable), u64::from(stored));
            }
            (u64::from(durable), u64::from(stored))
        };
        // The last step syncs the whole file.
        if from + 2 * progress.step_len >= to {
            return self.file.sync().map(|()| true);
        }
        let synced = self.map.sync_part(from, from + progress.step_len);
        synced.map_err(|source| Error::SyncFailed {
            path: self.file.path().to_path_buf(),
            source,
        })?;
        progress.left = Some((from + progress.step_len, to));
        Ok(false)
    }

    /// Keeps the segment from ever being copied to a new file of its name again, because it is
    /// about to be replaced or removed. Waits for a sync that is under way.
    pub(crate) fn retire(&self) {
        let _not_while_syncing = self.syncing.lock();
        self.needs_copy.store(0, Ordering::Release);
    }

    /// Notes that an earlier life left this segment, which ends at `end`, without proof that all of
    /// it is durable.
    ///
    /// The segment's bytes are read from the system's cache and look as they should, but a sync of
    /// that life may have failed. Another sync of this file would then succeed without bringing the
    /// bytes to disk, so [`sync`](Active::sync) copies them to a new file.
    pub(crate) fn set_needs_copy(&self, end: u32) {
        self.needs_copy.store(end, Ordering::Release);
    }

    /// Whether a sync has to copy this segment; see [`set_needs_copy`](Active::set_needs_copy).
    pub(crate) fn needs_copy(&self) -> bool {
        self.needs_copy.load(Ordering::Acquire) != 0
    }

    /// Gives back the space behind `end`. Nothing behind `end` is read from then on.
    pub(crate) fn truncate(&self, end: u64) -> Result<()> {
        let mut is_cut = self.growing.lock();
        *is_cut = true;
        self.map.shrink(end);
        self.file.set_len(end)
    }

    pub(crate) fn frontier(&self) -> u32 {
        self.frontier.load(Ordering::Relaxed)
    }

    /// Notes that everything below `position` is durable, and all earlier segments.
    pub(crate) fn raise_frontier(&self, position: u32) {
        self.frontier.fetch_max(position, Ordering::Relaxed);
    }

    /// Reserves space up to where it is needed, and by a step if there is as much; does nothing if
    /// the space is there already.
    ///
    /// The background thread calls this in advance, and the publisher when it has run out of space.
    pub(crate) fn reserve(&self, growth: Growth) -> Result<()> {
        let Growth { end, ahead_max, way } = growth;
        let is_cut = self.growing.lock();
        let from = self.map.len();
        if end <= from || *is_cut {
            return Ok(());
        }
        let step = from.clamp(RESERVE_FIRST, RESERVE_STEP_MAX).min(ahead_max);
        let to = reserve_or_less(from, end, from + step, self.map.capacity(), |to| {
            self.file.extend(from, to)
        })?;
        // In this order the publisher never meets pages that are not ready yet.
        if way == Way::Mapping {
            self.map.populate(from, to);
        }
        self.map.grow(to);
        Ok(())
    }

    /// Readies a file for stores that an earlier life left behind, and that ends at `end`; false if
    /// there is no space for that.
    ///
    /// Blocks that the file has may be shared with a copy of it, so that a store to them would need
    /// others. So the space that was reserved is given back, and the marker behind the end is
    /// written anew, which gives the last page blocks of its own.
    pub(crate) fn take_over(&self, end: u64) -> Result<bool> {
        let _not_while_growing = self.growing.lock();
        let to = (end + BATCH_HEADER_LEN as u64).min(self.map.len());
        let mut marker = [0; BATCH_HEADER_LEN];
        let len = self.file.read_at(end, &mut marker)?;
        self.map.shrink(to);
        self.file.set_len(to)?;
        let len = len.min(usize::try_from(to.saturating_sub(end)).unwrap_or(0));
        match self.file.write_at(end, marker.get(..len).unwrap_or_default()) {
            Err(error) if is_out_of_space(&error) => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Gives back the space behind `end` but for the marker there. Only the appender calls this.
    pub(crate) fn give_back(&self, end: u64) -> Result<()> {
        self.cut_back((end + BATCH_HEADER_LEN as u64).next_multiple_of(PAGE))
    }

    /// Gives back the space behind `to`, which is behind all that readers see; more can be reserved
    /// later. Only the appender calls this.
    pub(crate) fn cut_back(&self, to: u64) -> Result<()> {
        let is_cut = self.growing.lock();
        if to >= self.map.len() || *is_cut {
            return Ok(());
        }
        self.map.shrink(to);
        self.file.set_len(to)
    }

    /// Notes that upkeep is to reserve more space; returns false if that was noted already.
    pub(crate) fn request_growth(&self) -> bool {
        !self.growth_requested.load(Ordering::Relaxed) && !self.growth_requested.swap(true, Ordering::Relaxed)
    }

    /// Notes that upkeep has reserved more space, or could not.
    pub(crate) fn growth_done(&self) {
        self.growth_requested.store(false, Ordering::Relaxed);
    }

    /// Makes the space that is already reserved ready for stores. Done before a sync, this would be
    /// in vain: a sync takes the permission to store back.
    pub(crate) fn populate(&self) {
        self.map.populate(0, self.map.len());
    }

    /// The seal of a segment that is no longer written to and shows readers all it has.
    pub(crate) fn seal_from(&self, visible: Visible) -> Option<Seal> {
        let last_checksum = match visible.count.checked_sub(1) {
            Some(last) => self
                .map
                .array(u64::from(self.index.position(last)?))
                .map(u32::from_le_bytes)?,
            None => self.header_checksum,
        };
        Some(Seal {
            len: visible.end,
            last_checksum,
        })
    }

    /// How the segment behind this one knows it, when it has this content.
    pub(crate) fn link(&self, end: u32, last_checksum: u32) -> Previous {
        Previous {
            base: self.header.base,
            len: end,
            last_checksum,
        }
    }
}
