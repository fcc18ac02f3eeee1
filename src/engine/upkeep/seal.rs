//! What can be done ahead of publishers and behind them: preparing space, sealing, paced syncs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::Durability;
use crate::engine::shared::Shared;
use crate::engine::upkeep::Background;
use crate::segment::{Active, Prepared, Seal, Sealed, SegmentEnd, SegmentRef, capacity_for, write_index};
use crate::{Error, Result};

/// How far ahead of the end space is prepared, at most.
const AHEAD_MAX: u64 = 12 << 20;
/// What the next segment has reserved when it is prepared ahead.
const NEXT_RESERVE_MAX: u64 = 4 << 20;

/// Each segment that waits for being sealed has a descriptor and a mapping, and keeps its unused space. With more than
/// these, publishers are made to seal for themselves.
const SEALS_PENDING_MAX: usize = 8;

impl Shared {
    /// Gives back a durable segment's unused space, writes its index file, and has readers use that from then on.
    pub(crate) fn seal(&self, segment: &Arc<Active>, seal: Seal) -> Result<()> {
        let _not_while_replacing = self.sealing.lock();
        if !self.has_segment(segment) {
            // Trimmed, or rewritten, meanwhile.
            return Ok(());
        }
        segment.truncate(u64::from(seal.len))?;
        if self.is_space_short() {
            return Ok(());
        }
        let walk = segment.walk(u64::from(seal.len), self.directory.kinds.key);
        write_index(&self.directory, &walk, &segment.header, seal, &Background::pause)?;
        let end = SegmentEnd::Known(segment.link(seal.len, seal.last_checksum));
        let sealed = Sealed::new(Arc::clone(&self.directory), segment.header.base, end);
        self.replace_segment(segment.header.base, &SegmentRef::Sealed(Arc::new(sealed)));
        Ok(())
    }

    /// Segments behind which others were begun, and that are not sealed.
    pub(crate) fn unsealed(&self) -> Vec<(Arc<Active>, Seal)> {
        let list = self.list.load();
        let before = list.segments.split_last().map_or(&[][..], |(_, before)| before);
        before
            .iter()
            .filter_map(|segment| match segment {
                SegmentRef::Active(active) => Some((Arc::clone(active), active.seal_from(active.visible())?)),
                SegmentRef::Sealed(_) => None,
            })
            .collect()
    }

    /// Runs `job` on the background thread, unless the log is closed by then; false if there is none.
    pub(crate) fn in_background(self: &Arc<Shared>, job: impl FnOnce(&Arc<Shared>) + Send + 'static) -> bool {
        let background = self.background.as_ref();
        background.is_some_and(|background| background.submit(self.unless_closed(job)))
    }

    /// As [`in_background`](Shared::in_background), before all else.
    fn soon(self: &Arc<Shared>, job: impl FnOnce(&Arc<Shared>) + Send + 'static) -> bool {
        let background = self.background.as_ref();
        background.is_some_and(|background| background.submit_urgent(self.unless_closed(job)))
    }

