//! The whole frames of a segment's file, or of what recovery has cut out of one.

use std::path::Path;

use crate::directory::{corrupt, header_error};
use crate::format::{
    BATCH_HEADER_LEN_MAX, BatchHeader, FileName, Frame, FrameSeeds, Layout, RECORD_HEADER_LEN, RecordHeader,
    SEGMENT_HEADER_LEN, SegmentHeader, is_intact,
};
use crate::segment::CopyBuffer;
use crate::sys::{Map, Open, Os, Storage};
use crate::{Corruption, Error, Result};

/// The number of offsets, from the expected one on, that are tried for a record that follows
/// damage.
const OFFSETS_TRIED: u64 = 1024;

/// Frames of a segment, found one position at a time.
pub(super) struct Frames {
    map: Map,
    /// The position in the segment of the first byte of `map`.
    begin: u64,
    header: SegmentHeader,
    seeds: FrameSeeds,
    /// The offset of the next record, as far as it is known.
    offset: u64,
    /// How many offsets are tried for a record: in front of the first one, any number is missing.
    offsets_tried: u64,
    /// Bytes that may still be checksummed in vain while offsets are tried. This keeps the work in
    /// proportion to the file's size.
    tries_len: u64,
    buffer: CopyBuffer,
}

/// A whole frame.
pub(super) enum Whole {
    /// A batch header with the offset of its first record, and the id and sequence of its producer.
    Batch(BatchHeader, u64, Option<(u64, u64)>),
    /// A record with its parts and its offset.
    Record(RecordHeader, Layout, u64),
}

impl Whole {
    /// The bytes to the next frame.
    pub(super) fn len(&self) -> u64 {
        match self {
            Whole::Batch(batch, ..) => batch.header_len() as u64,
            Whole::Record(record, ..) => u64::from(record.len),
        }
    }
}

impl Frames {
    /// Opens a segment's file, or a file of the quarantine.
    pub(super) fn open(path: &Path) -> Result<Frames> {
        let map = map_of(path)?;
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some((base, begin)) = name.and_then(cut_from) {
            return Ok(Frames::new(map, begin, header_of_cut(path, base)?));
        }
        let header = header_of(&map).map_err(|defect| header_error(path, defect))?;
        Ok(Frames::new(map, 0, header))
    }

    fn new(map: Map, begin: u64, header: SegmentHeader) -> Frames {
        Frames {
            begin,
            seeds: FrameSeeds::new(header.salt),
            offset: header.base,
            offsets_tried: OFFSETS_TRIED.max(begin / RECORD_HEADER_LEN as u64),
            tries_len: map.len().saturating_mul(8).max(16 << 20),
            buffer: CopyBuffer::default(),
            map,
            header,
        }
    }

    pub(super) fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// Whether this was cut out of a segment.
    pub(super) fn is_cut(&self) -> bool {
        self.begin > 0
    }

    /// The position in the segment at which frames may begin.
    pub(super) fn start(&self) -> u64 {
        self.begin.max(SEGMENT_HEADER_LEN)
    }

    /// The position in the segment at which the file ends.
    pub(super) fn end(&self) -> u64 {
        self.begin.saturating_add(self.map.len())
    }

    /// The intact frame at this position of the segment.
    pub(super) fn at(&mut self, position: u64) -> Option<Whole> {
        let at = position.checked_sub(self.begin)?;
        let head = self
            .buffer
            .get_up_to(&self.map, at, BATCH_HEADER_LEN_MAX, u64::MAX)?;
        match Frame::parse(head)? {
            Frame::Batch(batch) => {
                if !batch.is_intact(head, self.seeds.batch(position)) {
                    return None;
                }
                self.offset = self.header.base.saturating_add(u64::from(batch.first));
                self.offsets_tried = OFFSETS_TRIED;
                Some(Whole::Batch(batch, self.offset, batch.producer(head)))
            }
            Frame::Record(record) => self.record(at, record),
        }
    }

