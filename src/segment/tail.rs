//! A segment that somebody else writes to.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::active::Active;
use super::extent::{Extent, WalkEnd};
use super::told::Told;
use super::visible::Visible;
use super::walk_progress::WalkProgress;
use crate::control::ControlState;
use crate::directory::{Directory, corrupt};
use crate::format::{
    BATCH_HEADER_LEN_MAX, FRAMES_START, Frame, LONE_HEADER_LEN, Previous, RECORD_HEADER_LEN,
    SEGMENT_HEADER_LEN, SEGMENT_LEN_MAX,
};
use crate::sys::Open;
use crate::{Corruption, Result};

/// A walk that takes longer is not repeated at once for a batch that was not whole.
const COSTLY: Duration = Duration::from_millis(10);

/// A segment that another handle writes to, here or in another process, read up to its last batch
/// that is whole.
///
/// It is read by calls and never through a mapping, which the writer could cut. A batch is taken
/// once its checksums are right, so one that is half written is left for later.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) active: Arc<Active>,
    progress: WalkProgress,
    /// The bytes behind the last batch when they were last looked at.
    head: [u8; BATCH_HEADER_LEN_MAX],
    /// Whether the file ends with its last batch. Where only durable messages are visible, it is
    /// cut to that after a sync, and there is room for a marker before.
    is_cut: bool,
    /// When the last walk ended, and how long it took.
    walked_at: Instant,
    took: Duration,
    /// What the log has come to behind all that was read.
    read: ControlState,
    /// Where batches end that say more than messages and are not shown yet, oldest first, and what
    /// the log has come to behind them.
    unshown: VecDeque<(u64, ControlState)>,
    /// What the log has come to behind all that is shown.
    shown: ControlState,
}

impl Tail {
    /// Opens the segment with this base offset. Nothing of it is read yet but the header.
    pub(crate) fn open(directory: &Directory, base: u64) -> Result<Tail> {
        let (file, header) = directory.open_segment(base, Open::Read)?;
        let map = file.unmapped(SEGMENT_LEN_MAX)?;
        let active = Active::new(directory, header, file, map, 0);
        let extent = active.walk(0, false).nothing();
        Ok(Tail::going_on(active, extent, &Told::default()))
    }

    /// Goes on behind a segment's first batches, which were read and are in its index.
    pub(crate) fn going_on(active: Active, extent: Extent, told: &Told) -> Tail {
        let before = active.header.control;
        let control = told.after(before);
        // Not even these are shown yet.
        active.show(Visible {
            count: 0,
            end: FRAMES_START,
        });
        Tail {
            is_cut: active.file.len().is_ok_and(|len| len == extent.end),
            active: Arc::new(active),
            progress: WalkProgress::at(extent),
            head: [0; BATCH_HEADER_LEN_MAX],
            walked_at: Instant::now(),
            took: Duration::ZERO,
            read: control,
            unshown: VecDeque::new(),
            shown: before,
        }
    }

    pub(crate) fn base(&self) -> u64 {
        self.active.header.base
    }

    /// Reads what was written since the last call. Nothing of it is shown yet.
    pub(crate) fn read_on(&mut self, hash_keys: bool) -> Result<()> {
        if !self.may_have_more()? {
            return Ok(());
        }
        loop {
            let len = self.active.file.len()?;
            self.active.map.grow(len);
            self.walk(hash_keys);
            let now = self.active.file.len()?;
            self.is_cut = now == self.progress.extent.end;
            if now >= len {
                return Ok(());
            }
            // It was cut to its end meanwhile. What was to be read in one piece with the bytes that
            // are gone is still there.
            self.active.map.shrink(now);
        }
    }

    fn walk(&mut self, hash_keys: bool) {
        let began = Instant::now();
        let active = &self.active;
        self.progress.look_again();
        let walk = active.walk(u64::MAX, hash_keys);
        let mut is_done = false;
        while !is_done {
            let before = self.progress.extent.end;
            is_done = walk.resume(&mut self.progress, 1, |entry| active.index_entry(entry));
            let end = self.progress.extent.end;
            if end > before {
                let told = self.progress.take_told();
                let had_producers = self.read.has_producers;
                self.read = told.after(self.read);
                if told.has_controls() || self.read.has_producers != had_producers {
                    self.unshown.push_back((end, self.read));
                }
            }
        }
        self.walked_at = Instant::now();
        self.took = self.walked_at - began;
    }

