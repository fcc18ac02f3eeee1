//! The write path: everything that happens under the writer lock.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::engine::shared::Shared;
use crate::format::{
    BATCH_HEADER_LEN, BatchHeader, FRAME_LEN_MAX, FRAMES_START, Previous, SEGMENT_HEADER_LEN,
    SEGMENT_LEN_MAX, Salt, SegmentHeader, encode_record, lone_len, record_len,
};
use crate::index::key_hash;
use crate::segment::{Active, Entry, Prepared, Seal, SegmentRef, Stop, Visible, capacity_for, first_reserve};
use crate::sys::Open;
use crate::{BATCH_SIZE_MAX, Error, MESSAGE_SIZE_MAX, NewMessage, Result, Timestamp};

/// Bytes of a batch that are built before they are copied into the mapping: few enough to stay in the nearest cache.
const STAGING_LEN: usize = 64 << 10;

/// The last segment of a log that was closed is taken up again if it is at most half of this, or of the rollover
/// size: taking it up costs a walk through it.
const TAKE_UP_MAX: u64 = 16 << 20;

/// The state of whoever appends, one at a time.
#[derive(Debug, Default)]
pub(crate) struct Appender {
    /// The segment being appended to; created, or taken up again, by the first publish.
    pub(crate) active: Option<Arc<Active>>,
    /// Records in it.
    pub(crate) count: u32,
    /// Where its frames end.
    pub(crate) end: u32,
    pub(crate) last_checksum: u32,
    /// The offset that the next message gets.
    pub(crate) next_offset: u64,
    /// The segment before the next new one.
    pub(crate) previous: Option<Previous>,
    /// Whether the metadata on disk still says that the log was closed.
    pub(crate) is_marked_clean: bool,
    /// Segments left behind that are not known to be durable, oldest first.
    pub(crate) unsynced: Vec<Arc<Active>>,
    /// Framed bytes since the last sync.
    pub(crate) unsynced_len: u64,
    pub(crate) staging: Vec<u8>,
}

/// What a batch needs, worked out before the writer lock is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    count: u32,
    /// Framed bytes.
    len: u64,
    now: Timestamp,
}

impl Plan {
    /// Measures `messages`, which are not none.
    pub(crate) fn of(messages: &[NewMessage<'_>]) -> Result<Plan> {
        let count = u32::try_from(messages.len())
            .ok()
            .filter(|count| *count < 1 << 30)
            .ok_or(Error::TooLarge)?;
        let (mut content, mut len, mut is_timed) = (0, 0, true);
        for message in messages {
            let size = message.content_size();
            let frame = record_len(message);
            if size > MESSAGE_SIZE_MAX || frame >= u64::from(FRAME_LEN_MAX) {
                return Err(Error::TooLarge);
            }
            content += size;
            len += frame;
            is_timed &= message.time.is_some();
        }
        len = match messages {
            [only] => lone_len(only),
            _ => len + BATCH_HEADER_LEN as u64,
        };
        if content > BATCH_SIZE_MAX || len > SEGMENT_LEN_MAX - 2 * SEGMENT_HEADER_LEN {
            return Err(Error::TooLarge);
        }
        // One reading of the clock for the batch, and none where every message has a time.
        let now = if is_timed {
            Timestamp::default()
        } else {
            Timestamp::now()
        };
        Ok(Plan { count, len, now })
    }
}

impl Appender {
    /// Appends a batch. On success it is in the mapping and in the index, but not visible yet.
    ///
    /// When this fails nothing was given out and nothing was written that a reader or a recovery would take for part
    /// of the log.
    pub(crate) fn append(
        &mut self,
        shared: &Arc<Shared>,
        messages: &[NewMessage<'_>],
        plan: &Plan,
    ) -> Result<()> {
        if self.next_offset.checked_add(u64::from(plan.count)).is_none() {
            return Err(Error::Invalid("the log has given out all its offsets"));
        }
        self.make_room(shared, plan)?;
        let mut staging = std::mem::take(&mut self.staging);
        staging.clear();
        let built = match &self.active {
            Some(active) => self.build(active, &mut staging, messages, plan, shared.directory.kinds.key),
            None => None,
        };
        self.staging = staging;
        // make_room has reserved the space: if it is gone, somebody has cut the file.
        let (end, last_checksum) = shared.poison_on_error(built.ok_or(Error::Poisoned))?;
        self.end = end;
        self.last_checksum = last_checksum;
        self.count += plan.count;
        self.unsynced_len += plan.len;
        self.next_offset += u64::from(plan.count);
        Ok(())
    }

    /// Builds the frames of a batch and copies them to the mapping; returns the new end and the last checksum.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "Plan and make_room have compared with the limits"
    )]
    fn build(
        &self,
        active: &Active,
        staging: &mut Vec<u8>,
        messages: &[NewMessage<'_>],
        plan: &Plan,
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
            staging.extend_from_slice(&header.encode(active.keys.batch(u64::from(position))));
        }
        let lone = (plan.count == 1).then_some(frontier);
        let mut last_checksum = 0;
        for (message, offset) in messages.iter().zip(self.next_offset..) {
            if staging.len() >= STAGING_LEN {
                position = flush(active, position, staging)?;
            }
            let at = staging.len();
            let entry = Entry {
                offset,
                position: position + at as u32,
                time: message.time.unwrap_or(plan.now).as_micros(),
                key_hash: message.key.filter(|_| hash_keys).map(key_hash),
            };
            let time = Timestamp::from_micros(entry.time);
            last_checksum = encode_record(staging, message, time, active.keys.record(offset), lone);
            active.index_entry(&entry);
        }
        Some((flush(active, position, staging)?, last_checksum))
    }

