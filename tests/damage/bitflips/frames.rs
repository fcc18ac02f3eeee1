//! What of a log is known to be durable, from its files alone and read without the library: the highest durable
//! frontier that any undamaged frame, segment header or metadata copy tells of.

use std::ops::Range;

use super::subject::Subject;

const HEADER_LEN: usize = 192;

/// One batch, or a marker, in a segment file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// All bytes of the segment below this, and all earlier segments, were durable when it was written.
    pub(crate) frontier: usize,
    /// One past the offset of its last message.
    pub(crate) next_offset: u64,
    pub(crate) is_marker: bool,
}

/// A segment file, undamaged.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// Its place in the subject's list of files.
    pub(crate) file: usize,
    pub(crate) base: u64,
    /// When it was created, everything below this offset was durable.
    pub(crate) durable_base: u64,
    pub(crate) frames: Vec<Frame>,
}

impl Segment {
    /// Where the last batch ends.
    pub(crate) fn end(&self) -> usize {
        let batches = self.frames.iter().filter(|frame| !frame.is_marker);
        batches.map(|frame| frame.end).next_back().unwrap_or(HEADER_LEN)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    let word = bytes.get(at..at + 4).and_then(|four| four.first_chunk().copied());
    word.map_or(0, u32::from_le_bytes) as usize
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Reads a segment file that is known to be in order.
pub(crate) fn parse(file: usize, bytes: &[u8]) -> Segment {
    let base = u64_at(bytes, 48);
    let mut segment = Segment {
        file,
        base,
        durable_base: u64_at(bytes, 80),
        frames: Vec::new(),
    };
    let (mut start, mut next_offset) = (HEADER_LEN, base);
    loop {
        let word = u32_at(bytes, start + 4);
        let (count, len, frontier) = match word >> 30 {
            2 => (
                word & 0x3fff_ffff,
                20 + u32_at(bytes, start + 8),
                u32_at(bytes, start + 16),
            ),
            3 => (1, word & 0x3fff_ffff, u32_at(bytes, start + 20)),
            _ => return segment,
        };
        next_offset += count as u64;
        let end = start + len;
        segment.frames.push(Frame {
            start,
            end,
            frontier,
            next_offset,
            is_marker: count == 0,
        });
        if count == 0 {
            return segment;
        }
        start = end;
    }
}

/// The offset below which undamaged bytes prove that everything was durable, when `damaged` of `file` is not what it
/// was.
pub(crate) fn proven(subject: &Subject, file: usize, damaged: &Range<usize>) -> u64 {
    let is_hit =
        |of: usize, range: Range<usize>| of == file && range.start < damaged.end && damaged.start < range.end;
    let mut proven = 0;
    for segment in &subject.segments {
        if !is_hit(segment.file, 0..HEADER_LEN) {
            proven = proven.max(segment.durable_base);
        }
        let intact = segment
            .frames
            .iter()
            .filter(|frame| !is_hit(segment.file, frame.start..frame.end));
        let frontier = intact.map(|frame| frame.frontier).max().unwrap_or(0);
        if frontier >= HEADER_LEN {
            proven = proven.max(segment.base).max(offset_at(segment, frontier));
        }
    }
    for (at, (name, bytes)) in subject.files.iter().enumerate() {
        if name.starts_with("meta") && u32_at(bytes, 12) & 4 != 0 && !is_hit(at, 0..bytes.len()) {
            let last = u64_at(bytes, 64);
            if let Some(segment) = subject.segments.iter().find(|segment| segment.base == last) {
                proven = proven.max(offset_at(segment, u32_at(bytes, 72)));
            }
        }
    }
    proven
}

/// One past the last offset whose batch ends at or before `position`.
fn offset_at(segment: &Segment, position: usize) -> u64 {
    let below = segment
        .frames
        .iter()
        .filter(|frame| frame.end <= position && !frame.is_marker);
    below.map(|frame| frame.next_offset).max().unwrap_or(segment.base)
}
