use std::io::{self, Write};
use std::path::Path;

use crate::directory::header_error;
use crate::format::{
    BATCH_HEADER_LEN_MAX, Frame, FrameSeeds, INDEX_HEADER_LEN, IndexHeader, Layout, RecordHeader,
    SEGMENT_HEADER_LEN, SegmentHeader, is_intact,
};
use crate::index::SealedIndex;
use crate::segment::CopyBuffer;
use crate::sys::{Map, Open, Os, Storage};
use crate::{Control, Error, Result, Timestamp};

/// Writes every frame of a segment file (`.log`), or every entry of an index file (`.idx`), to
/// `out`, one line each, with positions in bytes and with checksums, and goes on behind damage.
///
/// The call takes no lock: for a segment that is being written to, it shows the frames that are
/// there at the moment.
///
/// # Errors
///
/// [`Error::Corrupt`] or [`Error::Version`] if the file's header, or an index file's table of
/// checksums, is not readable; [`Error::Io`], also if writing to `out` fails.
pub fn dump(path: impl AsRef<Path>, out: &mut dyn Write) -> Result<()> {
    let path = path.as_ref();
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or(Error::Invalid("a file to be dumped has a name of valid UTF-8"))?;
    let file = Os
        .open_dir(parent.unwrap_or(Path::new(".")))?
        .open(name, Open::Read)?;
    let map = match file.len()? {
        0 => Map::from_bytes(Vec::new()),
        len => file.map(len, false)?,
    };
    let is_index = path.extension().is_some_and(|extension| extension == "idx");
    let written = if is_index {
        dump_index(path, map, out)
    } else {
        dump_segment(path, &map, out)
    };
    written?.map_err(|source| Error::Io {
        operation: "write the dump of",
        path: path.to_path_buf(),
        source,
    })
}

fn dump_segment(path: &Path, map: &Map, out: &mut dyn Write) -> Result<io::Result<()>> {
    let mut head = vec![0; map.len().min(SEGMENT_HEADER_LEN) as usize];
    let _ = map.load(0, &mut head);
    let header = SegmentHeader::decode(&head).map_err(|defect| header_error(path, defect))?;
    Ok(SegmentDump {
        map,
        seeds: FrameSeeds::new(header.salt),
        offset: header.base,
        tries_len: map.len().saturating_mul(8).max(16 << 20),
        buffer: CopyBuffer::default(),
    }
    .run(&header, out))
}

struct SegmentDump<'a> {
    map: &'a Map,
    seeds: FrameSeeds,
    /// The offset of the next record, as far as it is known.
    offset: u64,
    /// Bytes that may still be checksummed in vain while offsets are tried. This keeps the work in
    /// proportion to the file's size.
    tries_len: u64,
    buffer: CopyBuffer,
}