    /// What readers may see at most.
    pub(crate) fn written(&self) -> Visible {
        Visible {
            count: self.count,
            end: self.end,
        }
    }

    /// Sees to it that there is an active segment with space for the batch.
    #[inline]
    fn make_room(&mut self, shared: &Arc<Shared>, plan: &Plan) -> Result<()> {
        if let Some(active) = &self.active {
            let end = u64::from(self.end) + plan.len;
            if (end <= shared.options.rollover || self.count == 0) && end <= active.map.capacity() {
                return if end > active.map.len() {
                    active.reserve(end)
                } else {
                    Ok(())
                };
            }
        }
        self.next_segment(shared, plan)
    }

    /// Goes on in a new segment, or in the last one of a log that was closed.
    #[cold]
    fn next_segment(&mut self, shared: &Arc<Shared>, plan: &Plan) -> Result<()> {
        self.unmark_clean(shared)?;
        if self.active.is_none() && self.take_up_last(shared, plan)? {
            return Ok(());
        }
        self.new_segment(shared, plan.len)
    }

    /// Leaves the segment behind that is written to, and begins a new one, so that it can be rewritten.
    pub(crate) fn roll(&mut self, shared: &Arc<Shared>) -> Result<()> {
        self.unmark_clean(shared)?;
        self.new_segment(shared, 0)
    }

