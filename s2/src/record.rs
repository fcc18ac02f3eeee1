//! A message as a record of S2, and back.
//!
//! The value is the body. All else that S2 has no place for travels in headers, whose names begin
//! with `@`. A header of the message whose name is empty, or begins with `@`, gets `@x` in front.
//! Whatever else comes with such a name was written by somebody else, and is shown as it is.

use bytes::Bytes;
use duramen::{Control, ControlRecord, Headers, LifeId, Message, NewMessage, Timestamp, Token};
use s2_sdk::types::{AppendRecord, CommandRecord, Header, SequencedRecord, ValidationError};

/// The key.
const KEY: &[u8] = b"@k";
/// There is no value; the body is empty.
const NO_VALUE: &[u8] = b"@n";
/// The time that the publisher gave, in microseconds, big-endian.
const TIME: &[u8] = b"@t";
/// What tells an append from all others, at its first record: [`NONCE_LEN`] random bytes.
const NONCE: &[u8] = b"@b";
/// Where a mirrored message was: its offset, big-endian, and, at the last one of a batch, the life
/// of its log.
const ORIGIN: &[u8] = b"@o";
/// In front of names that S2 does not take, or that have a meaning here.
const ESCAPE: &[u8] = b"@x";

/// The random bytes that tell one append from all others.
pub(crate) const NONCE_LEN: usize = 12;

/// What the header of the nonce adds to a record, as S2 counts.
pub(crate) const NONCE_SIZE: u64 = (2 + NONCE.len() + NONCE_LEN) as u64;

/// Where a mirrored message was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) offset: u64,
    /// The life of its log, if the record says it and the log has one.
    pub(crate) life: Option<LifeId>,
}

impl Origin {
    const OFFSET_LEN: usize = 8;
    const LEN: usize = Origin::OFFSET_LEN + 16;

    fn to_bytes(self) -> Bytes {
        let life = self.life.map(LifeId::to_bytes);
        Bytes::from(
            [
                &self.offset.to_be_bytes()[..],
                life.as_ref().map_or(&[], |life| &life[..]),
            ]
            .concat(),
        )
    }

    fn from_bytes(bytes: &[u8]) -> Option<Origin> {
        let (offset, life) = bytes.split_at_checked(Origin::OFFSET_LEN)?;
        let life = match life {
            [] => None,
            life => Some(LifeId::from_bytes(life.try_into().ok()?)),
        };
        Some(Origin {
            offset: u64::from_be_bytes(offset.try_into().ok()?),
            life,
        })
    }
}

/// What a record says besides the message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    pub(crate) nonce: Option<[u8; NONCE_LEN]>,
    pub(crate) origin: Option<Origin>,
}

/// What the longest header of an origin adds to a record, as S2 counts.
pub(crate) const ORIGIN_SIZE: u64 = (2 + ORIGIN.len() + Origin::LEN) as u64;

/// What is in a record.
#[derive(Debug)]
pub(crate) enum Content {
    Message(Message),
    Control(ControlRecord),
}

/// The headers and the body of a record, and its time in milliseconds, if it has one of its own.
pub(crate) fn of_message(message: &NewMessage<'_>, marks: Marks) -> Result<AppendRecord, ValidationError> {
    let headers = headers(message, marks);
    let record = AppendRecord::new(message.value.map(Bytes::copy_from_slice).unwrap_or_default())?;
    let record = record.with_headers(headers)?;
    Ok(match message.time {
        Some(time) => record.with_timestamp(millis(time)),
        None => record,
    })
}

fn headers(message: &NewMessage<'_>, marks: Marks) -> Vec<Header> {
    let mut headers = Vec::with_capacity(message.headers.len() + 4);
    let mut put = |name: &'static [u8], value: Bytes| headers.push(Header::new(name, value));
    if let Some(nonce) = marks.nonce {
        put(NONCE, Bytes::copy_from_slice(&nonce));
    }
    if let Some(origin) = marks.origin {
        put(ORIGIN, origin.to_bytes());
    }
    if let Some(key) = message.key {
        put(KEY, Bytes::copy_from_slice(key));
    }
    if message.value.is_none() {
        put(NO_VALUE, Bytes::new());
    }
    if let Some(time) = message.time {
        put(TIME, Bytes::copy_from_slice(&time.as_micros().to_be_bytes()));
    }
    headers.extend(message.headers.iter().map(|(name, value)| {
        let name = if is_taken(name) {
            Bytes::from([ESCAPE, name].concat())
        } else {
            Bytes::copy_from_slice(name)
        };
        Header::new(name, Bytes::copy_from_slice(value))
    }));
    headers
}

/// The size of the record as S2 counts it: 8, 2 for each header, and the bytes of headers and body.
pub(crate) fn size(message: &NewMessage<'_>) -> u64 {
    let headers = headers(message, Marks::default());
    let in_headers = headers
        .iter()
        .map(|header| 2 + header.name.len() + header.value.len());
    (8 + in_headers.sum::<usize>() + message.value.map_or(0, <[u8]>::len)) as u64
}

fn is_taken(name: &[u8]) -> bool {
    name.is_empty() || name.starts_with(b"@")
}

/// A control record; `None` for one that S2 does not have.
pub(crate) fn of_control(control: Control) -> Option<AppendRecord> {
    match control {
        Control::Fence(token) => {
            let token = token.as_str().parse().ok()?;
            Some(CommandRecord::fence(token).into())
        }
        Control::Trim(before) => Some(CommandRecord::trim(before).into()),
        _ => None,
    }
}

