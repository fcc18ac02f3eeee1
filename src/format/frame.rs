//! Frames: what follows a segment's header.
//!
//! A publish is one batch. A batch of one message is a *lone record*; any other is a *batch header*
//! and its *records*. A batch header that counts no records is a *marker*: it says up to where the
//! log is durable, and is overwritten by the next batch.

use super::bytes::{u32_at, u64_at};

/// Bytes before the payload of a record behind a batch header.
pub(crate) const RECORD_HEADER_LEN: usize = 20;
/// Bytes before the payload of a lone record.
pub(crate) const LONE_HEADER_LEN: usize = 24;
/// Bytes of a batch header.
pub(crate) const BATCH_HEADER_LEN: usize = 20;
/// Bytes of a batch header that names the producer of the batch.
pub(crate) const BATCH_HEADER_LEN_MAX: usize = 36;
/// Where in a record its time is.
pub(crate) const TIME_AT: u64 = 8;
/// The largest frame of a record in bytes, header included.
pub(crate) const FRAME_LEN_MAX: u32 = (1 << 28) - 1;

/// A frame's kind is in the two highest bits of its second word. Kind 0 is no frame: zeros are
/// space that was never written.
const KIND_SHIFT: u32 = 30;
const KIND_RECORD: u32 = 1;
const KIND_BATCH: u32 = 2;
const KIND_LONE: u32 = 3;
const KIND_MASK: u32 = 3 << KIND_SHIFT;
/// Bits of a record's second word that must be zero.
const RECORD_RESERVED: u32 = 3 << 28;

/// Whether a batch header names a producer. The bits below count records.
const HAS_PRODUCER: u32 = 1 << 29;

const KEY_LEN_MASK: u32 = (1 << 27) - 1;
const HAS_KEY: u32 = 1 << 27;
const HAS_VALUE: u32 = 1 << 28;
const HAS_HEADERS: u32 = 1 << 29;
const CONTROL: u32 = 1 << 30;
const BY_CLOCK: u32 = 1 << 31;

/// The head of a record, unverified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the bits of the format")]
pub(crate) struct RecordHeader {
    pub(crate) checksum: u32,
    /// Bytes of the whole frame.
    pub(crate) len: u32,
    pub(crate) time: i64,
    pub(crate) key: Option<u32>,
    pub(crate) has_value: bool,
    pub(crate) has_headers: bool,
    /// Whether the record is not a message, but something from a later version of this crate.
    /// Readers skip it.
    pub(crate) control: bool,
    /// Whether the time is that of the log's clock at publishing, and not one that the publisher
    /// gave.
    pub(crate) by_clock: bool,
    pub(crate) kind: RecordKind,
}

/// Whether a record follows a batch header or is a batch by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordKind {
    /// Behind a batch header.
    Batched,
    /// A batch of one, without a batch header. All bytes of the segment below the position
    /// `frontier`, and all earlier segments, were durable when the record was written; at 0 not
    /// even the earlier segments need have been.
    Lone { frontier: u32 },
}

impl RecordKind {
    /// The durable frontier that a lone record carries.
    #[inline]
    pub(crate) fn frontier(self) -> Option<u32> {
        match self {
            RecordKind::Batched => None,
            RecordKind::Lone { frontier } => Some(frontier),
        }
    }

    /// Bytes before the payload.
    #[inline]
    fn header_len(self) -> usize {
        match self {
            RecordKind::Batched => RECORD_HEADER_LEN,
            RecordKind::Lone { .. } => LONE_HEADER_LEN,
        }
    }
}

/// The head of a batch, unverified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) checksum: u32,
    /// Records that follow.
    pub(crate) count: u32,
    /// Bytes that these records take.
    pub(crate) len: u32,
    /// The offset of the first record, less the segment's base offset.
    pub(crate) first: u32,
    /// The durable frontier, as in [`RecordKind::Lone`].
    pub(crate) frontier: u32,
    /// Whether the header names the batch's producer.
    pub(crate) has_producer: bool,
}

/// A frame's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Record(RecordHeader),
    Batch(BatchHeader),
}

impl Frame {
    /// Reads the head of a frame from its first bytes; `None` if no frame begins with these bytes.
    /// 24 bytes are always enough; the rest of the header of a batch with a producer is not looked
    /// at.
    #[inline]
    pub(crate) fn parse(bytes: &[u8]) -> Option<Frame> {
        let word = u32_at(bytes, 4)?;
        match word >> KIND_SHIFT {
            KIND_RECORD | KIND_LONE => RecordHeader::parse(bytes, word).map(Frame::Record),
            KIND_BATCH => Some(Frame::Batch(BatchHeader {
                checksum: u32_at(bytes, 0)?,
                count: word & !KIND_MASK & !HAS_PRODUCER,
                len: u32_at(bytes, 8)?,
                first: u32_at(bytes, 12)?,
                frontier: u32_at(bytes, 16)?,
                has_producer: word & HAS_PRODUCER != 0,
            })),
            _ => None,
        }
    }
}

impl RecordHeader {
    #[inline]
    fn parse(bytes: &[u8], word: u32) -> Option<RecordHeader> {
        let fields = u32_at(bytes, 16)?;
        let has_key = fields & HAS_KEY != 0;
        let header = RecordHeader {
            checksum: u32_at(bytes, 0)?,
            len: word & !KIND_MASK,
            time: u64_at(bytes, 8)?.cast_signed(),
            key: has_key.then_some(fields & KEY_LEN_MASK),
            has_value: fields & HAS_VALUE != 0,
            has_headers: fields & HAS_HEADERS != 0,
            control: fields & CONTROL != 0,
            by_clock: fields & BY_CLOCK != 0,
            kind: if word >> KIND_SHIFT == KIND_LONE {
                RecordKind::Lone {
                    frontier: u32_at(bytes, 20)?,
                }
            } else {
                RecordKind::Batched
            },
        };
        let reserved = word & RECORD_RESERVED != 0;
        let stray_key = !has_key && fields & KEY_LEN_MASK != 0;
        let room = (header.len as usize).checked_sub(header.header_len())?;
        let too_long = header.key.is_some_and(|len| len as usize > room);
        (!reserved && !stray_key && !too_long).then_some(header)
    }