    /// Begins a segment that has room for so many framed bytes at least.
    fn new_segment(&mut self, shared: &Arc<Shared>, needed: u64) -> Result<()> {
        let is_synced = self.sync_active(shared)?;
        // An empty segment that is too small for the batch is replaced, not followed: the new one has its name.
        let empty = self.empty_last(shared)?;
        let previous = match &empty {
            Some(empty) => empty.previous,
            None => self.link_of_last(),
        };
        let oldest_unsynced = self
            .unsynced
            .first()
            .or(self.active.as_ref().filter(|_| !is_synced));
        let header = SegmentHeader {
            log_id: shared.directory.log_id,
            salt: Salt(shared.directory.storage.random()?),
            base: self.next_offset,
            epoch: shared.meta.lock().current().epoch,
            previous,
            durable_base: oldest_unsynced.map_or(self.next_offset, |oldest| oldest.header.base),
            created: self.creation_time(shared),
            rewrite: None,
        };
        let capacity = capacity_for(shared.options.rollover, needed);
        // Held until the file has its own name: only one file can be in preparation.
        let mut ready = shared.prepared.lock();
        let prepared = match ready.take() {
            Some(prepared) if prepared.capacity() >= capacity => {
                prepared.with_space(&shared.directory, first_reserve(needed))?
            }
            _ => Prepared::create(&shared.directory, capacity, first_reserve(needed))?,
        };
        let prepared = match prepared.with_header(&shared.directory, &header) {
            Err(error @ Error::SyncFailed { .. }) => return shared.poison_on_error(Err(error)),
            other => other?,
        };
        // From here on a failure leaves open whether the new segment exists.
        let active = shared.poison_on_error(prepared.install(&shared.directory, header, self.count))?;
        drop(ready);
        shared.prepare_requested.store(false, Ordering::Relaxed);
        let active = Arc::new(active);
        shared.populate_soon(&active);
        let left = self.active.take().filter(|_| empty.is_none());
        if let Some(left) = left.as_ref().filter(|_| !is_synced) {
            self.unsynced.push(Arc::clone(left));
        }
        if self.unsynced.is_empty() {
            active.raise_frontier(FRAMES_START);
        }
        let (left_end, left_checksum) = (self.end, self.last_checksum);
        self.begin(&active, 0, FRAMES_START, active.header_checksum);
        shared.change_list(|list| {
            list.segments
                .retain(|segment| segment.base() != active.header.base);
            list.segments.push(SegmentRef::Active(Arc::clone(&active)));
            list.next_offset_min = list.next_offset_min.max(active.header.base);
        });
        shared.upkeep_due.store(true, Ordering::Relaxed);
        match left {
            Some(left) => self.seal_left(
                shared,
                &left,
                Seal {
                    len: left_end,
                    last_checksum: left_checksum,
                },
            ),
            None => Ok(()),
        }
    }

    /// How the segment behind the last one knows it.
    fn link_of_last(&self) -> Option<Previous> {
        match &self.active {
            Some(active) => Some(active.link(self.end, self.last_checksum)),
            None => self.previous,
        }
    }

    /// The header of the last segment, if a new one would have its name because there is no message in it.
    fn empty_last(&self, shared: &Shared) -> Result<Option<SegmentHeader>> {
        match (&self.active, &self.previous) {
            (Some(active), _) if active.header.base == self.next_offset => {
                active.retire();
                Ok(Some(active.header))
            }
            (None, Some(previous)) if previous.base == self.next_offset => {
                let list = shared.list.load();
                if let Some(SegmentRef::Sealed(last)) = list.segments.last() {
                    last.retire();
                }
                let (_, header) = shared.directory.open_segment(previous.base, Open::Read)?;
                Ok(Some(header))
            }
            _ => Ok(None),
        }
    }

    /// When a segment that is begun now is said to be created: never before the one in front of it.
    fn creation_time(&self, shared: &Shared) -> u32 {
        let directory = &shared.directory;
        let before = match &self.active {
            Some(active) => active.header.created,
            None => match shared.list.load().segments.last() {
                Some(segment) => directory
                    .open_segment(segment.base(), Open::Read)
                    .map_or(0, |(_, header)| header.created),
                None => 0,
            },
        };
        directory.storage.now().max(before)
    }

    /// Where visible is durable, the old segment has to be both before a message in the new one is acknowledged. Says
    /// whether the active segment is durable.
    fn sync_active(&mut self, shared: &Arc<Shared>) -> Result<bool> {
        let Some(active) = &self.active else {
            return Ok(true);
        };
        if !shared.visible_is_durable() {
            return Ok(shared.commit.synced() >= self.next_offset);
        }
        if !self.is_all_durable(active) {
            shared.poison_on_error(active.sync(&shared.directory))?;
            active.raise_frontier(self.end);
        }
        active.show_at_least(self.written());
        shared.changes.notify();
        shared.commit.advance(self.next_offset);
        Ok(true)
    }

    /// Whether every batch in the active segment is durable. Then it is not synced again: if that failed, the end
    /// marker would still say, to the next life, that this file has seen no failed sync.
    pub(crate) fn is_all_durable(&self, active: &Active) -> bool {
        active.frontier() == self.end
    }

    /// Seals the segment that was left behind: on the background thread, or here where there is none.
    fn seal_left(&mut self, shared: &Arc<Shared>, left: &Arc<Active>, seal: Seal) -> Result<()> {
        if shared.seal_soon(left, seal) {
            return Ok(());
        }
        shared.poison_on_error(left.sync(&shared.directory))?;
        self.note_synced(left);
        // What remains is no loss if it fails: the next open does it.
        let _ = shared.seal(left, seal);
        Ok(())
    }

