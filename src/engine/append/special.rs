//! Publishing with control records or an expected key, to a log that looks at every publish, and
//! what is refused.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::appender::Appender;
use super::batch::BatchPlan;
use super::framing::Records;
use super::publish::Append;
use super::published::Published;
use crate::control::{ControlState, Guard, Noted};
use crate::engine::segments::Reader;
use crate::types::ControlContent;
use crate::{Ack, Control, Error, NewMessage, PublishOptions, Result, Token};

impl Append {
    /// As [`publish`](Append::publish), with everything that options may ask for.
    #[cold]
    #[inline(never)]
    pub(super) fn publish_special(
        &self,
        messages: &[NewMessage<'_>],
        how: &PublishOptions<'_>,
        published: &mut Published,
    ) -> Result<()> {
        let context = &self.context;
        let controls: Vec<Control> = how.control_records()?.collect();
        let contents: Vec<ControlContent> = controls.iter().map(|control| control.content()).collect();
        let extra = contents
            .iter()
            .map(|content| NewMessage::value(content.as_bytes()));
        let extra: Vec<NewMessage<'_>> = extra.collect();
        let plan = plan_of(messages, &extra, how.producer)?;
        let trims = controls.iter().any(|control| matches!(control, Control::Trim(_)));
        let waits = how.sync || trims || context.frontiers.visible_is_durable();
        let mut appender = self.lock_to_append(waits)?;
        let next_offset = appender.next_offset;
        let last_of_key = |key: &[u8]| self.last_of_key(&appender, key);
        match appender
            .guard
            .admit(how, next_offset, plan.is_none(), last_of_key)
        {
            Err(error) => {
                let changed_at = appender.guard.changed_at();
                drop(appender);
                return Err(self.refused(error, changed_at));
            }
            Ok(Some(ack)) => {
                published.ack = ack;
                published.waits = waits;
                // The first call may have failed, or died, before it could trim.
                published.trim_to = trims.then_some(appender.guard.state.trim_to);
                return Ok(());
            }
            Ok(None) => {}
        }
        let Some(plan) = plan else {
            drop(appender);
            return self.published_nothing(next_offset, how, published);
        };
        let stamped;
        let (records, plan, now) = if extra.is_empty() && appender.guard.keeps_times() {
            (Records::of(messages), plan, None)
        } else {
            let now = context.clock.now();
            stamped = appender.guard.stamp(messages, &extra, now)?;
            let records = Records {
                all: &stamped,
                messages: messages.len(),
            };
            (records, plan.stamped(&stamped, now), Some(now))
        };
        if !controls.is_empty() {
            context.metadata.note_gaps()?;
        }
        appender.append(context, records, &plan, (now, waits), published)?;
        // Keeps the list of fences short, also if nobody ever asks for the token.
        appender.guard.token_at(self.tokens_seen());
        appender.note(&published.ack, messages.len(), &controls, how.producer);
        self.store_seal(&appender.guard);
        published.backlog_len = appender.backlog.len();
        published.trim_to = trims.then_some(appender.guard.state.trim_to);
        drop(appender);
        self.notify_visible();
        Ok(())
    }

    /// The answer to a publish that was refused with `error`, by what the log was at `changed_at`.
    /// Where only what is durable is visible, so is the reason.
    fn refused(&self, error: Error, changed_at: u64) -> Error {
        let is_by_control = matches!(error, Error::Fenced { .. } | Error::Sealed);
        if is_by_control
            && self.context.frontiers.visible_is_durable()
            && let Err(failed) = self.wait_for(changed_at)
        {
            return failed;
        }
        error
    }

    /// The offset of the last message with this key among all that were given out.
    fn last_of_key(&self, appender: &Appender, key: &[u8]) -> Result<Option<u64>> {
        let reader = Reader::new(&self.context.segments)?;
        let written = appender.active.as_ref().map(|active| (active, appender.written));
        match reader.newest_written_by_key(key, written) {
            Ok(message) => Ok(Some(message.offset)),
            Err(Error::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The log's token. Where only what is durable is visible, so is the token.
    pub(crate) fn token(&self) -> Token {
        let seen = self.tokens_seen();
        self.appender.lock().guard.token_at(seen)
    }

    /// The offset below which fences are visible.
    fn tokens_seen(&self) -> u64 {
        let frontiers = &self.context.frontiers;
        if frontiers.visible_is_durable() {
            frontiers.durable()
        } else {
            u64::MAX
        }
    }

    /// One past the record that has sealed the log; `u64::MAX` if it is not sealed.
    pub(crate) fn sealed_at(&self) -> u64 {
        self.context.sealed_at.load(Ordering::Acquire)
    }

    /// What the log has come to.
    pub(crate) fn control(&self) -> ControlState {
        self.appender.lock().guard.state
    }

    /// How many producers are known.
    pub(crate) fn producer_count(&self) -> usize {
        self.appender.lock().guard.producers.count()
    }

    /// What the records below the offset `before` have come to, if nothing was published from there
    /// on.
    pub(crate) fn control_at(&self, before: u64) -> Option<ControlState> {
        let appender = self.appender.lock();
        (appender.next_offset == before).then_some(appender.guard.state)
    }

    /// Where control records have trimmed the log to.
    pub(crate) fn trim_to(&self) -> u64 {
        self.appender.lock().guard.state.trim_to
    }

    /// Opens a sealed log again.
    pub(crate) fn unseal(&self, published: &mut Published) -> Result<()> {
        let next_offset = {
            let appender = self.appender.lock();
            (!appender.guard.state.is_sealed).then_some(appender.next_offset)
        };
        if let Some(next_offset) = next_offset {
            // Whoever has opened it may still wait until that is durable.
            return self.wait_for(next_offset);
        }
        let content = Control::Unseal.content();
        let record = [NewMessage::value(content.as_bytes())];
        self.append_controls(&record, &[Control::Unseal], published)
    }

    /// Appends control records with the content of `records`, whatever the guard would say. Of
    /// them, `known` take effect.
    pub(crate) fn append_controls(
        &self,
        records: &[NewMessage<'_>],
        known: &[Control],
        published: &mut Published,
    ) -> Result<()> {
        let context = &self.context;
        context.health().check_writable()?;
        let plan = BatchPlan::of(records, None)?;
        let mut appender = self.lock_to_append(true)?;
        let now = context.clock.now();
        let stamped = appender.guard.stamp(&[], records, now)?;
        let plan = plan.stamped(&stamped, now);
        context.metadata.note_gaps()?;
        let records = Records {
            all: &stamped,
            messages: 0,
        };
        appender.append(context, records, &plan, (Some(now), true), published)?;
        appender.note(&published.ack, 0, known, None);
        drop(appender);
        if !context.frontiers.visible_is_durable() {
            self.show_seal();
        }
        self.notify_visible();
        Ok(())
    }

    /// Shows readers whether the log is sealed, once the record that says so is visible.
    pub(crate) fn show_seal(&self) {
        self.store_seal(&self.appender.lock().guard);
    }

    fn store_seal(&self, guard: &Guard) {
        self.context.sealed_at.store(guard.sealed_at(), Ordering::Release);
    }

    /// Takes over what another handle has done to the log, which ends at `next_offset` and is on
    /// stable storage below `durable`. Only for a handle that publishes nothing.
    pub(crate) fn learn(&self, next_offset: u64, durable: u64, learn: impl FnOnce(&mut Guard)) {
        let mut appender = self.appender.lock();
        appender.next_offset = next_offset;
        learn(&mut appender.guard);
        self.store_seal(&appender.guard);
        self.context.frontiers.all_synced(durable);
    }

    /// See [`Log::wait_synced`](crate::Log::wait_synced).
    pub(crate) fn wait_synced(&self, offset: u64, timeout: Option<Duration>) -> Result<u64> {
        /// How often a failure is looked for, which wakes only readers.
        const PAUSE: Duration = Duration::from_millis(20);
        let (health, frontiers) = (self.context.health(), &self.context.frontiers);
        health.check_writable()?;
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let reached = frontiers.durable();
            if reached >= offset {
                return Ok(reached);
            }
            health.check_writable()?;
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Ok(reached);
            }
            let pause = now.checked_add(PAUSE).into_iter().chain(deadline).min();
            let moved = || (frontiers.durable() >= offset).then_some(());
            frontiers.moved().wait_until(pause, moved);
        }
    }
}

/// The plan of a batch of messages and control records; `None` for an empty one.
fn plan_of(
    messages: &[NewMessage<'_>],
    extra: &[NewMessage<'_>],
    producer: Option<(u64, u64)>,
) -> Result<Option<BatchPlan>> {
    match (messages, extra) {
        ([], []) => Ok(None),
        (messages, []) => BatchPlan::of(messages, producer).map(Some),
        (messages, extra) => BatchPlan::of(&[messages, extra].concat(), producer).map(Some),
    }
}

impl Appender {
    /// Has the guard take note of a batch that was appended.
    fn note(&mut self, ack: &Ack, messages: usize, controls: &[Control], producer: Option<(u64, u64)>) {
        let noted = Noted {
            first: ack.start.offset,
            #[expect(clippy::cast_possible_truncation, reason = "a batch plan counts them")]
            messages: messages as u32,
            times: (ack.start.time.as_micros(), ack.end.time.as_micros()),
            // The appender has told the guard.
            time_max: i64::MIN,
        };
        self.guard.note(&noted, controls, producer);
    }
}
