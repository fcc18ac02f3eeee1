//! The bytes of klevdb's files.
//!
//! A segment of format V1 is nothing but records. One of format V2 begins with `ff 6b 6c 65 76 73`,
//! the version 1 and a zero. The fields of a record:
//!
//! | V1 | V2 | field |
//! |---:|---:|---|
//! | | 0 | CRC-32C of everything behind it (4) |
//! | 0 | 4 | offset (8) |
//! | 8 | 12 | time, microseconds since the Unix epoch, signed (8) |
//! | 16 | 20 | length of the key (4) |
//! | 20 | 24 | length of the value (4) |
//! | 24 | | CRC-32C of key and value alone (4) |
//! | 28 | 28 | key, value |
//! | | | `de ad be ef fe ed fa ce` |
//!
//! An index has an item for each record: offset (8), position (8), with times the latest time so
//! far (8), with keys the hash of the key (8). In format V2 it begins with `ff 6b 6c 65 76 69`, the
//! version 1, and a byte with bit 0 for times and bit 1 for keys.

use std::io::{self, Read};

use super::Kinds;

/// Bytes in front of the records of a segment, or the items of an index, of format V2.
pub(crate) const HEADER_LEN: usize = 8;
/// Bytes of a record in front of its key.
pub(crate) const HEAD_LEN: usize = 28;
/// Key and value together have at most so many bytes.
pub(crate) const BODY_LEN_MAX: u64 = 64 << 20;
/// The largest offset.
pub(crate) const OFFSET_MAX: u64 = i64::MAX.cast_unsigned();

const SEGMENT_MAGIC: [u8; 6] = *b"\xffklevs";
const INDEX_MAGIC: [u8; 6] = *b"\xffklevi";
const MARKER: u8 = 1;
const TRAILER: [u8; 8] = 0xdead_beef_feed_face_u64.to_be_bytes();
const TIMES: u8 = 1;
const KEYS: u8 = 1 << 1;

/// The format of a segment and of its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Version {
    V1,
    V2,
}

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) offset: u64,
    pub(crate) time: i64,
    pub(crate) key_len: usize,
    pub(crate) value_len: usize,
    checksum: u32,
}

/// An item of an index; what the index does not have is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) offset: u64,
    pub(crate) position: u64,
    pub(crate) time: i64,
    pub(crate) key_hash: u64,
}

/// What the first bytes of a file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Known(Version),
    /// A format of a later klevdb.
    Unknown(u8),
    Damaged,
}

impl Head {
    /// Bytes of the key and the value.
    pub(crate) fn body_len(&self) -> u64 {
        self.key_len as u64 + self.value_len as u64
    }

    fn is_too_large(&self) -> bool {
        self.body_len() > BODY_LEN_MAX
    }

    /// Whether `body`, in format V1, reads the key and the value that were written.
    pub(crate) fn is_sum_of(&self, body: &mut impl Read) -> io::Result<bool> {
        let mut buffer = vec![0; 256 << 10];
        let mut sum = 0;
        loop {
            match body.read(&mut buffer)? {
                0 => return Ok(sum == self.checksum),
                len => sum = crc32c::crc32c_append(sum, &buffer[..len]),
            }
        }
    }
}

impl Version {
    /// The format of the segment that begins with these bytes, and whose name is `base`. One of
    /// format V1 has no header: it begins with its own name. So nothing that is damaged is taken
    /// for it, but for zeros, which a power cut leaves in a segment of any format: of V1, no record
    /// begins with them.
    pub(crate) fn of_segment(header: [u8; HEADER_LEN], base: u64) -> Start {
        let (version, rest) = (header[6], header[7]);
        if !header.starts_with(&SEGMENT_MAGIC) {
            let is_zero = header == [0; HEADER_LEN];
            return if is_zero || u64::from_be_bytes(header) == base {
                Start::Known(Version::V1)
            } else {
                Start::Damaged
            };
        }
        match (version, rest) {
            (MARKER, 0) => Start::Known(Version::V2),
            (later, 0) if later > MARKER => Start::Unknown(later),
            _ => Start::Damaged,
        }
    }

    /// The format of the index that begins with these bytes, and the indexes that it has, if it
    /// says that; `None` if it is no index.
    pub(crate) fn of_index(header: [u8; HEADER_LEN], base: u64) -> Option<(Version, Option<Kinds>)> {
        if !header.starts_with(&INDEX_MAGIC) {
            return (u64::from_be_bytes(header) == base).then_some((Version::V1, None));
        }
        let flags = header[7];
        if header[6] != MARKER || flags & !(TIMES | KEYS) != 0 {
            return None;
        }
        let kinds = Kinds {
            times: flags & TIMES != 0,
            keys: flags & KEYS != 0,
        };
        Some((Version::V2, Some(kinds)))
    }

    /// What a segment begins with.
    pub(crate) fn segment_header(self) -> Vec<u8> {
        match self {
            Version::V1 => Vec::new(),
            Version::V2 => [&SEGMENT_MAGIC[..], &[MARKER, 0]].concat(),
        }
    }

    /// What an index begins with.
    pub(crate) fn index_header(self, kinds: Kinds) -> Vec<u8> {
        let flag = |on: bool, flag: u8| if on { flag } else { 0 };
        let flags = flag(kinds.times, TIMES) | flag(kinds.keys, KEYS);
        match self {
            Version::V1 => Vec::new(),
            Version::V2 => [&INDEX_MAGIC[..], &[MARKER, flags]].concat(),
        }
    }

