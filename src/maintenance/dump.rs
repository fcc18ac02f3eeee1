use std::io::{self, Write};
use std::path::Path;

use super::frames::{Frames, Whole, map_of};
use crate::format::{INDEX_HEADER_LEN, IndexHeader, Layout, RecordHeader};
use crate::index::SealedIndex;
use crate::sys::Map;
use crate::{Control, Error, Result, Timestamp};

/// Writes every frame of a segment file (`.log`) or of a file in the subfolder `quarantine`, or
/// every entry of an index file (`.idx`), to `out`, one line each, with positions in bytes and with
/// checksums, and goes on behind damage.
///
/// The call takes no lock: for a segment that is being written to, it shows the frames that are
/// there at the moment. Positions in what was cut out of a segment are those in that segment, which
/// has to be in the log or in the quarantine.
///
/// # Errors
///
/// [`Error::Corrupt`] or [`Error::Version`] if the segment's header, or an index file's table of
/// checksums, is not readable; [`Error::Io`], also if writing to `out` fails.
pub fn dump(path: impl AsRef<Path>, out: &mut dyn Write) -> Result<()> {
    let path = path.as_ref();
    let is_index = path.extension().is_some_and(|extension| extension == "idx");
    let written = if is_index {
        dump_index(path, map_of(path)?, out)?
    } else {
        SegmentDump {
            frames: Frames::open(path)?,
        }
        .run(out)
    };
    written.map_err(|source| Error::Io {
        operation: "write the dump of",
        path: path.to_path_buf(),
        source,
    })
}

struct SegmentDump {
    frames: Frames,
}

impl SegmentDump {
    fn run(mut self, out: &mut dyn Write) -> io::Result<()> {
        self.write_header(out)?;
        let content_end = self.frames.content_end();
        let end = self.frames.end();
        let mut at = self.frames.start();
        let mut damaged_from = None;
        while at < end {
            match self.frames.at(at) {
                Some(found) => {
                    if let Some(from) = damaged_from.take() {
                        writeln!(out, "{from} {} bytes that are not frames", at - from)?;
                    }
                    writeln!(out, "{at} {}", self.line(at, &found))?;
                    at += found.len();
                }
                None if at >= content_end => {
                    if let Some(from) = damaged_from.take() {
                        writeln!(out, "{from} {} bytes that are not frames", at - from)?;
                    }
                    return writeln!(out, "{at} {} bytes of reserved space", end - at);
                }
                None => {
                    damaged_from.get_or_insert(at);
                    at += 1;
                }
            }
        }
        match damaged_from {
            Some(from) => writeln!(out, "{from} {} bytes that are not frames", end - from),
            None => Ok(()),
        }
    }

    fn write_header(&self, out: &mut dyn Write) -> io::Result<()> {
        let header = self.frames.header();
        if self.frames.is_cut() {
            return writeln!(
                out,
                "{} what was cut out of segment base {} epoch {}",
                self.frames.start(),
                header.base,
                header.epoch
            );
        }
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
        )
    }

    /// Describes the frame at `at`.
    fn line(&mut self, at: u64, found: &Whole) -> String {
        match found {
            Whole::Batch(batch, offset, producer) => {
                let what = if batch.is_marker() { "marker" } else { "batch" };
                let producer = producer.map_or_else(String::new, |(id, sequence)| {
                    format!(", sequence {sequence} of producer {id}")
                });
                format!(
                    "{what} of {} records, {} bytes, first offset {offset}, durable below {}, \
                     checksum {:08x}{producer}",
                    batch.count, batch.len, batch.frontier, batch.checksum
                )
            }
            Whole::Record(record, layout, offset) => self.record_line(at, record, layout, *offset),
        }
    }

    fn record_line(&mut self, at: u64, record: &RecordHeader, layout: &Layout, offset: u64) -> String {
        let size = |range: Option<std::ops::Range<usize>>| match range {
            Some(range) => format!("{} bytes", range.len()),
            None => "none".to_owned(),
        };
        let alone = record.kind.frontier().map_or_else(String::new, |frontier| {
            format!(", alone, durable below {frontier}")
        });
        let frame = self.frames.bytes(at, record.len as usize).unwrap_or_default();
        let control = record.control.then(|| {
            let content = layout.value.clone().and_then(|range| frame.get(range));
            control_text(content.and_then(Control::of_content))
        });
        format!(
            "{}record offset {offset}, {} bytes, time {}, key {}, value {}, headers {} bytes, checksum {:08x}{alone}{}",
            if record.control { "control " } else { "" },
            record.len,
            Timestamp::from_micros(record.time),
            size(layout.key.clone()),
            size(layout.value.clone()),
            layout.headers.len(),
            record.checksum,
            control.unwrap_or_default(),
        )
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
