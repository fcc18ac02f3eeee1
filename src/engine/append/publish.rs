use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::{Mutex, MutexGuard};

use super::appender::Appender;
use super::batch::BatchPlan;
use super::context::AppendContext;
use super::due::{Due, SpaceAhead};
use super::framing::Records;
use super::frontiers::Frontiers;
use super::group_commit::GroupCommit;
use super::published::Published;
use super::saved_producers::SavedProducers;
use super::waiting::AHEAD_MAX;
use crate::control::{ControlState, check_offset};
use crate::directory::{LiveMetadata, NoteToReaders};
use crate::engine::segments::{Reader, Segments};
use crate::format::{CleanEnd, Meta, Previous};
use crate::segment::{Active, Prepared, Seal, SegmentRef, Way};
use crate::{Ack, Durability, Error, MappedFiles, NewMessage, Options, PublishOptions, Result, Timestamp};

/// Appends batches to a log, and makes them durable.
#[derive(Debug)]
pub(crate) struct Append {
    pub(super) context: AppendContext,
    pub(super) appender: Mutex<Appender>,
}

impl Append {
    /// Goes on where `appender` says. Everything below the offset `durable` is on stable storage,
    /// and a file knows the producers' batches below `producers_saved`.
    pub(crate) fn new(
        segments: &Arc<Segments>,
        metadata: &Arc<LiveMetadata>,
        mut appender: Appender,
        (durable, producers_saved): (u64, u64),
        options: &Options,
    ) -> Append {
        if matches!(options.durability, Durability::Interval(_) | Durability::Bytes(_)) {
            appender.backlog.set_paced();
        }
        let takes_stores = segments.directory.dir.mapped_files() == MappedFiles::All;
        if !takes_stores {
            appender.backlog.set_called();
        }
        let visible_is_durable = options.durability == Durability::EachPublish;
        let how = (visible_is_durable, takes_stores);
        let frontiers = Frontiers::new(durable, appender.next_offset, how);
        if durable < appender.next_offset && !options.read_only {
            // An earlier life has written this. When, nobody knows.
            frontiers.waiting().mark(durable);
            let bases = appender.unsynced.iter().map(|segment| segment.header.base);
            bases
                .filter(|base| *base > durable)
                .for_each(|base| frontiers.waiting().mark(base));
        }
        Append {
            context: AppendContext {
                directory: Arc::clone(&segments.directory),
                segments: Arc::clone(segments),
                metadata: Arc::clone(metadata),
                frontiers,
                commit: GroupCommit::default(),
                prepared: Mutex::new(None),
                clock: Arc::clone(&options.environment.clock),
                rollover: options.rollover,
                sealed_at: AtomicU64::new(appender.guard.sealed_at()),
                producers: SavedProducers::new(producers_saved),
                note: NoteToReaders::new(metadata.get(|meta| meta.lives.current().id)),
                tally: options.environment.tally.clone(),
            },
            appender: Mutex::new(appender),
        }
    }

    pub(crate) fn frontiers(&self) -> &Frontiers {
        &self.context.frontiers
    }

