//! Waiting for a job.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::inner::Inner;
use super::state::{Given, Polled};
use crate::blocking::poisoned;
use crate::{BlockingLog, Error, Log, Result};

/// What there is once nothing has to be buried.
pub(super) enum Found {
    /// A job; `None` if none will come.
    Job(Option<Given>),
    /// Nothing, until this time at the most.
    NothingUntil(Option<u64>),
}

impl<L: Log> Inner<L> {
    /// The next job; `None` if there is none in time, or none will come.
    pub(super) fn next(&self, timeout: Option<Duration>) -> Result<Option<Given>> {
        let mut found = self.next_now()?;
        let mut deadline = None;
        loop {
            let timer = match found {
                Found::Job(given) => return Ok(given),
                Found::NothingUntil(timer) => timer,
            };
            // A deadline too far away to be represented is no deadline.
            let deadline = *deadline
                .get_or_insert_with(|| timeout.and_then(|timeout| Instant::now().checked_add(timeout)));
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Ok(None);
            }
            found = self.settled(self.wait(deadline, timer)?)?;
        }
    }

    /// What there is now.
    pub(super) fn next_now(&self) -> Result<Found> {
        self.check_writable()?;
        if self.letters.are_owed() {
            self.bury_if_not_paused()?;
        }
        self.settled(self.poll()?)
    }

    /// Buries until there is something else.
    fn settled(&self, mut polled: Polled) -> Result<Found> {
        loop {
            match polled {
                Polled::Job(given) => return Ok(Found::Job(Some(given))),
                Polled::Ended => return Ok(Found::Job(None)),
                Polled::Nothing(timer) => return Ok(Found::NothingUntil(timer)),
                Polled::Bury => self.bury_if_not_paused()?,
            }
            polled = self.poll()?;
        }
    }

    /// How long it is until this time.
    fn left(&self, timer: u64) -> Duration {
        Duration::from_micros(timer.saturating_sub(self.time.now()).max(1))
    }

    /// How long to wait where there is nothing until this time.
    pub(super) fn wait_for(&self, timer: Option<u64>) -> Duration {
        let pause = self.pause();
        timer.map_or(pause, |timer| self.left(timer).min(pause))
    }

    /// After how long to look again, whatever wakes this. A log that does not tell of its changes
    /// is looked at now and then; so is a paused one.
    fn pause(&self) -> Duration {
        let is_told = self.sources.iter().all(|log| log.changes().is_some());
        if is_told {
            Duration::from_secs(1)
        } else {
            BlockingLog::<L>::POLL_INTERVAL
        }
    }

    /// Buries what is to be buried. What is in a paused partition, and what came after it, waits
    /// until that is resumed: letters are published in order.
    fn bury_if_not_paused(&self) -> Result<()> {
        self.check_open()?;
        match self.finish_burying() {
            Err(Error::Paused { .. }) => Ok(()),
            buried => buried,
        }
    }

    /// Looks until there is something, or one of these times has come.
    fn wait(&self, deadline: Option<Instant>, timer: Option<u64>) -> Result<Polled> {
        let wake_at = timer.and_then(|timer| Instant::now().checked_add(self.left(timer)));
        let look_at = Instant::now().checked_add(self.pause());
        let until = [deadline, wake_at, look_at].into_iter().flatten().min();
        let found = self.changes.wait_until(until, || {
            self.watch();
            match self.poll() {
                // Somebody has changed when there is something next.
                Ok(Polled::Nothing(Some(next))) if timer.is_none_or(|timer| next < timer) => {
                    Some(Ok(Polled::Nothing(Some(next))))
                }
                Ok(Polled::Nothing(_)) => None,
                found => Some(found),
            }
        });
        found.unwrap_or_else(|| self.poll())
    }

    /// Has each log wake the workers after its next change.
    pub(super) fn watch(&self) {
        let context = Context::from_waker(&self.waker);
        for (log, watch) in self.sources.iter().zip(&self.watches) {
            if let Some(changes) = log.changes() {
                let _: Poll<()> = changes.poll_until(watch, &context, || None);
            }
        }
    }

    fn poll(&self) -> Result<Polled> {
        self.check_open()?;
        // Read before the log, so that messages that became visible before the poisoning are given
        // out first.
        let is_poisoned = |log: &L| log.changes().is_some_and(crate::Changes::is_poisoned);
        let broken = self.sources.iter().find(|log| is_poisoned(log));
        let polled = self.state.lock().poll(&self.sources, &self.options)?;
        if let (Polled::Nothing(None), Some(log)) = (&polled, broken) {
            return Err(poisoned(log));
        }
        Ok(polled)
    }
}
