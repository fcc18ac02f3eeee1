//! Finding the records of a damaged segment that are still good.

use super::active::Active;
use super::copy_buffer::CopyBuffer;
use crate::format::{
    BATCH_HEADER_LEN, BATCH_HEADER_LEN_MAX, Frame, LONE_HEADER_LEN, Layout, RECORD_HEADER_LEN,
    SEGMENT_HEADER_LEN, are_headers_whole, is_intact,
};

/// A record that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Good {
    pub(crate) offset: u64,
    pub(crate) position: u64,
    pub(crate) len: usize,
    pub(crate) is_control: bool,
}

/// Bytes between whole frames, and the offsets of the messages that were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) position: u64,
    pub(crate) len: u64,
    pub(crate) first_offset: u64,
    /// Exclusive; equal to `first_offset` where no message is lost.
    pub(crate) end_offset: u64,
}

/// The good records of a segment, and the gaps between them.
#[derive(Debug, Default)]
pub(crate) struct Salvage {
    pub(crate) good: Vec<Good>,
    pub(crate) gaps: Vec<Gap>,
}

/// A search may checksum this many bytes, or [`WORK_FACTOR`] times the segment's length if that is
/// more.
const WORK_MIN: u64 = 64 << 20;
const WORK_FACTOR: u64 = 16;

/// Goes through a segment up to `limit`, and after damage goes on at the next whole frame. A whole
/// frame is recognized by its checksum, which is keyed with the salt and the frame's own place.
/// `hints` are positions and offsets from an index. `end` is the offset that the segment reaches up
/// to (exclusive).
pub(crate) fn salvage(active: &Active, limit: u64, end: u64, hints: &[(u32, u64)]) -> Salvage {
    let mut search = Search {
        active,
        limit: limit.min(active.map.len()),
        end,
        hints,
        buffer: CopyBuffer::default(),
        work: WORK_MIN.max(limit.saturating_mul(WORK_FACTOR)),
    };
    let mut found = Salvage::default();
    let (mut at, mut offset) = (SEGMENT_HEADER_LEN, active.header.base);
    while at < search.limit {
        match search.frame(at, offset) {
            Some(Step::Batch { first, len }) if first >= offset => {
                at += len;
                offset = first;
            }
            Some(Step::Record { len, is_control }) if offset < end => {
                found.good.push(Good {
                    offset,
                    position: at,
                    len,
                    is_control,
                });
                at += len as u64;
                offset += 1;
            }
            // Nothing should follow the marker. If whole frames do, this is an old marker that came
            // back: the batch that overwrote it was lost.
            Some(Step::End) if search.next(at, offset).is_none() => break,
            _ => {
                let next = search.next(at, offset);
                let (position, next_offset) = next.unwrap_or((search.content_end(at), end.max(offset)));
                if position > at {
                    let (first_offset, end_offset) = search.known_between(offset, next_offset);
                    found.gaps.push(Gap {
                        position: at,
                        len: position - at,
                        first_offset,
                        end_offset,
                    });
                }
                if next.is_none() {
                    break;
                }
                (at, offset) = (position, next_offset);
            }
        }
    }
    found
}

/// A frame that is whole.
enum Step {
    /// A batch header of so many bytes, with the offset of the first record behind it.
    Batch { first: u64, len: u64 },
    /// A record, with the length of its frame.
    Record { len: usize, is_control: bool },
    /// The marker behind the last batch.
    End,
}

struct Search<'a> {
    active: &'a Active,
    limit: u64,
    end: u64,
    hints: &'a [(u32, u64)],
    buffer: CopyBuffer,
    /// Bytes that may still be checksummed.
    work: u64,
}