/// The nonce of the append whose first record this is.
pub(crate) fn nonce(record: &SequencedRecord) -> Option<&[u8]> {
    let first = record.headers.first()?;
    (first.name == NONCE && first.value.len() == NONCE_LEN).then_some(&first.value)
}

/// Where the message was that was mirrored to this record.
pub(crate) fn origin(record: &SequencedRecord) -> Option<Origin> {
    let header = record.headers.iter().find(|header| header.name == ORIGIN)?;
    Origin::from_bytes(&header.value)
}

/// What the record says.
pub(crate) fn content(record: SequencedRecord) -> Content {
    if record.is_command_record() {
        return Content::Control(control(&record));
    }
    let (mut key, mut has_value, mut own_time) = (None, true, None);
    let mut rest: Vec<(Bytes, Bytes)> = Vec::new();
    for Header { name, value, .. } in record.headers {
        match &*name {
            KEY if key.is_none() => key = Some(value),
            NO_VALUE if value.is_empty() => has_value = false,
            TIME if own_time.is_none() && value.len() == 8 => own_time = micros(&value),
            NONCE if value.len() == NONCE_LEN => {}
            ORIGIN if value.len() == Origin::OFFSET_LEN || value.len() == Origin::LEN => {}
            other if other.starts_with(ESCAPE) && is_taken(&other[ESCAPE.len()..]) => {
                rest.push((name.slice(ESCAPE.len()..), value));
            }
            _ => rest.push((name, value)),
        }
    }
    let pairs: Vec<(&[u8], &[u8])> = rest.iter().map(|(name, value)| (&**name, &**value)).collect();
    Content::Message(Message {
        offset: record.seq_num,
        time: own_time.unwrap_or_else(|| time(record.timestamp)),
        key,
        value: has_value.then_some(record.body),
        headers: Headers::new(&pairs),
    })
}

fn control(record: &SequencedRecord) -> ControlRecord {
    let command = record.headers.first().map(|header| &*header.value);
    let control = match command {
        Some(b"fence") => std::str::from_utf8(&record.body)
            .ok()
            .and_then(|token| Token::new(token).ok())
            .map(Control::Fence),
        Some(b"trim") => <[u8; 8]>::try_from(&*record.body)
            .ok()
            .map(|before| Control::Trim(u64::from_be_bytes(before))),
        _ => None,
    };
    ControlRecord::new(record.seq_num, time(record.timestamp), control)
}

fn micros(value: &[u8]) -> Option<Timestamp> {
    let micros = i64::from_be_bytes(value.try_into().ok()?);
    Some(Timestamp::from_micros(micros))
}

/// The time in the milliseconds of S2, which has none before 1970.
pub(crate) fn millis(time: Timestamp) -> u64 {
    u64::try_from(time.as_micros().div_euclid(1000)).unwrap_or(0)
}

/// The time of so many milliseconds.
pub(crate) fn time(millis: u64) -> Timestamp {
    let micros = i64::try_from(millis).unwrap_or(i64::MAX).saturating_mul(1000);
    Timestamp::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(message: &NewMessage<'_>) -> Message {
        let life = Some(LifeId::from_bytes([3; 16]));
        let marks = Marks {
            nonce: Some(*b"twelve bytes"),
            origin: Some(Origin { offset: 9, life }),
        };
        let record = of_message(message, marks).expect("a small message");
        let record = SequencedRecord::from_parts(7, 5, record.headers().to_vec(), record.body().to_vec());
        assert_eq!(super::nonce(&record), Some(&b"twelve bytes"[..]));
        assert_eq!(origin(&record), marks.origin);
        match content(record) {
            Content::Message(message) => message,
            Content::Control(record) => panic!("{record:?}"),
        }
    }

    #[test]
    fn whatever_a_message_has_comes_back() {
        let headers: &[(&[u8], &[u8])] = &[
            (b"", b"empty name"),
            (b"@k", b"not the key"),
            (b"@x", b""),
            (b"@x@x", b"twice"),
            (b"plain", b"\xff\x00"),
            (b"plain", b"again"),
        ];
        for key in [None, Some(&b""[..]), Some(b"key")] {
            for value in [None, Some(&b""[..]), Some(b"value")] {
                for time in [
                    None,
                    Some(Timestamp::from_micros(-1)),
                    Some(Timestamp::from_micros(5_001)),
                ] {
                    for headers in [&[][..], &headers[..1], headers] {
                        let message = NewMessage {
                            time,
                            key,
                            value,
                            headers,
                        };
                        let read = back(&message);
                        assert_eq!(read.offset, 7);
                        assert_eq!(read.time, time.unwrap_or(Timestamp::from_micros(5_000)));
                        assert_eq!(
                            read.as_new(),
                            NewMessage {
                                time: Some(read.time),
                                ..message
                            }
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn what_others_write_is_shown_as_it_is() {
        let headers = [
            ("@other", "a"),
            ("@n", "not empty"),
            ("@t", "short"),
            ("@b", "short"),
            ("@o", "neither eight nor 24"),
            ("@xplain", "b"),
        ];
        let given = headers.map(|(name, value)| Header::new(name, value)).to_vec();
        let Content::Message(message) = content(SequencedRecord::from_parts(0, 0, given, "body")) else {
            panic!("not a message");
        };
        let pairs: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        assert_eq!(message.headers.as_slice(), pairs);
        assert_eq!(message.value.as_deref(), Some(&b"body"[..]));
    }

    #[test]
    fn a_message_takes_what_s2_counts() {
        let message = NewMessage::new(b"k", b"ab").headers(&[(b"n", b"v")]);
        assert_eq!(size(&message), 8 + (2 + 2 + 1) + (2 + 1 + 1) + 2);
    }
}