    /// The time of the message whose record begins with these bytes; the earliest time there is for
    /// a control record.
    #[inline]
    pub(crate) fn message_time(head: &[u8; RECORD_HEADER_LEN]) -> i64 {
        let [.., t0, t1, t2, t3, t4, t5, t6, t7, f0, f1, f2, f3] = *head;
        if u32::from_le_bytes([f0, f1, f2, f3]) & CONTROL != 0 {
            return i64::MIN;
        }
        i64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7])
    }

    /// The time of the message whose record begins with these bytes, and whether it is
    /// [by the clock](RecordHeader::by_clock); `None` for a control record.
    pub(crate) fn clock_of(head: &[u8; RECORD_HEADER_LEN]) -> Option<(i64, bool)> {
        let [.., f0, f1, f2, f3] = *head;
        let fields = u32::from_le_bytes([f0, f1, f2, f3]);
        (fields & CONTROL == 0).then(|| (RecordHeader::message_time(head), fields & BY_CLOCK != 0))
    }

    /// Bytes before the payload.
    #[inline]
    pub(crate) fn header_len(&self) -> usize {
        self.kind.header_len()
    }

    /// The header's bytes with the checksum left zero, in the first
    /// [`header_len`](RecordHeader::header_len) bytes of the array.
    #[inline]
    pub(super) fn encode(&self) -> [u8; LONE_HEADER_LEN] {
        let flag = |on: bool, flag: u32| if on { flag } else { 0 };
        let (kind, frontier) = match self.kind {
            RecordKind::Batched => (KIND_RECORD, 0),
            RecordKind::Lone { frontier } => (KIND_LONE, frontier),
        };
        let fields = self.key.map_or(0, |len| HAS_KEY | len)
            | flag(self.has_value, HAS_VALUE)
            | flag(self.has_headers, HAS_HEADERS)
            | flag(self.control, CONTROL)
            | flag(self.by_clock, BY_CLOCK);
        let mut bytes = [0; LONE_HEADER_LEN];
        // The checksum loads words, for which the processor waits if they were stored in pieces.
        let time = self.time.cast_unsigned();
        let first = u64::from(kind << KIND_SHIFT | self.len) | time << 32;
        bytes[4..12].copy_from_slice(&first.to_le_bytes());
        bytes[12..20].copy_from_slice(&(time >> 32 | u64::from(fields) << 32).to_le_bytes());
        bytes[20..24].copy_from_slice(&frontier.to_le_bytes());
        bytes
    }
}

/// Puts the checksum of the rest of `header` in front.
#[inline]
fn set_checksum(header: &mut [u8], seed: u32) {
    let sum = super::checksum(seed, &header[4..]);
    header[..4].copy_from_slice(&sum.to_le_bytes());
}

impl BatchHeader {
    /// Bytes of the header.
    #[inline]
    pub(crate) fn header_len(&self) -> usize {
        if self.has_producer {
            BATCH_HEADER_LEN_MAX
        } else {
            BATCH_HEADER_LEN
        }
    }

    /// The bytes of a header that names no producer, with the checksum for a position with this
    /// `seed`.
    #[inline]
    pub(crate) fn encode(&self, seed: u32) -> [u8; BATCH_HEADER_LEN] {
        let mut bytes = [0; BATCH_HEADER_LEN];
        self.put_words(&mut bytes, 0);
        set_checksum(&mut bytes, seed);
        bytes
    }

    /// The bytes of a header that names a producer and the batch's sequence.
    #[inline]
    pub(crate) fn encode_produced(
        &self,
        (id, sequence): (u64, u64),
        seed: u32,
    ) -> [u8; BATCH_HEADER_LEN_MAX] {
        let mut bytes = [0; BATCH_HEADER_LEN_MAX];
        self.put_words(&mut bytes, HAS_PRODUCER);
        bytes[20..28].copy_from_slice(&id.to_le_bytes());
        bytes[28..].copy_from_slice(&sequence.to_le_bytes());
        set_checksum(&mut bytes, seed);
        bytes
    }

    /// Puts what all headers have, in the words in which the checksum loads it.
    #[inline]
    fn put_words(&self, bytes: &mut [u8], flags: u32) {
        let word = |low: u32, high: u32| (u64::from(low) | u64::from(high) << 32).to_le_bytes();
        let count = KIND_BATCH << KIND_SHIFT | flags | self.count;
        bytes[4..12].copy_from_slice(&word(count, self.len));
        bytes[12..20].copy_from_slice(&word(self.first, self.frontier));
    }

    /// The producer and the sequence in `bytes`, which begin with this header.
    pub(crate) fn producer(&self, bytes: &[u8]) -> Option<(u64, u64)> {
        let named = self.has_producer.then_some(bytes)?;
        Some((u64_at(named, 20)?, u64_at(named, 28)?))
    }

    /// Whether `bytes`, which begin with this header, carry the checksum for a position with this
    /// `seed`.
    pub(crate) fn is_intact(&self, bytes: &[u8], seed: u32) -> bool {
        bytes
            .get(4..self.header_len())
            .is_some_and(|body| super::checksum(seed, body) == self.checksum)
    }

    /// Whether this is a marker: no records, only a frontier.
    pub(crate) fn is_marker(&self) -> bool {
        self.count == 0
    }
}