impl Search<'_> {
    /// Reads the frame at `at`; `None` unless it is whole and, if it is a record, has the offset
    /// `offset`.
    fn frame(&mut self, at: u64, offset: u64) -> Option<Step> {
        let active = self.active;
        let head = self
            .buffer
            .get_up_to(&active.map, at, BATCH_HEADER_LEN_MAX, self.limit)?;
        let header = match Frame::parse(head)? {
            Frame::Batch(batch) => {
                let first = active.header.base.checked_add(u64::from(batch.first))?;
                if !batch.is_intact(head, active.seeds.batch(at)) {
                    return None;
                }
                let is_end = batch.is_marker() && active.header.rewrite.is_none();
                let len = batch.header_len() as u64;
                return Some(if is_end {
                    Step::End
                } else {
                    Step::Batch { first, len }
                });
            }
            Frame::Record(header) => header,
        };
        let len = header.len as usize;
        let frame = self.buffer.get(&active.map, at, len, self.limit)?;
        self.work = self.work.saturating_sub(len as u64);
        if !is_intact(&header, frame, active.seeds.record(offset)) {
            return None;
        }
        let layout = Layout::of(&header, frame)?;
        are_headers_whole(&frame[layout.headers]).then_some(Step::Record {
            len,
            is_control: header.control,
        })
    }

    /// Position and offset of the next whole frame behind `at` whose offset is `offset` or later.
    fn next(&mut self, at: u64, offset: u64) -> Option<(u64, u64)> {
        let known = self
            .hints
            .partition_point(|(position, _)| u64::from(*position) <= at);
        for (position, offset) in self.hints.get(known..).unwrap_or_default() {
            let position = u64::from(*position);
            if let Some(Step::Record { .. }) = self.frame(position, *offset) {
                // If a batch header lies in front of the record, the frames go on there.
                let header = [BATCH_HEADER_LEN, BATCH_HEADER_LEN_MAX]
                    .into_iter()
                    .find_map(|len| {
                        let before = position.saturating_sub(len as u64);
                        let there = self.frame(before, *offset);
                        let is_header = matches!(there, Some(Step::Batch { first, .. }) if first == *offset);
                        (before > at && is_header).then_some(before)
                    });
                return Some((header.unwrap_or(position), *offset));
            }
        }
        if self.hints.is_empty() {
            self.search(at, offset)
        } else {
            None
        }
    }

    /// Narrows a range of offsets to those that had messages, if there is an index to ask.
    fn known_between(&self, first: u64, end: u64) -> (u64, u64) {
        if self.hints.is_empty() {
            return (first, end);
        }
        let at = |offset| self.hints.partition_point(|(_, known)| *known < offset);
        match self.hints.get(at(first)..at(end)) {
            Some([(_, only)]) => (*only, only + 1),
            Some([(_, first), .., (_, last)]) => (*first, last + 1),
            _ => (end, end),
        }
    }

    /// Searches as [`next`](Search::next) does, but byte by byte.
    fn search(&mut self, at: u64, offset: u64) -> Option<(u64, u64)> {
        for position in at + 1..self.limit {
            // Each record that may have been lost took at least 20 bytes. In a rewritten segment
            // any number of records may have been missing before.
            let lost_max = match self.active.header.rewrite {
                None => (position - at) / RECORD_HEADER_LEN as u64 + 1,
                Some(_) => u64::MAX,
            };
            let head = self
                .buffer
                .get_up_to(&self.active.map, position, LONE_HEADER_LEN, self.limit)?;
            match Frame::parse(head) {
                None => {}
                Some(Frame::Batch(_)) => {
                    if let Some(Step::Batch { first, .. }) = self.frame(position, offset)
                        && first >= offset
                    {
                        return Some((position, first));
                    }
                }
                Some(Frame::Record(header)) => {
                    if !self.is_border(position + u64::from(header.len)) {
                        continue;
                    }
                    for candidate in offset..self.end.min(offset.saturating_add(lost_max)) {
                        if let Some(Step::Record { .. }) = self.frame(position, candidate) {
                            return Some((position, candidate));
                        }
                        if self.work == 0 {
                            return None;
                        }
                    }
                }
            }
        }
        None
    }

    /// Whether a frame may end here: at the segment's end, in front of another frame, or in front
    /// of space that was never written.
    fn is_border(&mut self, position: u64) -> bool {
        if position >= self.limit {
            return position == self.limit;
        }
        let head = self
            .buffer
            .get_up_to(&self.active.map, position, LONE_HEADER_LEN, self.limit);
        head.is_some_and(|head| Frame::parse(head).is_some() || head.iter().all(|byte| *byte == 0))
    }

    /// One past the last byte at or behind `at` that is not zero.
    fn content_end(&mut self, at: u64) -> u64 {
        const LEN: usize = 4096;
        let (mut position, mut end) = (at, at);
        while position < self.limit {
            let len = usize::try_from(self.limit - position).map_or(LEN, |left| left.min(LEN));
            let Some(bytes) = self.buffer.get(&self.active.map, position, len, self.limit) else {
                break;
            };
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                end = position + last as u64 + 1;
            }
            position += len as u64;
        }
        end
    }
}
