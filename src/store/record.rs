//! What the catalog says of a stream, as bytes.
//!
//! A version, then fields of a tag, a length and their bytes. docs/format.md lists them.

use std::collections::BTreeMap;

use super::config::StreamConfig;
use super::partitioner::CRC_32;
use super::settings::{Value as _, put_field, take_fields};
use crate::Timestamp;

const VERSION: u8 = 1;

mod tag {
    pub(super) const NAME: u8 = 1;
    pub(super) const HASH: u8 = 2;
    pub(super) const CREATED: u8 = 3;
    pub(super) const DELETED: u8 = 4;
    pub(super) const REQUEST: u8 = 5;
    pub(super) const CONFIG: u8 = 6;
    pub(super) const MADE: u8 = 7;
    pub(super) const SEALED: u8 = 8;
    pub(super) const PAUSED: u8 = 9;
    pub(super) const RESUME_ALL: u8 = 10;
    pub(super) const UNWRITTEN: u8 = 11;
    pub(super) const COMPACTED: u8 = 12;
}

/// The state of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: String,
    /// The id of the hash by which keys are spread over partitions.
    pub(super) hash: u32,
    pub(super) created: Timestamp,
    pub(super) deleted: Option<Timestamp>,
    /// The configuration as it was given, with the token of who asked for the stream, so that one
    /// who asks again is recognised.
    pub(super) request: Option<StreamConfig>,
    /// Every setting is named that has a value.
    pub(super) config: StreamConfig,
    /// The partitions whose directories have been made.
    pub(super) made: Numbers,
    pub(super) sealed: Numbers,
    pub(super) paused: Numbers,
    /// Whether a publish to a paused partition resumes all of them.
    pub(super) resume_all: bool,
    /// Since when the stream, which has no messages, has not been written to, if anybody has to
    /// know.
    pub(super) unwritten: Option<Unwritten>,
    /// The offset up to which each partition was compacted, of those that were.
    pub(super) compacted: BTreeMap<u32, u64>,
}

/// How long nobody has written to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unwritten {
    /// The sum of the next offsets of the partitions.
    pub(super) total: u64,
    /// The last time that it was less, or a later one.
    pub(super) since: Timestamp,
}

impl Record {
    /// The state of a stream that is new.
    pub(super) fn new(name: &str, config: StreamConfig, created: Timestamp) -> Record {
        Record {
            name: name.to_owned(),
            hash: CRC_32,
            created,
            deleted: None,
            request: None,
            config,
            made: Numbers::default(),
            sealed: Numbers::default(),
            paused: Numbers::default(),
            resume_all: false,
            unwritten: None,
            compacted: BTreeMap::new(),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_field(&mut out, tag::NAME, |out| out.extend(self.name.as_bytes()));
        put_field(&mut out, tag::HASH, |out| self.hash.put(out));
        put_field(&mut out, tag::CREATED, |out| {
            out.extend(self.created.as_micros().to_le_bytes());
        });
        if let Some(deleted) = self.deleted {
            put_field(&mut out, tag::DELETED, |out| {
                out.extend(deleted.as_micros().to_le_bytes());
            });
        }
        if let Some(request) = &self.request {
            put_field(&mut out, tag::REQUEST, |out| out.extend(request.to_bytes()));
        }
        put_field(&mut out, tag::CONFIG, |out| out.extend(self.config.to_bytes()));
        for (tag, numbers) in [
            (tag::MADE, &self.made),
            (tag::SEALED, &self.sealed),
            (tag::PAUSED, &self.paused),
        ] {
            if !numbers.is_empty() {
                put_field(&mut out, tag, |out| out.extend(numbers.as_bytes()));
            }
        }
        put_field(&mut out, tag::RESUME_ALL, |out| self.resume_all.put(out));
        if let Some(Unwritten { total, since }) = self.unwritten {
            put_field(&mut out, tag::UNWRITTEN, |out| {
                total.put(out);
                out.extend(since.as_micros().to_le_bytes());
            });
        }
        if !self.compacted.is_empty() {
            put_field(&mut out, tag::COMPACTED, |out| {
                for (number, to) in &self.compacted {
                    number.put(out);
                    to.put(out);
                }
            });
        }
        out
    }

    /// `None` if the bytes are damaged, or of a later version.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Record> {
        let [VERSION, fields @ ..] = bytes else {
            return None;
        };
        let (mut name, mut config, mut created) = (None, None, None);
        let mut record = Record::new("", StreamConfig::new(), Timestamp::default());
        take_fields(fields, |tag, field| {
            match tag {
                tag::NAME => name = Some(std::str::from_utf8(field).ok()?.to_owned()),
                tag::HASH => record.hash = u32::take(field)?,
                tag::CREATED => created = Some(time(field)?),
                tag::DELETED => record.deleted = Some(time(field)?),
                tag::REQUEST => record.request = Some(StreamConfig::from_bytes(field)?),
                tag::CONFIG => config = Some(StreamConfig::from_bytes(field)?),
                tag::MADE => record.made = Numbers::from_bytes(field),
                tag::SEALED => record.sealed = Numbers::from_bytes(field),
                tag::PAUSED => record.paused = Numbers::from_bytes(field),
                tag::RESUME_ALL => record.resume_all = bool::take(field)?,
                tag::UNWRITTEN => {
                    let (total, since) = field.split_at_checked(8)?;
                    record.unwritten = Some(Unwritten {
                        total: u64::take(total)?,
                        since: time(since)?,
                    });
                }
                tag::COMPACTED => record.compacted = compacted(field)?,
                _ => return None,
            }
            Some(())
        })?;
        (record.name, record.config, record.created) = (name?, config?, created?);
        Some(record)
    }
}