impl SegmentDump<'_> {
    fn run(&mut self, header: &SegmentHeader, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "0 segment base {} epoch {} generation {}",
            header.base,
            header.epoch,
            header.generation()
        )?;
        if let Some(previous) = header.previous {
            writeln!(
                out,
                "  follows {} of {} bytes with last checksum {:08x}",
                previous.base, previous.len, previous.last_checksum
            )?;
        }
        let control = &header.control;
        writeln!(
            out,
            "  begins with token {:?}, {}, last time {}, trimmed by control to {}",
            control.token.as_str(),
            if control.is_sealed { "sealed" } else { "not sealed" },
            Timestamp::from_micros(control.last_time),
            control.trim_to
        )?;
        let content_end = self.content_end();
        let mut at = SEGMENT_HEADER_LEN;
        let mut damaged_from = None;
        while at < self.map.len() {
            match self.frame(at, header) {
                Some((line, len)) => {
                    if let Some(from) = damaged_from.take() {
                        writeln!(out, "{from} {} bytes that are not frames", at - from)?;
                    }
                    writeln!(out, "{at} {line}")?;
                    at += len;
                }
                None if at >= content_end => {
                    if let Some(from) = damaged_from.take() {
                        writeln!(out, "{from} {} bytes that are not frames", at - from)?;
                    }
                    return writeln!(out, "{at} {} bytes of reserved space", self.map.len() - at);
                }
                None => {
                    damaged_from.get_or_insert(at);
                    at += 1;
                }
            }
        }
        match damaged_from {
            Some(from) => writeln!(out, "{from} {} bytes that are not frames", self.map.len() - from),
            None => Ok(()),
        }
    }

    /// Describes the intact frame at `at`; also returns the number of bytes to the next frame.
    fn frame(&mut self, at: u64, header: &SegmentHeader) -> Option<(String, u64)> {
        let head = self
            .buffer
            .get_up_to(self.map, at, BATCH_HEADER_LEN_MAX, u64::MAX)?;
        match Frame::parse(head)? {
            Frame::Batch(batch) => {
                if !batch.is_intact(head, self.seeds.batch(at)) {
                    return None;
                }
                self.offset = header.base.saturating_add(u64::from(batch.first));
                let what = if batch.is_marker() { "marker" } else { "batch" };
                let producer = batch.producer(head).map_or_else(String::new, |(id, sequence)| {
                    format!(", sequence {sequence} of producer {id}")
                });
                let line = format!(
                    "{what} of {} records, {} bytes, first offset {}, durable below {}, checksum {:08x}{producer}",
                    batch.count, batch.len, self.offset, batch.frontier, batch.checksum
                );
                Some((line, batch.header_len() as u64))
            }
            Frame::Record(record) => self.record(at, &record),
        }
    }

    fn record(&mut self, at: u64, record: &RecordHeader) -> Option<(String, u64)> {
        let frame = self.buffer.get(self.map, at, record.len as usize, u64::MAX)?;
        let layout = Layout::of(record, frame)?;
        // After damage the offset may be too low; the next marker or batch header corrects it.
        let tried = (self.tries_len / u64::from(record.len).max(1)).clamp(1, OFFSETS_TRIED);
        let offset = (self.offset..self.offset.saturating_add(tried))
            .find(|offset| is_intact(record, frame, self.seeds.record(*offset)));
        let Some(offset) = offset else {
            self.tries_len = self.tries_len.saturating_sub(tried * u64::from(record.len));
            return None;
        };
        let size = |range: Option<std::ops::Range<usize>>| match range {
            Some(range) => format!("{} bytes", range.len()),
            None => "none".to_owned(),
        };
        let alone = record.kind.frontier().map_or_else(String::new, |frontier| {
            format!(", alone, durable below {frontier}")
        });
        let control = record.control.then(|| {
            let content = layout.value.clone().and_then(|range| frame.get(range));
            control_text(content.and_then(Control::of_content))
        });
        let line = format!(
            "{}record offset {offset}, {} bytes, time {}, key {}, value {}, headers {} bytes, checksum {:08x}{alone}{}",
            if record.control { "control " } else { "" },
            record.len,
            Timestamp::from_micros(record.time),
            size(layout.key),
            size(layout.value),
            layout.headers.len(),
            record.checksum,
            control.unwrap_or_default(),
        );
        self.offset = offset.saturating_add(1);
        Some((line, u64::from(record.len)))
    }

    /// One past the last byte that is not zero.
    fn content_end(&mut self) -> u64 {
        let (mut at, mut end) = (0, 0);
        while let Some(bytes) = self.buffer.get_up_to(self.map, at, 4096, u64::MAX) {
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                end = at + last as u64 + 1;
            }
            if bytes.is_empty() {
                break;
            }
            at += bytes.len() as u64;
        }
        end
    }
}

/// What a control record does.
fn control_text(control: Option<Control>) -> String {
    match control {
        Some(Control::Fence(token)) => format!(", fence {:?}", token.as_str()),
        Some(Control::Trim(before)) => format!(", trim to {before}"),
        Some(Control::Seal) => ", seal".to_owned(),
        Some(Control::Unseal) => ", unseal".to_owned(),
        None => ", unknown to this version".to_owned(),
    }
}

/// The number of offsets, from the expected one on, that are tried for a record that follows
/// damage.
const OFFSETS_TRIED: u64 = 1024;

fn dump_index(path: &Path, map: Map, out: &mut dyn Write) -> Result<io::Result<()>> {
    let damaged = || crate::directory::corrupt(path, 0, None, crate::Corruption::Index);
    let head: [u8; INDEX_HEADER_LEN] = map.array(0).ok_or_else(damaged)?;
    let header = IndexHeader::decode(&head, map.len()).map_err(|_| damaged())?;
    let index = SealedIndex::open(map, &header.binding, header.kinds).map_err(|_| damaged())?;
    Ok(write_index_lines(&header, &index, out))
}

fn write_index_lines(header: &IndexHeader, index: &SealedIndex, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "index of segment {} of {} bytes, generation {}, last checksum {:08x}: {} records, offsets below {}, keys {}, \
         times {}",
        header.binding.base,
        header.binding.segment_len,
        header.binding.generation,
        header.binding.last_checksum,
        header.count,
        header.end,
        header.kinds.key,
        header.kinds.time,
    )?;
    for ordinal in 0..index.count() {
        match index
            .offset(ordinal)
            .and_then(|offset| Ok((offset, index.position(ordinal)?)))
        {
            Ok((offset, position)) => {
                let messages = |ordinal| index.messages_before(ordinal);
                let is_control =
                    matches!((messages(ordinal), messages(ordinal + 1)), (Ok(a), Ok(b)) if a == b);
                let what = if is_control { ", a control record" } else { "" };
                writeln!(out, "{ordinal} offset {offset} position {position}{what}")?;
            }
            Err(defect) => writeln!(out, "{ordinal} {defect}")?,
        }
    }
    match index.verify_all() {
        Ok(()) => writeln!(out, "all checksums are right"),
        Err(defect) => writeln!(out, "{defect}"),
    }
}