    /// The file of the next segment, if it was prepared.
    pub(crate) fn prepared(&self) -> MutexGuard<'_, Option<Prepared>> {
        self.context.prepared.lock()
    }

    /// See [`Log::append`](crate::Log::append). What is left to do is left also after an error.
    #[inline]
    pub(crate) fn publish(
        &self,
        messages: &[NewMessage<'_>],
        how: &PublishOptions<'_>,
        published: &mut Published,
    ) -> Result<()> {
        let context = &self.context;
        context.health().check_writable()?;
        if how.is_special {
            return self.publish_special(messages, how, published);
        }
        let mut plan = BatchPlan {
            producer: how.producer,
            ..BatchPlan::default()
        };
        if !messages.is_empty() {
            plan.measure(messages)?;
        }
        let waits = how.sync || context.frontiers.visible_is_durable();
        let appender = self.lock_to_append(waits)?;
        if appender.guard.is_concerned(how) {
            drop(appender);
            return self.publish_special(messages, how, published);
        }
        check_offset(how, appender.next_offset)?;
        if messages.is_empty() {
            let next_offset = appender.next_offset;
            drop(appender);
            return self.published_nothing(next_offset, how, published);
        }
        if appender.guard.may_repeat(how)
            && let Some(ack) = appender.guard.published(how, appender.next_offset)?
        {
            published.ack = ack;
            published.waits = waits;
            return Ok(());
        }
        self.append_and_show(appender, Records::of(messages), &plan, waits, published)
    }

    /// The appender, when it can append a batch that is waited for if `waits`.
    #[inline]
    pub(super) fn lock_to_append(&self, waits: bool) -> Result<MutexGuard<'_, Appender>> {
        let health = self.context.health();
        let mut appender = self.appender.lock();
        health.check_still_writable()?;
        if waits && appender.needs_copies() {
            // The copy may find no space. That must not happen once the batch is in the log.
            let next_offset = appender.next_offset;
            drop(appender);
            self.wait_for(next_offset)?;
            appender = self.appender.lock();
            health.check_still_writable()?;
        }
        Ok(appender)
    }

    /// Appends messages that were admitted.
    #[inline]
    pub(super) fn append_and_show(
        &self,
        mut appender: MutexGuard<'_, Appender>,
        records: Records<'_>,
        plan: &BatchPlan,
        waits: bool,
        published: &mut Published,
    ) -> Result<()> {
        appender.append(&self.context, records, plan, (None, waits), published)?;
        if let Some(producer) = plan.producer {
            let (start, end) = (published.ack.start, published.ack.end);
            let times = (start.time.as_micros(), end.time.as_micros());
            appender
                .guard
                .note_produced(producer, start.offset, end.offset, times);
        }
        published.backlog_len = appender.backlog.len();
        drop(appender);
        self.notify_visible();
        Ok(())
    }

    /// Wakes readers, if what was appended is visible.
    #[inline]
    pub(super) fn notify_visible(&self) {
        if !self.context.frontiers.visible_is_durable() {
            self.context.health().changes().notify();
        }
    }

    /// The result of publishing an empty batch: the end that readers see.
    #[cold]
    pub(super) fn published_nothing(
        &self,
        next_offset: u64,
        how: &PublishOptions<'_>,
        published: &mut Published,
    ) -> Result<()> {
        if how.sync {
            self.wait_for(next_offset)?;
        }
        published.ack = Ack::of_nothing(Reader::new(&self.context.segments)?.tail());
        Ok(())
    }

    /// Brings everything published so far to stable storage.
    pub(crate) fn sync(&self) -> Result<()> {
        let next_offset = self.appender.lock().next_offset;
        self.wait_for(next_offset)
    }

    /// Returns when everything below `offset` is durable.
    pub(crate) fn wait_for(&self, offset: u64) -> Result<()> {
        let context = &self.context;
        let durable = || context.frontiers.durable();
        let lead = |begun: &dyn Fn(u64)| context.syncing(|| self.sync_all(begun));
        context.commit.wait(context.health(), offset, durable, lead)
    }

    /// Framed bytes that are not on stable storage.
    pub(crate) fn backlog_len(&self) -> u64 {
        self.appender.lock().backlog.len()
    }

    /// Notes that a segment that was left behind is durable now.
    pub(crate) fn note_synced(&self, segment: &Arc<Active>) {
        self.appender.lock().note_synced(&self.context, segment);
        self.save_pending_producers();
    }

    /// Forgets segments that no longer belong to the log.
    pub(crate) fn forget(&self, is_gone: impl Fn(u64) -> bool) {
        let mut appender = self.appender.lock();
        appender.unsynced.retain(|held| !is_gone(held.header.base));
        appender.settle(&self.context);
    }

    /// Has both copies of the metadata say what `change` says: that everything below `before` was
    /// trimmed.
    ///
    /// In a log that was closed and not written to since, the metadata knows the last segment. If
    /// that goes as well, it says from then on that the log was closed without segments. So there
    /// is nothing to write when the log is closed. A last segment that is empty stays.
    pub(crate) fn move_start(&self, before: u64, change: impl FnOnce(&mut Meta)) -> Result<()> {
        let context = &self.context;
        let appender = self.appender.lock();
        let list = context.segments.list();
        let goes = list.segments.last().is_some_and(|last| last.base() < before);
        if !goes || appender.next_offset != before || !appender.is_marked_clean {
            drop(appender);
            return context.metadata.write_both(change);
        }
        // Under the appender's lock: whoever publishes takes the mark away.
        let durable = context.frontiers.visible_is_durable();
        context.metadata.write_both(|meta| {
            change(meta);
            meta.visible_is_durable = durable;
            meta.clean = Some(CleanEnd { last: None });
        })
    }

    /// Leaves the log without segments, if nothing was published from `before` on, and returns
    /// them. Everything below `before` must have been trimmed, durably.
    pub(crate) fn let_go_of_all(&self, before: u64) -> Vec<SegmentRef> {
        self.appender.lock().let_go_of_all(&self.context, before)
    }

    /// Leaves the segment with this base behind if it is the last, so that nothing more is written
    /// to it.
    pub(crate) fn leave_behind(&self, base: u64, due: &mut Option<Box<Due>>) -> Result<()> {
        let mut appender = self.appender.lock();
        self.context.health().check_writable()?;
        if self.context.segments.list().is_last(base) {
            appender.roll(&self.context, due)
        } else {
            Ok(())
        }
    }

    /// Makes everything durable, gives back the space that is not needed, and marks the log as
    /// closed in its metadata. `seal` writes the indexes of the last segment and of those that are
    /// not sealed yet.
    pub(crate) fn close(
        &self,
        seal: impl Fn(Option<(&Arc<Active>, Seal)>),
        mark_clean: impl FnOnce((u64, ControlState), Option<Previous>, bool) -> Result<()>,
    ) -> Result<()> {
        let context = &self.context;
        let mut appender = self.appender.lock();
        context.health().check_not_poisoned()?;
        if let Some(prepared) = context.prepared.lock().take() {
            prepared.discard(context.directory());
        }
        // Still under the appender's lock: a thread that waits for a sync finds no active segment
        // from now on, so it must find the failure.
        let closed = appender.make_durable(context).and_then(|last| {
            seal(last.as_ref().map(|(active, seal)| (active, *seal)));
            let link = last.map(|(active, seal)| active.link(seal.len, seal.last_checksum));
            let last = link.or(appender.previous);
            let control = (appender.next_offset, appender.guard.state);
            self.save_producers_at_close(control.0, &appender.guard)?;
            mark_clean(control, last, appender.is_marked_clean)?;
            context.note.close(&context.directory().dir);
            Ok(())
        });
        context.health().poison_on_error(closed)
    }
}

