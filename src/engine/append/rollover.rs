//! Beginning segments: a new one, or the last one of a log that was closed.

use std::sync::Arc;

use super::appender::Appender;
use super::context::AppendContext;
use super::due::Due;
use crate::Result;
use crate::format::{BATCH_HEADER_LEN, FRAMES_START, Meta, Salt, SegmentHeader};
use crate::log::{creation_time, latest_clock};
use crate::segment::{Active, FirstReserve, Growth, Prepared, SegmentRef, WalkEnd, capacity_for};
use crate::sys::is_out_of_space;

/// The last segment of a log that was closed is reopened only if its length is at most half of this
/// and at most half of the rollover size: reopening a segment costs a walk through it.
const REOPEN_MAX: u64 = 16 << 20;

impl Appender {
    /// Makes sure that there is an active segment with space for `needed` framed bytes.
    #[inline]
    pub(super) fn make_room(
        &mut self,
        context: &AppendContext,
        needed: u64,
        due: &mut Option<Box<Due>>,
    ) -> Result<()> {
        // Where only durable messages are visible, the marker behind the batch shows it to readers
        // in other processes. So there must be room for the marker, too; and a file that ends with
        // its last batch was cut to that, after a sync.
        let marker_len = if context.frontiers.visible_is_durable() {
            BATCH_HEADER_LEN as u64
        } else {
            0
        };
        if let Some(active) = &self.active {
            let end = u64::from(self.written.end) + needed;
            let to = end + marker_len;
            if (end <= context.rollover || self.written.count == 0) && to <= active.map.capacity() {
                return if to > active.map.len() {
                    reserve(context, active, self.growth(context, to))
                } else {
                    Ok(())
                };
            }
        }
        self.next_segment(context, needed + marker_len, due)
    }

    /// What is to be reserved if space up to `end` is needed.
    pub(super) fn growth(&self, context: &AppendContext, end: u64) -> Growth {
        Growth {
            end,
            ahead_max: self.backlog.ahead_max(),
            way: context.frontiers.usual_way(),
        }
    }

    /// Goes on in a new segment, or in the last one of a log that was closed.
    #[cold]
    fn next_segment(
        &mut self,
        context: &AppendContext,
        needed: u64,
        due: &mut Option<Box<Due>>,
    ) -> Result<()> {
        self.unmark_clean(context)?;
        if self.active.is_none() && self.reopen_last(context, needed)? {
            return Ok(());
        }
        self.new_segment(context, needed, due)
    }

    /// Leaves the active segment behind and begins a new one, so that the old one can be rewritten.
    pub(super) fn roll(&mut self, context: &AppendContext, due: &mut Option<Box<Due>>) -> Result<()> {
        self.unmark_clean(context)?;
        self.new_segment(context, 0, due)
    }

    /// Begins a segment that has room for at least `needed` framed bytes.
    fn new_segment(
        &mut self,
        context: &AppendContext,
        needed: u64,
        due: &mut Option<Box<Due>>,
    ) -> Result<()> {
        let is_synced = self.sync_active(context)?;
        // An empty segment that is too small for the batch is replaced, not followed, because the
        // new one has the same name.
        let empty = self.empty_last(context)?;
        let (previous, previous_clock) = match &empty {
            Some(empty) => (empty.previous, empty.previous_clock),
            None => (self.link_of_last(), latest_clock(self.clock_max)),
        };
        let header = SegmentHeader {
            previous,
            previous_clock,
            ..self.next_header(context, is_synced)?
        };
        let created = match self.create_segment(context, &header, needed) {
            Err(error) if is_out_of_space(&error) && self.gives_back() => {
                self.create_segment(context, &header, needed)
            }
            other => other,
        };
        let active = Arc::new(created?);
        self.is_next_requested = false;
        let left = self.active.take().filter(|_| empty.is_none());
        if let Some(left) = left.as_ref().filter(|_| !is_synced) {
            self.unsynced.push(Arc::clone(left));
        }
        if self.unsynced.is_empty() {
            context.frontiers.durable_up_to(&active, FRAMES_START);
        }
        let seal = self.seal();
        // A sync may end where the segment begins.
        self.backlog.is_marked = false;
        self.begin(&active, 0, FRAMES_START, active.header_checksum);
        context.segments.change(|list| {
            list.segments.retain(|held| held.base() != active.header.base);
            list.segments.push(SegmentRef::Active(Arc::clone(&active)));
            list.next_offset_min = list.next_offset_min.max(active.header.base);
        });
        context
            .producers
            .begun(&self.guard, active.header.base, context.rollover);
        let due = Due::noted(due);
        due.begun = Some(active);
        due.left_behind = left.map(|left| (left, seal));
        Ok(())
    }

