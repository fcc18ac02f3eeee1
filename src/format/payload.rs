//! The payload of a record: key, value and headers.

use std::ops::Range;

use bytes::{Buf, Bytes};

use super::bytes::u32_at;
use super::checksum;
use super::frame::{LONE_HEADER_LEN, RECORD_HEADER_LEN, RecordHeader, RecordKind};
use super::sink::{Sink, put_in_words};
use crate::sys::crc32c_of_three;
use crate::types::first_header;
use crate::{Headers, Message, NewMessage, Timestamp};

/// Bytes of the record of `message` behind a batch header.
#[inline]
pub(crate) fn record_len(message: &NewMessage<'_>) -> u64 {
    let headers = if message.headers.is_empty() {
        0
    } else {
        4 + 8 * message.headers.len() as u64
    };
    message
        .content_size()
        .saturating_add(RECORD_HEADER_LEN as u64 + headers)
}

/// Bytes of the lone record of `message`.
#[inline]
pub(crate) fn lone_len(message: &NewMessage<'_>) -> u64 {
    record_len(message).saturating_add((LONE_HEADER_LEN - RECORD_HEADER_LEN) as u64)
}

/// Appends the record of `message`, or with `is_control` a control record of that content, to
/// `sink`; returns the record's checksum. `time` is the message's own, or the clock's if it has
/// none. The caller has checked the lengths.
///
/// The checksum is computed from the parts, which are in the nearest cache, and not from what was
/// built of them.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the caller has compared the sizes with the limits"
)]
#[inline]
pub(crate) fn encode_record(
    sink: &mut impl Sink,
    message: &NewMessage<'_>,
    time: Timestamp,
    seed: u32,
    kind: RecordKind,
    is_control: bool,
) -> u32 {
    let len = match kind {
        RecordKind::Batched => record_len(message),
        RecordKind::Lone { .. } => lone_len(message),
    } as u32;
    let header = RecordHeader {
        checksum: 0,
        len,
        time: time.as_micros(),
        key: message.key.map(|key| key.len() as u32),
        has_value: message.value.is_some(),
        has_headers: !message.headers.is_empty(),
        control: is_control,
        by_clock: message.time.is_none(),
        kind,
    };
    let mut head = header.encode();
    let (key, value) = (message.key.unwrap_or_default(), message.value.unwrap_or_default());
    let block_len = headers_len(message.headers).to_le_bytes();
    let block_len = if header.has_headers { &block_len[..] } else { &[] };
    let body = &head[4..header.header_len()];
    let sum = if header.has_headers {
        let sum = crc32c_of_three(checksum(seed, body), block_len, key, value);
        let add = |sum, (name, value): &(&[u8], &[u8])| {
            crc32c_of_three(sum, &header_lens(name, value), name, value)
        };
        message.headers.iter().fold(sum, add)
    } else {
        crc32c_of_three(seed, body, key, value)
    };
    head[..4].copy_from_slice(&sum.to_le_bytes());
    match kind {
        RecordKind::Batched => put_in_words(sink, &head[..RECORD_HEADER_LEN]),
        RecordKind::Lone { .. } => put_in_words(sink, &head),
    }
    sink.put(block_len);
    sink.put(key);
    sink.put(value);
    for (name, value) in message.headers {
        sink.put(&header_lens(name, value));
        sink.put(name);
        sink.put(value);
    }
    sum
}

/// Bytes that headers take.
#[expect(clippy::cast_possible_truncation, reason = "the caller has compared")]
fn headers_len(headers: &[(&[u8], &[u8])]) -> u32 {
    let len = |(name, value): &(&[u8], &[u8])| 8 + name.len() + value.len();
    headers.iter().map(len).sum::<usize>() as u32
}

/// What comes before a header's name.
fn header_lens(name: &[u8], value: &[u8]) -> [u8; 8] {
    (name.len() as u64 | (value.len() as u64) << 32).to_le_bytes()
}

/// The parts of a record, if `frame`, which begins with this header, is intact and its headers can
/// be split.
#[inline]
pub(crate) fn verified_whole(header: &RecordHeader, frame: &[u8], seed: u32) -> Option<Layout> {
    let layout = verified(header, frame, seed)?;
    let headers = frame.get(layout.headers.clone())?;
    (headers.is_empty() || are_headers_whole(headers)).then_some(layout)
}

/// Where the parts of a record lie in its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) key: Option<Range<usize>>,
    pub(crate) value: Option<Range<usize>>,
    pub(crate) headers: Range<usize>,
}

impl Layout {
    /// Finds the parts of the record in `frame`; `None` if they do not fit into the frame.
    #[inline]
    pub(crate) fn of(header: &RecordHeader, frame: &[u8]) -> Option<Layout> {
        if frame.len() != header.len as usize {
            return None;
        }
        let mut at = header.header_len();
        let headers_len = if header.has_headers {
            let len = u32_at(frame, at)? as usize;
            at += 4;
            len
        } else {
            0
        };
        let key_end = at.checked_add(header.key.unwrap_or(0) as usize)?;
        let value_end = frame.len().checked_sub(headers_len)?;
        if key_end > value_end || (!header.has_value && key_end != value_end) {
            return None;
        }
        Some(Layout {
            key: header.key.map(|_| at..key_end),
            value: header.has_value.then_some(key_end..value_end),
            headers: value_end..frame.len(),
        })
    }

    /// Where the key starts; the header alone tells.
    #[inline]
    pub(crate) fn key_start(header: &RecordHeader) -> usize {
        header.header_len() + if header.has_headers { 4 } else { 0 }
    }
}

