use std::sync::Arc;

use super::batch::BatchPlan;
use super::waiting::Backlog;
use crate::format::{BATCH_HEADER_LEN, BatchHeader, Previous, RecordKind, encode_record};
use crate::index::key_hash;
use crate::segment::{Active, Entry, Seal, Visible};
use crate::{NewMessage, Timestamp};

/// Bytes of a batch that are built before they are copied into the mapping: few enough to stay in
/// the nearest cache.
const STAGING_LEN: usize = 64 << 10;

/// The state of the one thread that appends.
#[derive(Debug, Default)]
pub(crate) struct Appender {
    /// The segment being appended to. If there is none, the next publish begins or reopens one.
    pub(crate) active: Option<Arc<Active>>,
    /// Records in the active segment.
    pub(crate) count: u32,
    /// Where the frames of the active segment end.
    pub(crate) end: u32,
    pub(crate) last_checksum: u32,
    /// The latest time by the clock in the active segment, the earliest time there is if no message
    /// has such a time; `None` if it is not known.
    pub(crate) clock_max: Option<i64>,
    /// The offset that the next message gets.
    pub(crate) next_offset: u64,
    /// The link to the last segment, while there is no active one.
    pub(crate) previous: Option<Previous>,
    /// Whether the metadata on disk still says that the log was closed.
    pub(crate) is_marked_clean: bool,
    /// Whether upkeep was asked for the file of the next segment.
    pub(crate) is_next_requested: bool,
    /// Segments left behind that are not known to be durable, oldest first.
    pub(crate) unsynced: Vec<Arc<Active>>,
    /// The bytes that are not on stable storage.
    pub(crate) backlog: Backlog,
    pub(crate) staging: Vec<u8>,
}

impl Appender {
    /// Builds the frames of a batch and copies them to the mapping; returns the new end and the
    /// last checksum.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "BatchPlan and make_room have compared with the limits"
    )]
    pub(super) fn build<const IS_CONTROL: bool>(
        &self,
        active: &Active,
        staging: &mut Vec<u8>,
        messages: &[NewMessage<'_>],
        plan: &BatchPlan,
        now: Timestamp,
        hash_keys: bool,
    ) -> Option<(u32, u32)> {
        let frontier = active.frontier();
        let mut position = self.end;
        if plan.count > 1 {
            let header = BatchHeader {
                checksum: 0,
                count: plan.count,
                len: plan.len as u32 - BATCH_HEADER_LEN as u32,
                first: (self.next_offset - active.header.base) as u32,
                frontier,
            };
            staging.extend_from_slice(&header.encode(active.seeds.batch(u64::from(position))));
        }
        let kind = if plan.count == 1 {
            RecordKind::Lone { frontier }
        } else {
            RecordKind::Batched
        };
        let mut last_checksum = 0;
        for (message, offset) in messages.iter().zip(self.next_offset..) {
            if staging.len() >= STAGING_LEN {
                position = flush(active, position, staging)?;
            }
            let at = staging.len();
            let entry = Entry {
                offset,
                position: position + at as u32,
                time: message.time.unwrap_or(now).as_micros(),
                key_hash: message.key.filter(|_| hash_keys && !IS_CONTROL).map(key_hash),
                is_control: IS_CONTROL,
            };
            let time = Timestamp::from_micros(entry.time);
            last_checksum = encode_record(
                staging,
                message,
                time,
                active.seeds.record(offset),
                kind,
                IS_CONTROL,
            );
            active.index_entry(&entry);
        }
        Some((flush(active, position, staging)?, last_checksum))
    }

    /// The written end of the active segment: readers never see more.
    #[inline]
    pub(crate) fn written(&self) -> Visible {
        Visible {
            count: self.count,
            end: self.end,
        }
    }

    /// The seal that the active segment gets if nothing more is appended to it.
    pub(crate) fn seal(&self) -> Seal {
        Seal {
            len: self.end,
            last_checksum: self.last_checksum,
        }
    }

    /// Makes `active` the segment to append to.
    pub(crate) fn begin(&mut self, active: &Arc<Active>, count: u32, end: u32, last_checksum: u32) {
        self.count = count;
        self.end = end;
        self.last_checksum = last_checksum;
        self.clock_max = (count == 0).then_some(i64::MIN);
        self.previous = None;
        self.active = Some(Arc::clone(active));
    }

    /// The link to the last segment, for the header of the next one.
    pub(super) fn link_of_last(&self) -> Option<Previous> {
        match &self.active {
            Some(active) => Some(active.link(self.end, self.last_checksum)),
            None => self.previous,
        }
    }

    /// Whether every batch in the active segment is durable. Such a segment is not synced again: if
    /// that sync failed, the marker at the end would still tell the next life that no sync of this
    /// file has failed.
    pub(super) fn is_all_durable(&self, active: &Active) -> bool {
        active.frontier() == self.end
    }

    /// Whether an earlier life left a segment that has to be copied before it is durable.
    pub(super) fn needs_copies(&self) -> bool {
        let needs_copy = |segment: &Arc<Active>| segment.needs_copy();
        self.active.iter().chain(&self.unsynced).any(needs_copy)
    }

    /// Writes a marker over the bytes behind the end; it says up to where the log is durable. The
    /// next batch overwrites the marker in turn. From the marker, recovery knows that the last
    /// batch was acknowledged.
    pub(crate) fn mark_end(&mut self) {
        let Some(active) = &self.active else { return };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "less than the segment's count of offsets"
        )]
        let first = (self.next_offset - active.header.base) as u32;
        let marker = BatchHeader {
            checksum: 0,
            count: 0,
            len: 0,
            first,
            frontier: active.frontier(),
        };
        // If no space is left for the marker, the next segment will say the same.
        let _ = active.map.store(
            u64::from(self.end),
            &marker.encode(active.seeds.batch(u64::from(self.end))),
        );
    }
}

/// Copies the bytes that were built to the mapping; returns the position behind them.
#[inline]
fn flush(active: &Active, position: u32, staging: &mut Vec<u8>) -> Option<u32> {
    if !active.map.store(u64::from(position), staging) {
        return None;
    }
    let end = position + u32::try_from(staging.len()).ok()?;
    staging.clear();
    Some(end)
}