    /// The header of the segment that is about to be begun, without the segment before it.
    fn next_header(&self, context: &AppendContext, is_synced: bool) -> Result<SegmentHeader> {
        let directory = context.directory();
        let oldest_unsynced = self
            .unsynced
            .first()
            .or(self.active.as_ref().filter(|_| !is_synced));
        Ok(SegmentHeader {
            log_id: directory.log_id,
            salt: Salt(directory.dir.random()?),
            base: self.next_offset,
            epoch: context.metadata.get(|meta| meta.lives.epoch()),
            previous: None,
            durable_base: oldest_unsynced.map_or(self.next_offset, |oldest| oldest.header.base),
            created: creation_time(context.clock.now().as_micros()),
            previous_clock: 0,
            rewrite: None,
            control: self.guard.state,
        })
    }

    /// Creates the file of a segment: the prepared one, if there is one that is large enough.
    fn create_segment(&self, context: &AppendContext, header: &SegmentHeader, needed: u64) -> Result<Active> {
        let (directory, health) = (context.directory(), context.health());
        let capacity = capacity_for(context.rollover, needed);
        let reserve = FirstReserve::of_frames(needed);
        // Held until the file has its own name: only one file can be in preparation.
        let mut ready = context.prepared.lock();
        let prepared = match ready.take() {
            Some(prepared) if prepared.capacity() >= capacity => prepared.with_space(directory, reserve)?,
            _ => Prepared::create(directory, capacity, reserve)?,
        };
        let prepared = health.poison_on_failed_sync(prepared.with_header(directory, header))?;
        match prepared.install(directory, *header, self.written.count) {
            // There was no space for the name: nothing has changed.
            Err(error) if is_out_of_space(&error) => Err(error),
            // Any other failure leaves open whether the new segment exists.
            installed => health.poison_on_error(installed),
        }
    }

    /// Gives back the space behind the end of the active segment, which is about to be left behind,
    /// for the next one; false if that fails.
    fn gives_back(&self) -> bool {
        let active = self.active.as_ref();
        active.is_none_or(|active| active.give_back(u64::from(self.written.end)).is_ok())
    }

    /// Leaves the log without segments if all its messages lie below `before`, and returns the
    /// segments. The metadata must know that these messages were trimmed, and that no offset below
    /// `before` may be given out again. While it speaks of the last segment, all stay.
    pub(super) fn let_go_of_all(&mut self, context: &AppendContext, before: u64) -> Vec<SegmentRef> {
        let segments = context.segments.list().segments.clone();
        let is_empty = |last: &SegmentRef| last.base() >= before;
        let speaks_of_last = |meta: &Meta| meta.clean.is_some_and(|clean| clean.last.is_some());
        let is_told = || context.metadata.get(speaks_of_last);
        if self.next_offset != before || segments.last().is_none_or(is_empty) || is_told() {
            return Vec::new();
        }
        *self = Appender {
            next_offset: self.next_offset,
            is_marked_clean: self.is_marked_clean,
            staging: std::mem::take(&mut self.staging),
            backlog: self.backlog.emptied(),
            guard: std::mem::take(&mut self.guard),
            ..Appender::default()
        };
        context.segments.change(|list| {
            list.segments.clear();
            list.next_offset_min = list.next_offset_min.max(before);
            list.last_time = self.guard.state.last_time;
        });
        context.all_synced(before);
        segments
    }

