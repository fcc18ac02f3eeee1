//! Directories of klevdb, written from its layout and from nothing else: what the tool reads and writes is compared
//! with these.

use std::fs;
use std::path::Path;

/// A message of klevdb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) offset: i64,
    pub(crate) time: i64,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl Record {
    pub(crate) fn new(offset: i64, time: i64, key: &str, value: &str) -> Record {
        Record {
            offset,
            time,
            key: key.into(),
            value: value.into(),
        }
    }
}

/// How a directory is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) version: u8,
    pub(crate) times: bool,
    pub(crate) keys: bool,
}

impl Layout {
    /// Both formats, with all combinations of indexes.
    pub(crate) fn all() -> impl Iterator<Item = Layout> {
        let of = |bits: u8| Layout {
            version: 1 + bits % 2,
            times: bits & 2 != 0,
            keys: bits & 4 != 0,
        };
        (0..8).map(of)
    }
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    !crc
}

/// FNV-1a of 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    let mut hash = 14_695_981_039_346_656_037_u64;
    for byte in bytes {
        hash ^= u64::from(*byte);
        hash = hash.wrapping_mul(1_099_511_628_211);
    }
    hash
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).expect("short").to_be_bytes()
}

/// The bytes of one record.
pub(crate) fn record(version: u8, record: &Record) -> Vec<u8> {
    let Record { key, value, .. } = record;
    let mut fields = Vec::new();
    fields.extend(record.offset.to_be_bytes());
    fields.extend(record.time.to_be_bytes());
    fields.extend(length(key));
    fields.extend(length(value));
    let body = [&key[..], value].concat();
    if version == 1 {
        return [&fields[..], &crc32c(&body).to_be_bytes(), &body].concat();
    }
    let rest = [&fields[..], &body, b"\xde\xad\xbe\xef\xfe\xed\xfa\xce"].concat();
    [&crc32c(&rest).to_be_bytes()[..], &rest].concat()
}

/// The bytes of a segment.
pub(crate) fn segment(version: u8, records: &[Record]) -> Vec<u8> {
    let mut bytes = if version == 1 {
        Vec::new()
    } else {
        b"\xffklevs\x01\x00".to_vec()
    };
    for each in records {
        bytes.extend(record(version, each));
    }
    bytes
}

/// The bytes of an index; `latest` is the latest time in the segment before, and then in this one.
pub(crate) fn index(layout: Layout, records: &[Record], latest: &mut i64) -> Vec<u8> {
    let flags = u8::from(layout.times) + 2 * u8::from(layout.keys);
    let mut bytes = match layout.version {
        1 => Vec::new(),
        _ => [&b"\xffklevi\x01"[..], &[flags]].concat(),
    };
    let mut position = if layout.version == 1 { 0 } else { 8 };
    for each in records {
        *latest = each.time.max(*latest);
        bytes.extend(each.offset.to_be_bytes());
        bytes.extend(i64::try_from(position).expect("small").to_be_bytes());
        if layout.times {
            bytes.extend(latest.to_be_bytes());
        }
        if layout.keys {
            bytes.extend(fnv(&each.key).to_be_bytes());
        }
        position += record(layout.version, each).len();
    }
    bytes
}

/// Writes a directory of these segments, each with the offset in its name. The index of each has its own times alone,
/// as klevdb derives it.
pub(crate) fn write(dir: &Path, layout: Layout, segments: &[(i64, Vec<Record>)]) {
    write_with(dir, layout, segments, false);
}

/// The same; if `carries`, an index begins with the latest time of the segment before, as in klevdb that publishes.
pub(crate) fn write_with(dir: &Path, layout: Layout, segments: &[(i64, Vec<Record>)], carries: bool) {
    fs::create_dir(dir).expect("a new directory");
    let mut latest = 0;
    for (base, records) in segments {
        latest = if carries { latest } else { 0 };
        let name = |ending: &str| dir.join(format!("{base:020}.{ending}"));
        fs::write(name("log"), segment(layout.version, records)).expect("written");
        fs::write(name("index"), index(layout, records, &mut latest)).expect("written");
    }
}

/// Cuts records into segments as klevdb does that publishes them one by one: a segment is left behind when it is
/// larger than `rollover`. With an offset in `end`, an empty segment keeps it.
pub(crate) fn rolled(
    version: u8,
    records: &[Record],
    rollover: usize,
    end: Option<i64>,
) -> Vec<(i64, Vec<Record>)> {
    let mut segments: Vec<(i64, Vec<Record>)> = Vec::new();
    for each in records {
        match segments.last_mut() {
            Some((_, last)) if segment(version, last).len() <= rollover => last.push(each.clone()),
            _ => segments.push((each.offset, vec![each.clone()])),
        }
    }
    segments.extend(end.map(|end| (end, Vec::new())));
    segments
}