    fn unless_closed(
        self: &Arc<Shared>,
        job: impl FnOnce(&Arc<Shared>) + Send + 'static,
    ) -> impl FnOnce() + Send + 'static {
        let shared = Arc::downgrade(self);
        move || {
            if let Some(shared) = shared.upgrade() {
                let _closing_waits = shared.job.lock();
                if shared.check_writable().is_ok() {
                    job(&shared);
                }
            }
        }
    }

    /// Has a segment that was left behind synced and sealed in the background; false if there is no such thread, or
    /// if it has fallen far behind.
    pub(crate) fn seal_soon(self: &Arc<Shared>, left: &Arc<Active>, seal: Seal) -> bool {
        self.seals_pending.load(Ordering::Relaxed) < SEALS_PENDING_MAX && self.seal_later(left, seal)
    }

    /// As [`seal_soon`](Shared::seal_soon), however many are waiting.
    pub(crate) fn seal_later(self: &Arc<Shared>, left: &Arc<Active>, seal: Seal) -> bool {
        let left = Arc::clone(left);
        self.seals_pending.fetch_add(1, Ordering::Relaxed);
        let is_taken = self.in_background(move |shared| {
            shared.seals_pending.fetch_sub(1, Ordering::Relaxed);
            match left.sync_in_parts(&shared.directory, &Background::pause) {
                Ok(()) => {
                    shared.writer.lock().note_synced(&left);
                    // If it fails, the segment stays as it is, and is sealed at close or by the next open.
                    let _ = shared.seal(&left, seal);
                    shared.build_runs_soon();
                }
                // No space for a copy: the next sync, or closing, tries again.
                Err(Error::Io { .. }) => {}
                Err(error) => shared.poison(&error),
            }
        });
        if !is_taken {
            self.seals_pending.fetch_sub(1, Ordering::Relaxed);
        }
        is_taken
    }

    /// Has the retention policy applied in the background; false if there is no such thread.
    pub(crate) fn retain_later(self: &Arc<Shared>) -> bool {
        self.in_background(Shared::apply_retention_if_free)
    }

    /// After a publish: has space prepared and syncs made, where it is time. `end` is that of `active`.
    #[inline]
    pub(crate) fn look_ahead(self: &Arc<Shared>, active: &Arc<Active>, end: u32) {
        let end = u64::from(end);
        let reserved = active.map.len();
        // While as much again as was written is there, up to a bound, nothing has to be done.
        if reserved - end.min(reserved) < end.min(AHEAD_MAX) / 2 {
            self.prepare_more(active, reserved);
        }
    }

    #[cold]
    fn prepare_more(self: &Arc<Shared>, active: &Arc<Active>, reserved: u64) {
        if reserved >= active.map.capacity().min(self.options.rollover) {
            if !self.prepare_requested.swap(true, Ordering::Relaxed) {
                self.soon(Shared::prepare_next);
            }
        } else if !active.growth_requested.swap(true, Ordering::Relaxed) {
            let active = Arc::clone(active);
            self.soon(move |shared| {
                // If there is no space, the publisher who needs it will be told.
                if !shared.is_space_short() {
                    let _ = active.reserve(reserved + 1);
                }
                active.growth_requested.store(false, Ordering::Relaxed);
            });
        }
    }

    /// Has the space of a new segment made ready to be stored to, where there is a thread for it.
    pub(crate) fn populate_soon(self: &Arc<Shared>, active: &Arc<Active>) {
        let active = Arc::clone(active);
        self.soon(move |_| active.populate());
    }

    /// Prepares a file for the next segment.
    fn prepare_next(self: &Arc<Shared>) {
        let capacity = capacity_for(self.options.rollover, 0);
        let mut ready = self.prepared.lock();
        if ready.is_none() && !self.is_space_short() {
            let prepared = Prepared::create(&self.directory, capacity, capacity.min(NEXT_RESERVE_MAX));
            *ready = prepared
                .and_then(|prepared| prepared.synced(&self.directory))
                .ok();
        }
    }

    /// Has what was published synced later, as a paced durability mode says. `unsynced` is in bytes.
    #[inline]
    pub(crate) fn pace(self: &Arc<Shared>, unsynced: u64) {
        if self.pace_requested.load(Ordering::Relaxed) {
            return;
        }
        let time = match self.options.durability {
            Durability::Interval(interval) => Instant::now().checked_add(interval),
            Durability::Bytes(bytes) if unsynced >= bytes => Some(Instant::now()),
            _ => return,
        };
        let (Some(time), Some(background)) = (time, &self.background) else {
            return;
        };
        if self.pace_requested.swap(true, Ordering::Relaxed) {
            return;
        }
        let shared = Arc::downgrade(self);
        let is_taken = background.submit_at(time, move || {
            if let Some(shared) = shared.upgrade() {
                let _closing_waits = shared.job.lock();
                shared.pace_requested.store(false, Ordering::Relaxed);
                if shared.check_writable().is_ok() {
                    let next = shared.writer.lock().next_offset;
                    // A failed sync poisons the log: whoever publishes next, or closes it, is told. Without space for
                    // a copy the next one tries again.
                    let _ = shared.commit.wait_for(&shared, next);
                }
            }
        });
        if !is_taken {
            // Without the thread the publisher keeps the pace.
            self.pace_requested.store(false, Ordering::Relaxed);
            let next = self.writer.lock().next_offset;
            let _ = self.commit.wait_for(self, next);
        }
    }
}
