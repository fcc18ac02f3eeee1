use super::batch::BatchPlan;
use crate::format::{BatchHeader, RecordKind, Sink, encode_record, put_in_words, record_len};
use crate::index::key_hash;
use crate::segment::{Active, Entry};
use crate::{NewMessage, Timestamp};

/// The records of a batch: messages, then control records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Records<'a> {
    pub(super) all: &'a [NewMessage<'a>],
    /// How many are messages.
    pub(super) messages: usize,
}

impl<'a> Records<'a> {
    /// Messages alone.
    pub(super) fn of(messages: &'a [NewMessage<'a>]) -> Records<'a> {
        Records {
            all: messages,
            messages: messages.len(),
        }
    }
}

/// A batch that is about to be appended.
pub(super) struct Framing<'a> {
    pub(super) active: &'a Active,
    pub(super) records: Records<'a>,
    pub(super) plan: &'a BatchPlan,
    /// The time of records that have none.
    pub(super) now: Timestamp,
    /// Offset and position at which the batch begins.
    pub(super) offset: u64,
    pub(super) position: u32,
    pub(super) hash_keys: bool,
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "BatchPlan and make_room have compared with the limits"
)]
impl Framing<'_> {
    /// Puts the frames into `sink` and, if `indexes`, the records into the index; returns the last
    /// checksum.
    #[inline]
    pub(super) fn put(&self, sink: &mut impl Sink, indexes: bool) -> u32 {
        let active = self.active;
        let kind = self.plan.kind(active.frontier());
        if kind == RecordKind::Batched {
            self.put_header(sink);
        }
        let mut last_checksum = 0;
        for (index, message) in self.records.all.iter().enumerate() {
            let offset = self.offset + index as u64;
            let entry = self.entry(message, index, self.position + sink.len() as u32);
            let time = Timestamp::from_micros(entry.time);
            let seed = active.seeds.record(offset);
            last_checksum = encode_record(sink, message, time, seed, kind, entry.is_control);
            if indexes {
                active.index_entry(&entry);
            }
        }
        last_checksum
    }

    fn put_header(&self, sink: &mut impl Sink) {
        let active = self.active;
        let header = BatchHeader {
            checksum: 0,
            count: self.plan.count,
            len: self.plan.len as u32 - self.plan.header_len().unwrap_or(0) as u32,
            first: (self.offset - active.header.base) as u32,
            frontier: active.frontier(),
            has_producer: self.plan.producer.is_some(),
        };
        let seed = active.seeds.batch(u64::from(self.position));
        match self.plan.producer {
            Some(producer) => put_in_words(sink, &header.encode_produced(producer, seed)),
            None => put_in_words(sink, &header.encode(seed)),
        }
    }

    /// Puts the records into the index.
    pub(super) fn index(&self) {
        let mut position = self.position + self.plan.header_len().unwrap_or(0) as u32;
        for (index, message) in self.records.all.iter().enumerate() {
            self.active.index_entry(&self.entry(message, index, position));
            position += record_len(message) as u32;
        }
    }

    #[inline]
    fn entry(&self, message: &NewMessage<'_>, index: usize, position: u32) -> Entry {
        let is_control = index >= self.records.messages;
        Entry {
            offset: self.offset + index as u64,
            position,
            time: message.time.unwrap_or(self.now).as_micros(),
            key_hash: message
                .key
                .filter(|_| self.hash_keys && !is_control)
                .map(key_hash),
            is_control,
        }
    }
}
