//! Going through a segment's frames and verifying each, for recovery, check and index building.

use super::copy_buffer::CopyBuffer;
use super::extent::{Entry, Extent, WalkEnd};
use super::told::Told;
use super::walk_progress::WalkProgress;
use crate::format::{
    BATCH_HEADER_LEN, BATCH_HEADER_LEN_MAX, BatchHeader, Frame, FrameSeeds, LONE_HEADER_LEN, Layout,
    RECORD_HEADER_LEN, RecordHeader, RecordKind, SEGMENT_HEADER_LEN, are_headers_whole, is_intact,
};
use crate::index::key_hash;
use crate::sys::Map;
use crate::{Control, Corruption};

/// What a walk needs to know about the segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk<'a> {
    pub(crate) map: &'a Map,
    pub(crate) seeds: FrameSeeds,
    pub(crate) base: u64,
    pub(crate) header_checksum: u32,
    /// Where to stop, in bytes.
    pub(crate) limit: u64,
    /// Whether the segment was rewritten: it may then have markers inside, which say where offsets
    /// go on.
    pub(crate) rewritten: bool,
    /// Whether to hash keys for the entries.
    pub(crate) hash_keys: bool,
}

impl Walk<'_> {
    /// Walks from the segment's first frame on, as long as batches are complete and intact, and
    /// passes each record of each complete batch to `visit`.
    pub(crate) fn run(&self, visit: impl FnMut(&Entry)) -> Extent {
        let mut progress = self.begin();
        self.resume(&mut progress, usize::MAX, visit);
        progress.extent
    }

    /// The same, and returns what the records say besides their messages.
    pub(crate) fn run_told(&self, visit: impl FnMut(&Entry)) -> (Extent, Told) {
        let mut progress = WalkProgress {
            told: Some(Told::default()),
            ..self.begin()
        };
        self.resume(&mut progress, usize::MAX, visit);
        (progress.extent, progress.told.unwrap_or_default())
    }

    /// Begins a walk in steps, each of which is a call of [`resume`](Walk::resume).
    pub(crate) fn begin(&self) -> WalkProgress {
        WalkProgress {
            told: None,
            ..WalkProgress::at(self.nothing())
        }
    }

    /// How far a walk is intact that has seen nothing but the header.
    pub(super) fn nothing(&self) -> Extent {
        Extent {
            end: SEGMENT_HEADER_LEN,
            next_offset: self.base,
            last_checksum: if self.rewritten { 0 } else { self.header_checksum },
            frontier: 0,
            stop: WalkEnd::Limit,
        }
    }

    /// Goes on as [`run`](Walk::run) does, until `records_max` records or more were visited.
    /// Returns true at the end of the walk.
    pub(crate) fn resume(
        &self,
        progress: &mut WalkProgress,
        records_max: usize,
        mut visit: impl FnMut(&Entry),
    ) -> bool {
        let WalkProgress {
            extent,
            buffer,
            entries,
            told,
        } = progress;
        let mut visited = 0;
        while extent.end < self.limit {
            if visited >= records_max {
                return false;
            }
            entries.clear();
            let mut batch = Step {
                position: extent.end,
                offset: extent.next_offset,
                checksum: 0,
                producer: None,
                controls: Vec::new(),
            };
            match self.batch(buffer, &mut batch, entries, &mut extent.frontier) {
                Ok(true) => {}
                Ok(false) => {
                    extent.stop = WalkEnd::Marker;
                    return true;
                }
                Err(kind) => {
                    extent.stop = WalkEnd::Defect {
                        position: batch.position,
                        offset: batch.offset,
                        kind,
                    };
                    return true;
                }
            }
            entries.iter().for_each(&mut visit);
            if let Some(told) = told {
                let first = entries.first().map_or(0, |entry| entry.offset);
                let times = entries.iter().map(|entry| entry.time);
                told.take(first, times, &mut batch.controls, batch.producer);
            }
            visited += entries.len();
            (extent.end, extent.next_offset, extent.last_checksum) =
                (batch.position, batch.offset, batch.checksum);
        }
        true
    }

    /// Verifies one batch, and leaves `step` behind the batch or at its damage. Returns false at
    /// the marker that ends a segment.
    fn batch(
        &self,
        buffer: &mut CopyBuffer,
        step: &mut Step,
        entries: &mut Vec<Entry>,
        frontier: &mut u64,
    ) -> Result<bool, Corruption> {
        let start = step.position;
        let head = buffer
            .get_up_to(self.map, start, BATCH_HEADER_LEN_MAX, self.limit)
            .ok_or(Corruption::Short)?;
        let batch = match Frame::parse(head).ok_or(Corruption::Batch)? {
            Frame::Record(record) => {
                let known = record.kind.frontier().ok_or(Corruption::Batch)?;
                self.record(buffer, step, &record, entries)?;
                self.raise(frontier, known, start)?;
                return Ok(true);
            }
            Frame::Batch(batch) => batch,
        };
        if !batch.is_intact(head, self.seeds.batch(start)) {
            return Err(Corruption::Batch);
        }
        let first = self
            .base
            .checked_add(u64::from(batch.first))
            .ok_or(Corruption::Batch)?;
        let goes_on = if self.rewritten {
            first >= step.offset
        } else {
            first == step.offset
        };
        if !goes_on {
            return Err(Corruption::Batch);
        }
        self.raise(frontier, batch.frontier, start)?;
        if batch.is_marker() && !self.rewritten {
            return Ok(false);
        }
        step.offset = first;
        step.position += batch.header_len() as u64;
        step.checksum = batch.checksum;
        step.producer = batch.producer(head);
        self.records(buffer, step, &batch, entries)?;
        Ok(true)
    }

    fn records(
        &self,
        buffer: &mut CopyBuffer,
        step: &mut Step,
        batch: &BatchHeader,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Corruption> {
        let end = step.position + u64::from(batch.len);
        if end > self.limit {
            return Err(Corruption::Short);
        }
        for _ in 0..batch.count {
            let head = buffer
                .get_up_to(self.map, step.position, LONE_HEADER_LEN, end)
                .ok_or(Corruption::Record)?;
            let Some(Frame::Record(record)) = Frame::parse(head) else {
                return Err(Corruption::Record);
            };
            // In a rewritten segment a lone record keeps its form.
            if record.kind != RecordKind::Batched && !self.rewritten {
                return Err(Corruption::Record);
            }
            self.record(buffer, step, &record, entries)?;
        }
        if step.position == end {
            Ok(())
        } else {
            Err(Corruption::Batch)
        }
    }

    fn record(
        &self,
        buffer: &mut CopyBuffer,
        step: &mut Step,
        header: &RecordHeader,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Corruption> {
        let frame = buffer
            .get(self.map, step.position, header.len as usize, self.limit)
            .ok_or(Corruption::Record)?;
        if !is_intact(header, frame, self.seeds.record(step.offset)) {
            return Err(Corruption::Record);
        }
        let layout = Layout::of(header, frame).ok_or(Corruption::Record)?;
        if !are_headers_whole(&frame[layout.headers]) {
            return Err(Corruption::Record);
        }
        if header.control {
            let content = layout.value.map_or(&[][..], |range| &frame[range]);
            let control = Control::of_content(content);
            step.controls
                .extend(control.map(|control| (step.offset, control)));
        }
        let key = layout
            .key
            .filter(|_| self.hash_keys && !header.control)
            .map(|range| key_hash(&frame[range]));
        let position = u32::try_from(step.position).map_err(|_| Corruption::Record)?;
        entries.push(Entry {
            offset: step.offset,
            position,
            time: header.time,
            key_hash: key,
            is_control: header.control,
        });
        step.position += u64::from(header.len);
        step.offset = step.offset.checked_add(1).ok_or(Corruption::Record)?;
        step.checksum = header.checksum;
        Ok(())
    }

    /// Raises `frontier` to the one that a frame carries. A frame with a frontier behind its own
    /// position is damaged: it cannot know of durable bytes there.
    fn raise(&self, frontier: &mut u64, known: u32, position: u64) -> Result<(), Corruption> {
        let known = u64::from(known);
        if self.rewritten {
            return Ok(());
        }
        if known > position {
            return Err(Corruption::Batch);
        }
        *frontier = known.max(*frontier);
        Ok(())
    }

    /// Looks behind `extent`, which ends at a defect, for an intact frame that knows of durable
    /// bytes beyond that end.
    ///
    /// Such a frame distinguishes damage from a torn tail.
    pub(crate) fn is_durable_behind(&self, extent: &Extent) -> bool {
        self.is_frame_behind(extent, extent.end + 1)
    }

    /// Looks behind `extent` for an intact frame whose frontier is at least `frontier_min`.
    ///
    /// Bytes that look like a frame by chance, or were planted in a payload, would need a checksum
    /// keyed with the salt. A hostile file can make the search cost out of proportion to the file's
    /// size. The search then gives up and says that there is such a frame: asking for help is
    /// better than cutting the log.
    pub(crate) fn is_frame_behind(&self, extent: &Extent, frontier_min: u64) -> bool {
        let work = SEARCH_WORK_MIN.saturating_add(self.limit.saturating_mul(4));
        let mut search = Search {
            buffer: CopyBuffer::default(),
            work,
            frontier_min,
        };
        let mut at = extent.end + 1;
        while at + BATCH_HEADER_LEN as u64 <= self.limit {
            // Zeros are skipped, except for the last 24: a frame that begins in them has its kind
            // in bytes 4 to 7.
            let ahead = search
                .buffer
                .get_up_to(self.map, at, ZEROS_LEN, self.limit)
                .unwrap_or_default();
            let zeros = ahead.iter().position(|byte| *byte != 0).unwrap_or(ahead.len());
            if zeros > LONE_HEADER_LEN {
                at += (zeros - LONE_HEADER_LEN) as u64;
                continue;
            }
            if self.is_frame_at(&mut search, at, extent).unwrap_or(false) || search.work == 0 {
                return true;
            }
            at += 1;
        }
        false
    }

    /// Whether an intact batch header or lone record lies at `at`, with the frontier that is
    /// searched for.
    fn is_frame_at(&self, search: &mut Search, at: u64, extent: &Extent) -> Option<bool> {
        let head = search
            .buffer
            .get_up_to(self.map, at, BATCH_HEADER_LEN_MAX, self.limit)?;
        let frame = Frame::parse(head)?;
        let known = u64::from(match &frame {
            Frame::Batch(batch) => batch.frontier,
            Frame::Record(header) => header.kind.frontier()?,
        });
        if known < search.frontier_min || known > at {
            return None;
        }
        let header = match frame {
            Frame::Batch(batch) => return Some(batch.is_intact(head, self.seeds.batch(at))),
            Frame::Record(header) => header,
        };
        // A record does not say its own offset, so the possible ones are tried. Each record that
        // may have been lost took at least 20 bytes.
        let lost_max = (at - extent.end) / RECORD_HEADER_LEN as u64 + 1;
        let frame = search.buffer.get(self.map, at, header.len as usize, self.limit)?;
        for offset in extent.next_offset..=extent.next_offset.saturating_add(lost_max) {
            if is_intact(&header, frame, self.seeds.record(offset)) {
                return Some(true);
            }
            search.work = search.work.saturating_sub(u64::from(header.len));
            if search.work == 0 {
                break;
            }
        }
        None
    }
}

/// The most zeros that are skipped at a time, in bytes.
const ZEROS_LEN: usize = 4096;

/// Bytes that a search may checksum, in addition to four times its limit.
const SEARCH_WORK_MIN: u64 = 16 << 20;

struct Search {
    buffer: CopyBuffer,
    /// Bytes that may still be checksummed.
    work: u64,
    frontier_min: u64,
}

/// Where a walk has got to.
struct Step {
    position: u64,
    offset: u64,
    checksum: u32,
    /// Of the batch that is being verified.
    producer: Option<(u64, u64)>,
    controls: Vec<(u64, Control)>,
}