impl Appender {
    /// Appends a batch, and makes it visible unless that has to wait for a sync.
    ///
    /// If this fails, no offset was given out, and neither a reader nor recovery takes anything
    /// that was written for a batch of the log.
    #[inline]
    pub(super) fn append(
        &mut self,
        context: &AppendContext,
        records: Records<'_>,
        plan: &BatchPlan,
        (now, waits): (Option<Timestamp>, bool),
        published: &mut Published,
    ) -> Result<()> {
        if self.next_offset.checked_add(u64::from(plan.count)).is_none() {
            return Err(Error::Invalid("the log has given out all its offsets"));
        }
        self.make_room(context, plan.len, &mut published.due)?;
        // The clock is read once for the batch, here unless it has been, and not at all if every
        // message has a time.
        let now = if plan.is_timed {
            Timestamp::default()
        } else {
            let now = now.unwrap_or_else(|| context.clock.now());
            self.clock_max = self.clock_max.map(|max| max.max(now.as_micros()));
            now
        };
        let hash_keys = context.directory().kinds.key;
        let way = self.backlog.way(waits);
        if way == Way::Call {
            self.check_size_limit(plan.len)?;
            self.note_before_tearing(context, plan.len);
        }
        let built = self.build(records, plan, now, way, hash_keys);
        self.last_checksum = match built {
            Ok(last_checksum) => last_checksum,
            Err(error) => return Err(self.give_up(context, error)),
        };
        #[expect(clippy::cast_possible_truncation, reason = "make_room has compared")]
        {
            self.written.end += plan.len as u32;
        }
        self.written.count += plan.count;
        self.backlog.wrote(plan.len);
        if !std::mem::replace(&mut self.backlog.is_marked, true) {
            context.frontiers.waiting().mark(self.next_offset);
        }
        published.waits = waits;
        published.ack = self.note_times(records, plan, now);
        self.next_offset = published.ack.end.offset;
        if let Some(active) = &self.active {
            context.frontiers.wrote(active, self.written);
            active.prefetch_for_next(self.written.end);
            let (end, reserved) = (u64::from(self.written.end), active.map.len());
            // Nothing is due while the space ahead is at least half of what was written, here or in
            // the segment before, up to a bound.
            let written = end.max(self.backlog.segment_before);
            if reserved - end.min(reserved) < written.min(AHEAD_MAX) / 2 {
                self.ask_for_space(context, end, reserved, &mut published.due);
            }
        }
        let (meter, end) = (context.health().meter(), self.written.end);
        meter.published(records.messages, plan.len, (self.next_offset, end));
        Ok(())
    }

