//! Reading messages from a segment.

use bytes::Bytes;

use super::gather::Gather;
use super::read_fault::ReadFault;
use super::segment_ref::SegmentSnapshot;
use crate::Message;
use crate::format::{
    Frame, LONE_HEADER_LEN, Layout, RECORD_HEADER_LEN, RecordHeader, decode_lone_message, is_intact,
};
use crate::sys::Map;

/// Bytes of a record that are fetched at once, before its head says how long it is.
const FETCH_LEN: u64 = 192;

/// Bytes that one batch of messages may take, unless a single one is larger.
pub(crate) const READ_LEN_MAX: u32 = 8 << 20;

impl SegmentSnapshot<'_> {
    /// Reads the head of the record at `position`, unverified.
    #[inline]
    fn header_at(&self, map: &Map, position: u32) -> Option<RecordHeader> {
        // Bytes behind the end must not be touched, because they may be cut off at any time; and a
        // record at the very end may be shorter than the head of a lone record.
        let room = self.end().checked_sub(position)?;
        let at = u64::from(position);
        let parsed = if room as usize >= LONE_HEADER_LEN {
            Frame::parse(&map.array::<LONE_HEADER_LEN>(at)?)
        } else {
            Frame::parse(&map.array::<RECORD_HEADER_LEN>(at)?)
        };
        match parsed? {
            Frame::Record(header) if header.len <= room => Some(header),
            _ => None,
        }
    }

    /// Reads the time of the message at `position`, unverified; the earliest time there is for a
    /// record that is not a message.
    pub(super) fn message_time_at(&self, position: u32) -> Option<i64> {
        self.map()
            .array(u64::from(position))
            .map(|head| RecordHeader::message_time(&head))
    }

    /// The time of a message, and whether it is that of the log's clock at publishing, unverified;
    /// `None` for a record that is not a message.
    pub(crate) fn clock_of(&self, ordinal: u32) -> Result<Option<(i64, bool)>, ReadFault> {
        let head = self.map().array(u64::from(self.position(ordinal)?));
        // A time that cannot be read is no time of the past.
        Ok(head.map_or(Some((i64::MAX, false)), |head| RecordHeader::clock_of(&head)))
    }

    /// Whether a record to which the index has led has this key. After yes the record may be
    /// damaged and still has to be read; after no it has been verified.
    pub(crate) fn has_key(&self, ordinal: u32, key: &[u8]) -> Result<bool, ReadFault> {
        let position = self.position(ordinal)?;
        self.map().prefetch(u64::from(position), FETCH_LEN);
        let looks_the_same = self.header_at(self.map(), position).is_none_or(|header| {
            header.key.is_some_and(|len| len as usize == key.len())
                && self
                    .map()
                    .equals(u64::from(position) + Layout::key_start(&header) as u64, key)
        });
        if looks_the_same {
            return Ok(true);
        }
        // This is another key with the same hash, which is rare, or a damaged key, or one that
        // could not be read just now.
        match self.message(ordinal, self.offset(ordinal)?) {
            Err(ReadFault::Record { .. }) => Ok(true),
            read => read.map(|message| message.is_some_and(|found| found.key.as_deref() == Some(key))),
        }
    }

    /// Verifies one record.
    pub(crate) fn verify(&self, ordinal: u32) -> Result<(), ReadFault> {
        self.message(ordinal, self.offset(ordinal)?).map(drop)
    }

    /// Reads one record and verifies it; `None` for a record that is not a message.
    #[inline]
    pub(crate) fn message(&self, ordinal: u32, offset: u64) -> Result<Option<Message>, ReadFault> {
        let position = self.position(ordinal)?;
        let damaged = ReadFault::Record {
            position: u64::from(position),
            offset,
        };
        self.map().prefetch(u64::from(position), FETCH_LEN);
        let Some(header) = self.header_at(self.map(), position) else {
            return Err(damaged);
        };
        let Some(shared) = self.shared_frame(u64::from(position), header.len as usize) else {
            return Err(damaged);
        };
        let seed = self.seeds().record(offset);
        match decode_lone_message(shared, &header, offset, seed) {
            Some(message) => Ok((!header.control).then_some(message)),
            None => Err(damaged),
        }
    }

    /// A copy of the bytes of one record, for its message to share. A short one is in one piece of
    /// memory with the count of those who share it.
    #[inline]
    fn shared_frame(&self, position: u64, len: usize) -> Option<Bytes> {
        match len {
            0..=64 => return self.short_frame::<64>(position, len),
            65..=224 => return self.short_frame::<224>(position, len),
            _ => {}
        }
        let mut frame = Vec::with_capacity(len);
        let map = self.map().for_len(len as u64);
        map.append_to(position, len, &mut frame)?;
        Some(Bytes::from(frame))
    }

    #[inline]
    fn short_frame<const LEN_MAX: usize>(&self, position: u64, len: usize) -> Option<Bytes> {
        let mut short = Short {
            bytes: [0; LEN_MAX],
            len,
        };
        self.map().load(position, short.bytes.get_mut(..len)?)?;
        Some(Bytes::from_owner(short))
    }

    /// Reads the bytes of one record, for a caller that goes through the segment in order, and
    /// verifies them.
    pub(crate) fn frame(&self, ordinal: u32, offset: u64, into: &mut Vec<u8>) -> Result<(), ReadFault> {
        let (map, position) = (self.map().in_order(), self.position_in_order(ordinal)?);
        let damaged = ReadFault::Record {
            position: u64::from(position),
            offset,
        };
        let Some(header) = self.header_at(map, position) else {
            return Err(damaged);
        };
        into.clear();
        let copied = map.append_to(u64::from(position), header.len as usize, into);
        let seed = self.seeds().record(offset);
        if copied.is_none() || !is_intact(&header, into, seed) || Layout::of(&header, into).is_none() {
            return Err(damaged);
        }
        Ok(())
    }

    /// Reads the key of one record as [`frame`](SegmentSnapshot::frame) reads the record; `frame`
    /// receives the record's bytes.
    pub(crate) fn key_of<'f>(
        &self,
        ordinal: u32,
        offset: u64,
        frame: &'f mut Vec<u8>,
    ) -> Result<Option<&'f [u8]>, ReadFault> {
        self.frame(ordinal, offset, frame)?;
        let Some(Frame::Record(header)) = Frame::parse(frame) else {
            return Ok(None);
        };
        let key = Layout::of(&header, frame).and_then(|layout| layout.key);
        Ok(key.filter(|_| !header.control).and_then(|range| frame.get(range)))
    }

    /// Reads up to `count` messages from `ordinal` on, and at least one if there is one, into one
    /// shared piece of memory, and verifies them. Returns the ordinal at which to go on; it is that
    /// of a damaged record, if messages were read in front of that record.
    pub(crate) fn messages(
        &self,
        ordinal: u32,
        count: u32,
        into: &mut impl Gather,
    ) -> Result<u32, ReadFault> {
        let end = self.end_of_messages(ordinal, count)?;
        self.gather(ordinal, end, into)
    }

    /// Reads up to `count` records from `ordinal` on in the same way, control records too.
    pub(crate) fn records(&self, ordinal: u32, count: u32, into: &mut impl Gather) -> Result<u32, ReadFault> {
        self.gather(ordinal, ordinal.saturating_add(count).min(self.count()), into)
    }

    /// Reads the records from `ordinal` on, up to `end` (exclusive).
    fn gather(&self, ordinal: u32, end: u32, into: &mut impl Gather) -> Result<u32, ReadFault> {
        let start = self.position_in_order(ordinal)?;
        let end_ordinal = self.end_within(ordinal, end, start)?;
        let end = self.position_in_order(end_ordinal)?;
        let first = self.offset(ordinal)?;
        let damaged = |at: usize, offset| ReadFault::Record {
            position: u64::from(start) + at as u64,
            offset,
        };
        let mut bytes = into.memory();
        let len = end.checked_sub(start).ok_or(damaged(0, first))? as usize;
        let map = self.map().in_order();
        if map.append_to(u64::from(start), len, &mut bytes).is_none() {
            return Err(damaged(0, first));
        }
        into.begin(bytes, (end_ordinal - ordinal) as usize);
        let (seeds, dense) = (self.seeds(), self.is_dense());
        let mut at = 0;
        let mut offset = first;
        for ordinal in ordinal..end_ordinal {
            if !dense {
                offset = self.offset(ordinal)?;
            }
            let header = loop {
                match into.bytes().get(at..).and_then(Frame::parse) {
                    Some(Frame::Record(header)) => break Some(header),
                    Some(Frame::Batch(batch)) => at += batch.header_len(),
                    None => break None,
                }
            };
            let frame = |header: &RecordHeader| at..at + header.len as usize;
            let taken = header.and_then(|header| {
                into.take(frame(&header), &header, offset, seeds.record(offset))
                    .map(|()| header)
            });
            let Some(header) = taken else {
                return if into.is_empty() {
                    Err(damaged(at, offset))
                } else {
                    Ok(ordinal)
                };
            };
            at += header.len as usize;
            offset += 1;
        }
        Ok(end_ordinal)
    }

    /// The largest ordinal up to `end`, but at least one more than `ordinal`, that keeps a read
    /// from `start` on within [`READ_LEN_MAX`].
    fn end_within(&self, ordinal: u32, end: u32, start: u32) -> Result<u32, ReadFault> {
        if self.position_in_order(end)?.saturating_sub(start) <= READ_LEN_MAX {
            return Ok(end);
        }
        let (mut low, mut high) = (ordinal + 1, end);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if self.position(middle)?.saturating_sub(start) <= READ_LEN_MAX {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        Ok(low)
    }
}

/// The bytes of a short record.
struct Short<const LEN_MAX: usize> {
    bytes: [u8; LEN_MAX],
    len: usize,
}

impl<const LEN_MAX: usize> AsRef<[u8]> for Short<LEN_MAX> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
