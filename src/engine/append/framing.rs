use super::batch::BatchPlan;
use crate::format::{BATCH_HEADER_LEN, BatchHeader, RecordKind, Sink, encode_record, record_len};
use crate::index::key_hash;
use crate::segment::{Active, Entry};
use crate::{NewMessage, Timestamp};

/// A batch that is about to be appended, with `IS_CONTROL` of control records.
pub(super) struct Framing<'a, const IS_CONTROL: bool> {
    pub(super) active: &'a Active,
    pub(super) messages: &'a [NewMessage<'a>],
    pub(super) plan: &'a BatchPlan,
    /// The time of messages that have none.
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
impl<const IS_CONTROL: bool> Framing<'_, IS_CONTROL> {
    /// Puts the frames into `sink` and, if `indexes`, the records into the index; returns the last
    /// checksum.
    #[inline]
    pub(super) fn put(&self, sink: &mut impl Sink, indexes: bool) -> u32 {
        let active = self.active;
        let frontier = active.frontier();
        let kind = if self.plan.count > 1 {
            let header = BatchHeader {
                checksum: 0,
                count: self.plan.count,
                len: self.plan.len as u32 - BATCH_HEADER_LEN as u32,
                first: (self.offset - active.header.base) as u32,
                frontier,
            };
            sink.put(&header.encode(active.seeds.batch(u64::from(self.position))));
            RecordKind::Batched
        } else {
            RecordKind::Lone { frontier }
        };
        let mut last_checksum = 0;
        for (message, offset) in self.messages.iter().zip(self.offset..) {
            let entry = self.entry(message, offset, self.position + sink.len() as u32);
            let time = Timestamp::from_micros(entry.time);
            last_checksum = encode_record(sink, message, time, active.seeds.record(offset), kind, IS_CONTROL);
            if indexes {
                active.index_entry(&entry);
            }
        }
        last_checksum
    }

    /// Puts the records into the index.
    pub(super) fn index(&self) {
        let mut position = self.position;
        if self.plan.count > 1 {
            position += BATCH_HEADER_LEN as u32;
        }
        for (message, offset) in self.messages.iter().zip(self.offset..) {
            self.active.index_entry(&self.entry(message, offset, position));
            position += record_len(message) as u32;
        }
    }

    #[inline]
    fn entry(&self, message: &NewMessage<'_>, offset: u64, position: u32) -> Entry {
        Entry {
            offset,
            position,
            time: message.time.unwrap_or(self.now).as_micros(),
            key_hash: message
                .key
                .filter(|_| self.hash_keys && !IS_CONTROL)
                .map(key_hash),
            is_control: IS_CONTROL,
        }
    }
}