fn time(bytes: &[u8]) -> Option<Timestamp> {
    Some(Timestamp::from_micros(i64::from_le_bytes(bytes.try_into().ok()?)))
}

fn compacted(bytes: &[u8]) -> Option<BTreeMap<u32, u64>> {
    let (all, rest) = bytes.as_chunks::<12>();
    let one = |bytes: &[u8; 12]| Some((u32::take(&bytes[..4])?, u64::take(&bytes[4..])?));
    rest.is_empty().then(|| all.iter().map(one).collect()).flatten()
}

/// Some of the partitions of a stream: a bit for each, the lowest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers(Vec<u8>);

impl Numbers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        let (byte, bit) = place(number);
        self.0.get(byte).is_some_and(|bits| bits & bit != 0)
    }

    pub(super) fn insert(&mut self, number: u32) {
        let (byte, bit) = place(number);
        if self.0.len() <= byte {
            self.0.resize(byte + 1, 0);
        }
        self.0[byte] |= bit;
    }

    pub(super) fn remove(&mut self, number: u32) {
        let (byte, bit) = place(number);
        if let Some(bits) = self.0.get_mut(byte) {
            *bits &= !bit;
        }
        self.trim();
    }

    /// The numbers, lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        let end = u32::try_from(8 * self.0.len()).unwrap_or(u32::MAX);
        (0..end).filter(|number| self.contains(*number))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Numbers {
        let mut numbers = Numbers(bytes.to_vec());
        numbers.trim();
        numbers
    }

    /// Equal ones have equal bytes.
    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }
}

impl FromIterator<u32> for Numbers {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Numbers {
        let mut all = Numbers::default();
        numbers.into_iter().for_each(|number| all.insert(number));
        all
    }
}

/// The byte and the bit of a number.
fn place(number: u32) -> (usize, u8) {
    ((number / 8) as usize, 1 << (number % 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let config = StreamConfig::new().partitions(9);
        Record::new("orders", config, Timestamp::from_micros(5))
    }

    #[test]
    fn what_is_stored_is_read_again() {
        let full = Record {
            deleted: Some(Timestamp::from_micros(-7)),
            request: Some(StreamConfig::new().request_token("again".parse().expect("a token"))),
            made: [0, 3, 8].into_iter().collect(),
            sealed: [8].into_iter().collect(),
            paused: [1].into_iter().collect(),
            resume_all: true,
            unwritten: Some(Unwritten {
                total: 9,
                since: Timestamp::from_micros(-1),
            }),
            compacted: BTreeMap::from([(0, 7), (8, u64::MAX)]),
            ..record()
        };
        for record in [record(), full] {
            let bytes = record.to_bytes();
            assert_eq!(Record::from_bytes(&bytes), Some(record));
        }
    }

    #[test]
    fn what_is_damaged_or_newer_is_refused() {
        let bytes = record().to_bytes();
        let mut newer = bytes.clone();
        newer[0] += 1;
        let unknown = [&bytes[..], &[200, 0, 0]].concat();
        for wrong in [&newer[..], &unknown, &bytes[..bytes.len() - 1], &bytes[..1], &[]] {
            assert_eq!(Record::from_bytes(wrong), None);
        }
    }

    #[test]
    fn numbers_are_a_set() {
        let mut numbers: Numbers = [1023, 0, 9].into_iter().collect();
        assert_eq!(numbers.iter().collect::<Vec<_>>(), [0, 9, 1023]);
        numbers.remove(1023);
        numbers.remove(500);
        assert_eq!(numbers, [0, 9].into_iter().collect());
        assert_eq!(Numbers::from_bytes(&[1, 2, 0, 0]), numbers);
        assert!(numbers.contains(9) && !numbers.contains(1023) && !numbers.contains(8));
    }
}