    /// Takes back a batch that could not be written; returns what the publisher is told.
    #[cold]
    fn give_up(&mut self, context: &AppendContext, error: Error) -> Error {
        if let Error::Io { .. } = error {
            // A call has failed: nobody has seen anything of the batch, and nobody will.
            let withdrawn = context.health().poison_on_error(self.withdraw());
            return withdrawn.err().unwrap_or(error);
        }
        context.health().poison(&error);
        error
    }

    #[cold]
    fn ask_for_space(
        &mut self,
        context: &AppendContext,
        end: u64,
        reserved: u64,
        due: &mut Option<Box<Due>>,
    ) {
        let Some(active) = &self.active else { return };
        let limit = active.map.capacity().min(context.rollover);
        let wanted = end.max(self.backlog.segment_before).min(AHEAD_MAX);
        if limit.saturating_sub(end) < wanted / 2 && !self.is_next_requested {
            self.is_next_requested = true;
            Due::noted(due).space = Some(SpaceAhead::NextSegment);
        } else if reserved < limit
            && reserved.saturating_sub(end) < self.backlog.ahead_max() / 2
            && active.request_growth()
        {
            let growth = self.growth(context, reserved + 1);
            Due::noted(due).space = Some(SpaceAhead::Grow(Arc::clone(active), growth));
        }
    }

    /// Makes all segments durable, cuts the last one to its end, and returns it.
    fn make_durable(&mut self, context: &AppendContext) -> Result<Option<(Arc<Active>, Seal)>> {
        for segment in std::mem::take(&mut self.unsynced) {
            segment.sync(context.directory())?;
        }
        let Some(active) = self.active.take() else {
            return Ok(None);
        };
        let seal = self.seal();
        // Readers in other processes take what is cut for durable; see `make_room`.
        if context.frontiers.visible_is_durable() && active.frontier() < seal.len {
            active.sync(context.directory())?;
        }
        active.truncate(u64::from(seal.len))?;
        active.sync(context.directory())?;
        context.frontiers.closed(&active, self.written);
        Ok(Some((active, seal)))
    }
}