    /// The header of the last segment if that segment is empty, so that a new one would have the
    /// same name.
    fn empty_last(&self, context: &AppendContext) -> Result<Option<SegmentHeader>> {
        match (&self.active, &self.previous) {
            (Some(active), _) if active.header.base == self.next_offset => {
                active.retire();
                Ok(Some(active.header))
            }
            (None, Some(previous)) if previous.base == self.next_offset => {
                match context.segments.list().with_base(previous.base) {
                    Some(SegmentRef::Sealed(last)) => Ok(Some(last.retire_readable()?.header)),
                    Some(SegmentRef::Active(last)) => {
                        last.retire();
                        Ok(Some(last.header))
                    }
                    None => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    /// Syncs the active segment where visible messages must be durable; returns whether it is
    /// durable. There, the old segment has to be durable and visible before a message in the new
    /// one is acknowledged.
    fn sync_active(&mut self, context: &AppendContext) -> Result<bool> {
        let Some(active) = &self.active else {
            return Ok(true);
        };
        if !context.frontiers.visible_is_durable() {
            return Ok(context.frontiers.durable() >= self.next_offset);
        }
        if !self.is_all_durable(active) {
            let synced = context.syncing(|| active.sync(context.directory()));
            context.health().poison_on_error(synced)?;
            active.raise_frontier(self.written.end);
            context.tell_durable(self.mark_end(), self.next_offset);
        }
        context.frontiers.synced(active, self.written);
        context.health().changes().notify();
        context.all_synced(self.next_offset);
        context.commit.wake();
        Ok(true)
    }

    /// Forgets a segment that is durable now.
    pub(super) fn note_synced(&mut self, context: &AppendContext, segment: &Arc<Active>) {
        self.unsynced.retain(|held| !Arc::ptr_eq(held, segment));
        self.settle(context);
    }

    /// Moves the durable end up to the first segment that is not known to be durable.
    pub(super) fn settle(&mut self, context: &AppendContext) {
        if context.health().check_not_poisoned().is_err() {
            return;
        }
        let oldest = self.unsynced.first().or(self.active.as_ref());
        let durable = oldest.map_or(self.next_offset, |oldest| oldest.header.base);
        context.all_synced(durable);
        if let Some(active) = self.active.as_ref().filter(|_| self.unsynced.is_empty()) {
            context.frontiers.durable_up_to(active, FRAMES_START);
            self.backlog
                .synced_but(u64::from(self.written.end - FRAMES_START));
        }
    }

    /// Removes the mark of the clean close, durably, before the first byte is written.
    pub(super) fn unmark_clean(&mut self, context: &AppendContext) -> Result<()> {
        if self.is_marked_clean {
            let durable = context.frontiers.visible_is_durable();
            let unmark = |meta: &mut Meta| {
                meta.clean = None;
                meta.visible_is_durable = durable;
            };
            // A trim may have said that there is no segment any more, and have failed before it
            // removed the last one. The log may go on in that, so no copy may say so any more.
            let has_segments = !context.segments.list().segments.is_empty();
            if has_segments && context.metadata.get(Meta::was_closed_empty) {
                context.metadata.write_both(unmark)?;
            } else {
                context.metadata.write(unmark)?;
            }
            self.is_marked_clean = false;
        }
        Ok(())
    }

    /// Goes on in the last segment of a log that was closed, if there is enough room left in it.
    fn reopen_last(&mut self, context: &AppendContext, needed: u64) -> Result<bool> {
        let list = context.segments.list();
        let (Some(SegmentRef::Sealed(sealed)), Some(previous)) = (list.segments.last(), self.previous) else {
            return Ok(false);
        };
        let end = u64::from(previous.len) + needed;
        let room = context.rollover.min(REOPEN_MAX);
        if previous.base != sealed.base() || u64::from(previous.len) > room / 2 || end > context.rollover {
            return Ok(false);
        }
        let capacity = capacity_for(context.rollover, 0);
        let limit = Some(u64::from(previous.len));
        let (active, extent) = Active::adopt(context.directory(), previous.base, limit, Some(capacity))?;
        let fits = extent.stop == WalkEnd::Limit
            && extent.last_checksum == previous.last_checksum
            && extent.next_offset == self.next_offset
            && active.header.rewrite.is_none()
            && active.map.is_appendable();
        if !fits {
            // The segment is damaged, or has holes or deleted messages: it stays as it is, and the
            // log goes on behind it.
            return Ok(false);
        }
        if self.unsynced.is_empty() {
            context.frontiers.durable_up_to(&active, previous.len);
        }
        if let Err(error) = active.reserve(self.growth(context, end)) {
            // If the file still has its length, nothing was changed, and closing may mark the log
            // as closed again. If even that is not certain, the log is poisoned.
            let len = active.file.len();
            return if len.is_ok_and(|len| len == u64::from(previous.len)) {
                Err(error)
            } else {
                context.health().poison_on_error(Err(error))
            };
        }
        // From here on the file gets messages that the sealed segment does not know.
        sealed.retire();
        let active = Arc::new(active);
        let count = active.visible().count;
        self.begin(&active, count, previous.len, previous.last_checksum);
        context.segments.replace(&SegmentRef::Active(active));
        context.segments.show();
        Ok(true)
    }
}

/// Reserves space in the active segment. If there is none, the space of the file that was prepared
/// for the next segment is taken.
#[cold]
fn reserve(context: &AppendContext, active: &Active, growth: Growth) -> Result<()> {
    match active.reserve(growth) {
        Err(error) if is_out_of_space(&error) => match context.prepared.lock().take() {
            Some(prepared) => {
                prepared.discard(context.directory());
                active.reserve(growth)
            }
            None => Err(error),
        },
        other => other,
    }
}