    /// Where the first record or item is.
    pub(crate) fn start(self) -> u64 {
        match self {
            Version::V1 => 0,
            Version::V2 => HEADER_LEN as u64,
        }
    }

    fn trailer(self) -> &'static [u8] {
        match self {
            Version::V1 => &[],
            Version::V2 => &TRAILER,
        }
    }

    /// Reads the head of a record; `None` if no record has such sizes, or such an offset. Zeros
    /// alone are no head, although in format V1 their checksum is right: a power cut leaves them.
    pub(crate) fn head(self, bytes: &[u8; HEAD_LEN]) -> Option<Head> {
        self.any_head(bytes).filter(|head| !head.is_too_large())
    }

    /// Reads the head of a record that is larger than any may be: when there was format V1 alone,
    /// klevdb had no limit.
    pub(crate) fn too_large_head(self, bytes: &[u8; HEAD_LEN]) -> Option<Head> {
        self.any_head(bytes)
            .filter(|head| self == Version::V1 && head.is_too_large())
    }

    fn any_head(self, bytes: &[u8; HEAD_LEN]) -> Option<Head> {
        if *bytes == [0; HEAD_LEN] {
            return None;
        }
        let (checksum_at, fields_at) = match self {
            Version::V1 => (24, 0),
            Version::V2 => (0, 4),
        };
        let fields = bytes.get(fields_at..)?;
        let word = |at: usize| fields.get(at..)?.first_chunk::<8>().copied();
        let half = |bytes: &[u8], at: usize| {
            let half = bytes.get(at..)?.first_chunk::<4>()?;
            Some(u32::from_be_bytes(*half))
        };
        let (key_len, value_len) = (half(fields, 16)?, half(fields, 20)?);
        let offset = u64::from_be_bytes(word(0)?);
        (offset <= OFFSET_MAX).then_some(Head {
            offset,
            time: i64::from_be_bytes(word(8)?),
            key_len: key_len as usize,
            value_len: value_len as usize,
            checksum: half(bytes, checksum_at)?,
        })
    }

    /// Bytes of the record behind its head.
    pub(crate) fn rest_len(self, head: &Head) -> usize {
        head.key_len + head.value_len + self.trailer().len()
    }

    /// Whether `rest` is what was written behind the head. In format V1 nothing tells whether the
    /// offset and the time are those that were written.
    pub(crate) fn is_intact(self, bytes: &[u8; HEAD_LEN], head: &Head, rest: &[u8]) -> bool {
        let sum = match self {
            Version::V1 => crc32c::crc32c(rest),
            Version::V2 => crc32c::crc32c_append(crc32c::crc32c(&bytes[4..]), rest),
        };
        sum == head.checksum && rest.ends_with(self.trailer())
    }

    /// Appends a record to `into`. The caller has compared the sizes with the limits.
    pub(crate) fn put_record(self, into: &mut Vec<u8>, offset: u64, time: i64, key: &[u8], value: &[u8]) {
        #[expect(clippy::cast_possible_truncation, reason = "at most 64 MiB")]
        let lens = [
            (key.len() as u32).to_be_bytes(),
            (value.len() as u32).to_be_bytes(),
        ];
        let fields = [offset.to_be_bytes(), time.to_be_bytes()];
        let start = into.len();
        if self == Version::V2 {
            into.extend_from_slice(&[0; 4]);
        }
        into.extend_from_slice(fields.as_flattened());
        into.extend_from_slice(lens.as_flattened());
        let checksum_at = match self {
            Version::V1 => into.len(),
            Version::V2 => start,
        };
        if self == Version::V1 {
            into.extend_from_slice(&[0; 4]);
        }
        into.extend_from_slice(key);
        into.extend_from_slice(value);
        into.extend_from_slice(self.trailer());
        let summed_from = match self {
            Version::V1 => start + HEAD_LEN,
            Version::V2 => start + 4,
        };
        let sum = crc32c::crc32c(&into[summed_from..]).to_be_bytes();
        into[checksum_at..checksum_at + 4].copy_from_slice(&sum);
    }
}

impl Kinds {
    /// Bytes of an item.
    pub(crate) fn item_len(self) -> usize {
        16 + 8 * (usize::from(self.times) + usize::from(self.keys))
    }

    /// Reads an item, which has as many bytes as it should.
    pub(crate) fn item(self, bytes: &[u8]) -> Item {
        let (words, _) = bytes.as_chunks::<8>();
        let mut words = words.iter().map(|word| u64::from_be_bytes(*word));
        let mut next = || words.next().unwrap_or_default();
        Item {
            offset: next(),
            position: next(),
            time: if self.times { next().cast_signed() } else { 0 },
            key_hash: if self.keys { next() } else { 0 },
        }
    }

    /// Appends an item to `into`.
    pub(crate) fn put_item(self, into: &mut Vec<u8>, item: &Item) {
        into.extend_from_slice(&item.offset.to_be_bytes());
        into.extend_from_slice(&item.position.to_be_bytes());
        if self.times {
            into.extend_from_slice(&item.time.to_be_bytes());
        }
        if self.keys {
            into.extend_from_slice(&item.key_hash.to_be_bytes());
        }
    }
}

/// The hash of a key in an index: FNV-1a of 64 bits.
pub(crate) fn key_hash(key: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    key.iter()
        .fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}