    fn record(&mut self, at: u64, record: RecordHeader) -> Option<Whole> {
        let frame = self.buffer.get(&self.map, at, record.len as usize, u64::MAX)?;
        let layout = Layout::of(&record, frame)?;
        // After damage the offset may be too low; the next marker or batch header corrects it.
        let tried = (self.tries_len / u64::from(record.len).max(1)).clamp(1, self.offsets_tried);
        let offset = (self.offset..self.offset.saturating_add(tried))
            .find(|offset| is_intact(&record, frame, self.seeds.record(*offset)));
        let Some(offset) = offset else {
            self.tries_len = self.tries_len.saturating_sub(tried * u64::from(record.len));
            return None;
        };
        self.offset = offset.saturating_add(1);
        self.offsets_tried = OFFSETS_TRIED;
        Some(Whole::Record(record, layout, offset))
    }

    /// The seed of the checksum of a record.
    pub(super) fn seed(&self, offset: u64) -> u32 {
        self.seeds.record(offset)
    }

    /// The bytes at this position of the segment.
    pub(super) fn bytes(&mut self, position: u64, len: usize) -> Option<&[u8]> {
        let at = position.checked_sub(self.begin)?;
        self.buffer.get(&self.map, at, len, u64::MAX)
    }

    /// The position behind the last byte that is not zero.
    pub(super) fn content_end(&mut self) -> u64 {
        let (mut at, mut end) = (0, 0);
        while let Some(bytes) = self.buffer.get_up_to(&self.map, at, 4096, u64::MAX) {
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                end = at + last as u64 + 1;
            }
            if bytes.is_empty() {
                break;
            }
            at += bytes.len() as u64;
        }
        self.begin.saturating_add(end)
    }
}

/// Maps a whole file, for reading.
pub(super) fn map_of(path: &Path) -> Result<Map> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or(Error::Invalid("a file of a log has a name of valid UTF-8"))?;
    let file = Os.open_dir(folder_of(path))?.open(name, Open::Read)?;
    match file.len()? {
        0 => Ok(Map::from_bytes(Vec::new())),
        len => file.map(len),
    }
}

fn folder_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// The base of the segment that a file of the quarantine was cut from, and where the cut begins:
/// `<base>.<position>.cut` or `.tail`, perhaps with a number behind. `None` for other names.
fn cut_from(name: &str) -> Option<(u64, u64)> {
    let mut parts = name.split('.');
    let (base, position, ending) = (parts.next()?, parts.next()?, parts.next()?);
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_known = ["cut", "tail"].contains(&ending) && parts.next().is_none_or(is_number);
    if !is_known || base.len() != 20 || !is_number(base) || !is_number(position) {
        return None;
    }
    let position: u64 = position.parse().ok()?;
    (position >= SEGMENT_HEADER_LEN).then_some((base.parse().ok()?, position))
}

fn header_of(map: &Map) -> std::result::Result<SegmentHeader, crate::format::HeaderDefect> {
    let mut head = vec![0; map.len().min(SEGMENT_HEADER_LEN) as usize];
    let _ = map.load(0, &mut head);
    SegmentHeader::decode(&head)
}

/// The header of the segment that a file was cut from, without which no checksum can be verified.
/// The segment is in the log, or was moved to the quarantine later.
fn header_of_cut(path: &Path, base: u64) -> Result<SegmentHeader> {
    let folder = folder_of(path);
    let name = FileName::Segment(base).to_string();
    let in_log = folder.join("..").join(&name);
    for segment in [&in_log, &folder.join(&name)] {
        let header = map_of(segment).map(|map| header_of(&map));
        if let Ok(Ok(header)) = header
            && header.base == base
        {
            return Ok(header);
        }
    }
    Err(corrupt(&in_log, 0, Some(base), Corruption::Missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_known_by_its_name() {
        let base = "00000000000000000007";
        for (ending, expected) in [
            (".4096.cut", Some((7, 4096))),
            (".192.tail", Some((7, 192))),
            (".4096.cut.1", Some((7, 4096))),
            (".log", None),
            (".log.1", None),
            (".1.cut", None),
            (".4096.cut.x", None),
            (".4096.tmp", None),
        ] {
            assert_eq!(cut_from(&format!("{base}{ending}")), expected, "{ending}");
        }
        assert_eq!(cut_from("7.4096.cut"), None);
    }
}