    /// Forgets a segment that is durable now.
    pub(crate) fn note_synced(&mut self, segment: &Arc<Active>) {
        self.unsynced.retain(|held| !Arc::ptr_eq(held, segment));
        if let Some(active) = self.active.as_ref().filter(|_| self.unsynced.is_empty()) {
            active.raise_frontier(FRAMES_START);
        }
    }

    /// Whether an earlier life left something of which it is not proven that it is durable.
    pub(crate) fn needs_copies(&self) -> bool {
        let needs_copy = |segment: &Arc<Active>| segment.needs_copy();
        self.active.iter().chain(&self.unsynced).any(needs_copy)
    }

    /// Takes the mark of the clean close back, durably, before the first byte is written.
    fn unmark_clean(&mut self, shared: &Arc<Shared>) -> Result<()> {
        if self.is_marked_clean {
            let durable = shared.visible_is_durable();
            let written = shared.meta.lock().write(&*shared.directory.storage, |meta| {
                meta.clean = None;
                meta.is_copy = false;
                meta.visible_is_durable = durable;
            });
            match written {
                Err(error @ Error::SyncFailed { .. }) => return shared.poison_on_error(Err(error)),
                other => other?,
            }
            self.is_marked_clean = false;
        }
        Ok(())
    }

    /// Goes on in the last segment of a log that was closed, if there is enough room left in it.
    fn take_up_last(&mut self, shared: &Arc<Shared>, plan: &Plan) -> Result<bool> {
        let list = shared.list.load();
        let (Some(SegmentRef::Sealed(segment)), Some(previous)) = (list.segments.last(), self.previous)
        else {
            return Ok(false);
        };
        let end = u64::from(previous.len) + plan.len;
        let room = shared.options.rollover.min(TAKE_UP_MAX);
        if previous.base != segment.base()
            || u64::from(previous.len) > room / 2
            || end > shared.options.rollover
        {
            return Ok(false);
        }
        let capacity = capacity_for(shared.options.rollover, 0);
        let limit = Some(u64::from(previous.len));
        let (active, extent) = Active::adopt(&shared.directory, previous.base, limit, Some(capacity))?;
        let fits = extent.stop == Stop::Limit
            && extent.last_checksum == previous.last_checksum
            && extent.next_offset == self.next_offset
            && active.header.rewrite.is_none();
        if !fits {
            // Damaged, or with deleted messages: leave it as it is and go on behind it.
            return Ok(false);
        }
        if self.unsynced.is_empty() {
            active.raise_frontier(previous.len);
        }
        if let Err(error) = active.reserve(end) {
            // Nothing was changed, and closing may say so again; unless even that is not certain.
            return if active.file.len()? == u64::from(previous.len) {
                Err(error)
            } else {
                shared.poison_on_error(Err(error))
            };
        }
        let active = Arc::new(active);
        self.begin(
            &active,
            active.visible().count,
            previous.len,
            previous.last_checksum,
        );
        shared.replace_segment(previous.base, &SegmentRef::Active(active));
        Ok(true)
    }

    /// Makes `active` the segment to append to.
    pub(crate) fn begin(&mut self, active: &Arc<Active>, count: u32, end: u32, last_checksum: u32) {
        self.count = count;
        self.end = end;
        self.last_checksum = last_checksum;
        self.previous = None;
        self.active = Some(Arc::clone(active));
    }

    /// Overwrites what is behind the end with a marker that says up to where the log is durable. The next batch
    /// overwrites it in turn. It is what lets a recovery know that the last batch was acknowledged.
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
        // Where no space is left for it, the next segment will say it.
        let _ = active.map.store(
            u64::from(self.end),
            &marker.encode(active.keys.batch(u64::from(self.end))),
        );
    }
}

/// Copies what was built to the mapping; returns the position behind it.
#[inline]
fn flush(active: &Active, position: u32, staging: &mut Vec<u8>) -> Option<u32> {
    if !active.map.store(u64::from(position), staging) {
        return None;
    }
    let end = position + u32::try_from(staging.len()).ok()?;
    staging.clear();
    Some(end)
}