    /// Fails if the log reaches up to the offset `next_offset` and something is wrong here in front
    /// of that, so that readers do not pass over what is there.
    pub(crate) fn check_reaches(&self, next_offset: u64) -> Result<()> {
        let extent = &self.progress.extent;
        let (true, Some(error)) = (
            extent.next_offset < next_offset,
            extent.stop.defect(self.active.file.path()),
        ) else {
            return Ok(());
        };
        let mut head = [0; BATCH_HEADER_LEN_MAX];
        self.active.file.read_at(extent.end, &mut head)?;
        // Offsets may be missing for good reasons, with nothing there.
        if head.iter().all(|byte| *byte == 0) {
            Ok(())
        } else {
            Err(error)
        }
    }

    /// Whether there may be more than was read. A look at one frame's head tells in most cases.
    fn may_have_more(&mut self) -> Result<bool> {
        let mut head = [0; BATCH_HEADER_LEN_MAX];
        let len = self.active.file.read_at(self.progress.extent.end, &mut head)?;
        self.is_cut |= len == 0;
        let is_same = head == self.head;
        self.head = head;
        // The same head of a batch that was not whole says nothing: the rest may have come. But a
        // large one is not read again all the time.
        let is_end = self.progress.extent.stop == WalkEnd::Marker || head.iter().all(|byte| *byte == 0);
        let is_costly = self.took > COSTLY && self.walked_at.elapsed() < 4 * self.took;
        Ok(!(is_same && (is_end || is_costly)))
    }

    /// Fails if it does not reach up to its end, as the segment behind it knows it.
    pub(crate) fn check_followed_by(&self, next: &Tail) -> Result<()> {
        if next.active.header.previous == Some(self.link()) {
            return Ok(());
        }
        let path = self.active.file.path();
        let foreign = || corrupt(path, 0, None, Corruption::Foreign);
        Err(self.progress.extent.stop.defect(path).unwrap_or_else(foreign))
    }

    /// Whether what was read proves that all segments before this one are durable.
    pub(crate) fn proves_those_before(&self) -> bool {
        self.progress.extent.frontier >= SEGMENT_HEADER_LEN
    }

    /// The offset below which what was read is proven to be durable, if the segments before are.
    pub(crate) fn durable_offset(&self) -> u64 {
        let extent = &self.progress.extent;
        let below = self
            .active
            .records_below(extent.frontier, self.active.index.count());
        self.base() + u64::from(below)
    }

    /// How the segment behind this one knows it, if this one ends where it was read up to.
    pub(crate) fn link(&self) -> Previous {
        let seal = self.progress.extent.seal();
        self.active.link(seal.len, seal.last_checksum)
    }

    /// Shows readers all that was read.
    pub(crate) fn show_all(&mut self) {
        self.show(self.active.index.count());
    }

    /// Shows readers what is proven to be durable, and what lies below the offset `floor`.
    pub(crate) fn show_durable(&mut self, floor: u64) {
        if self.is_cut {
            self.show_all();
            return;
        }
        let below = self.durable_offset().max(floor).saturating_sub(self.base());
        let count = self.active.index.count();
        self.show(u32::try_from(below).unwrap_or(u32::MAX).min(count));
    }

    fn show(&mut self, count: u32) {
        let is_all = count == self.active.index.count();
        let end = if is_all {
            Some(self.progress.extent.end)
        } else {
            self.end_of(count)
        };
        let Some(end) = end.and_then(|end| u32::try_from(end).ok()) else {
            return;
        };
        self.active.show_at_least(Visible { count, end });
        let shown = self.unshown.partition_point(|(next, _)| *next <= u64::from(end));
        if let Some((_, control)) = self.unshown.drain(..shown).next_back() {
            self.shown = control;
        }
        if is_all {
            self.shown = self.read;
        }
    }

    /// Where the first `count` records end.
    fn end_of(&self, count: u32) -> Option<u64> {
        let Some(last) = count.checked_sub(1) else {
            return Some(SEGMENT_HEADER_LEN);
        };
        let position = u64::from(self.active.index.position(last)?);
        let map = &self.active.map;
        // A record at the very end may be shorter than the head of a lone one.
        let frame = match map.array::<LONE_HEADER_LEN>(position) {
            Some(head) => Frame::parse(&head),
            None => Frame::parse(&map.array::<RECORD_HEADER_LEN>(position)?),
        };
        match frame? {
            Frame::Record(header) => Some(position + u64::from(header.len)),
            Frame::Batch(_) => None,
        }
    }

    /// What the log has come to behind all that is shown.
    pub(crate) fn control(&self) -> ControlState {
        self.shown
    }
}