/// Reads the message whose frame lies at `range` of `shared`, and checks its checksum with `seed`.
/// The message's parts share the memory of `shared`.
#[inline]
pub(crate) fn decode_message(
    shared: &Bytes,
    range: Range<usize>,
    header: &RecordHeader,
    offset: u64,
    seed: u32,
) -> Option<Message> {
    let layout = verified(header, shared.get(range.clone())?, seed)?;
    let part = |part: Range<usize>| shared.slice(range.start + part.start..range.start + part.end);
    Some(Message {
        offset,
        time: Timestamp::from_micros(header.time),
        headers: headers_in(layout.headers, part)?,
        key: layout.key.map(part),
        value: layout.value.map(part),
    })
}

/// Does the same for a frame that is alone in its memory.
#[inline]
pub(crate) fn decode_lone_message(
    frame: Bytes,
    header: &RecordHeader,
    offset: u64,
    seed: u32,
) -> Option<Message> {
    let layout = verified(header, &frame, seed)?;
    let part = |part: Range<usize>| frame.slice(part);
    Some(Message {
        offset,
        time: Timestamp::from_micros(header.time),
        headers: headers_in(layout.headers, part)?,
        key: layout.key.map(part),
        // This takes over the frame's own share, so that nothing is counted for it.
        value: layout.value.map(|range| {
            let mut value = frame;
            value.truncate(range.end);
            value.advance(range.start);
            value
        }),
    })
}

#[inline]
fn headers_in(range: Range<usize>, part: impl Fn(Range<usize>) -> Bytes) -> Option<Headers> {
    if range.is_empty() {
        Some(Headers::default())
    } else {
        Headers::split(part(range), split_headers)
    }
}

/// The parts of a record, if `frame`, which begins with this header, is intact.
#[inline]
fn verified(header: &RecordHeader, frame: &[u8], seed: u32) -> Option<Layout> {
    is_intact(header, frame, seed)
        .then(|| Layout::of(header, frame))
        .flatten()
}

/// Whether `frame`, which begins with this header, carries the checksum for `seed`.
#[inline]
pub(crate) fn is_intact(header: &RecordHeader, frame: &[u8], seed: u32) -> bool {
    frame.len() == header.len as usize
        && frame
            .get(4..)
            .is_some_and(|body| checksum(seed, body) == header.checksum)
}

/// The pairs in a block of headers; `None` if the block is malformed.
pub(crate) fn split_headers(block: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut rest = block;
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        let (pair, behind) = first_header(rest)?;
        pairs.push(pair);
        rest = behind;
    }
    Some(pairs)
}

/// Whether a block of headers can be split.
pub(crate) fn are_headers_whole(block: &[u8]) -> bool {
    let mut rest = block;
    while !rest.is_empty() {
        let Some((_, behind)) = first_header(rest) else {
            return false;
        };
        rest = behind;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::Frame;
    use super::*;
    use crate::format::TEST_STRIDE;

    const SEED: u32 = 77;

    fn decode(frame: &[u8], offset: u64) -> Option<Message> {
        let Some(Frame::Record(header)) = Frame::parse(frame) else {
            return None;
        };
        decode_message(
            &Bytes::copy_from_slice(frame),
            0..frame.len(),
            &header,
            offset,
            SEED,
        )
    }

    fn examples() -> Vec<NewMessage<'static>> {
        let full = NewMessage {
            headers: &[(b"h", b"v"), (b"", b""), (b"h", b"w")],
            ..NewMessage::new(b"k", b"v")
        };
        vec![
            NewMessage::default(),
            NewMessage::new(b"", b""),
            NewMessage::new(b"key", b"value"),
            NewMessage::value(b"value"),
            NewMessage {
                key: Some(b"tombstone"),
                ..NewMessage::default()
            },
            full,
            NewMessage { value: None, ..full },
        ]
    }

    #[test]
    fn messages_are_read_back_with_absent_and_empty_told_apart() {
        for message in examples() {
            for kind in [RecordKind::Batched, RecordKind::Lone { frontier: 128 }] {
                let mut frame = Vec::new();
                encode_record(
                    &mut frame,
                    &message,
                    Timestamp::from_micros(-5),
                    SEED,
                    kind,
                    false,
                );
                let expected_len = match kind {
                    RecordKind::Batched => record_len(&message),
                    RecordKind::Lone { .. } => lone_len(&message),
                };
                assert_eq!(frame.len() as u64, expected_len);
                let read = decode(&frame, 9).expect("a whole frame");
                assert_eq!(read.offset, 9);
                assert_eq!(read.as_new(), message.time(Timestamp::from_micros(-5)));
            }
        }
    }

    /// Every single bit flip and every shorter length is noticed.
    #[test]
    fn damage_is_noticed() {
        for message in examples() {
            let mut frame = Vec::new();
            encode_record(
                &mut frame,
                &message,
                Timestamp::from_micros(1 << 50),
                SEED,
                RecordKind::Batched,
                false,
            );
            for bit in (0..frame.len() * 8).step_by(TEST_STRIDE) {
                frame[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(decode(&frame, 0), None, "bit {bit} of {message:?}");
                frame[bit / 8] ^= 1 << (bit % 8);
            }
            for len in (0..frame.len()).step_by(TEST_STRIDE) {
                assert_eq!(decode(&frame[..len], 0), None, "length {len} of {message:?}");
            }
        }
    }

    /// A malformed header block with a good checksum is refused, and never read beyond its bounds.
    #[test]
    fn malformed_headers_are_refused() {
        for block in [
            &[0; 7][..],
            &[9, 0, 0, 0, 0, 0, 0, 0],
            &[0xff; 12],
            &[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0],
        ] {
            assert_eq!(split_headers(block), None);
        }
    }
}
