use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::inner::Inner;
use super::state::{Given, Held};
use crate::{Log, Message, Result};

/// A message that a worker has got from a [`Queue`](super::Queue). It is the message, too.
///
/// A job that is dropped is tried again after the [backoff](super::QueueOptions::backoff).
///
/// All calls fail with [`LeaseLost`](crate::Error::LeaseLost) if the lease is over and the message
/// was given out again, or is being buried. As long as nobody else has it, a late call counts.
#[derive(Debug)]
#[must_use = "a job that is dropped is tried again"]
pub struct Job<L: Log> {
    inner: Arc<Inner<L>>,
    message: Message,
    held: Held,
    is_settled: bool,
}

impl<L: Log> Job<L> {
    pub(super) fn new(inner: &Arc<Inner<L>>, given: Given) -> Job<L> {
        let held = Held {
            part: given.part,
            offset: given.message.offset,
            lease: given.lease,
            attempt: given.attempt,
        };
        Job {
            inner: Arc::clone(inner),
            message: given.message,
            held,
            is_settled: false,
        }
    }

    /// Which attempt this is, counted from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.held.attempt
    }

    /// The number of the partition in which the message is; 0 for a single log.
    #[must_use]
    pub fn partition(&self) -> u32 {
        u32::try_from(self.held.part).unwrap_or(u32::MAX)
    }

    /// The job is done: its message is settled. When this returns, that outlasts the process, and
    /// with the queue's [durability](super::QueueOptions::durability) more.
    ///
    /// # Errors
    ///
    /// [`LeaseLost`](crate::Error::LeaseLost); those of [`Log::publish`] to the state: the message
    /// is tried again.
    pub fn done(self) -> Result<()> {
        self.settle(|job| job.inner.done(job.held))
    }

    /// The message is given out again after `delay`, or, if this was its last attempt, buried.
    ///
    /// # Errors
    ///
    /// [`LeaseLost`](crate::Error::LeaseLost); those of [`Log::publish`] to the state: the delay is
    /// kept as long as the queue is open.
    pub fn retry(self, delay: Duration) -> Result<()> {
        self.settle(|job| job.inner.retry(job.held, delay))
    }

    /// Gives the message up: it is published to the dead letters, once, also across a crash, and
    /// settled. The letter has the message's key, value, headers and time, and the headers
    /// `dead.stream`, `dead.group`, `dead.partition`, `dead.offset`,
    /// `dead.attempts` and `dead.reason`. Of the reason, 1,024 bytes are kept. Without dead
    /// letters, the message is settled and counted.
    ///
    /// # Durability
    ///
    /// When this returns, the letter is on stable storage. That takes two syncs.
    ///
    /// # Errors
    ///
    /// [`LeaseLost`](crate::Error::LeaseLost); those of [`Log::append`] to the dead letters: the
    /// message is not given out any more, and [`next`](super::Queue::next) tries again to publish
    /// it before it gives out anything.
    pub fn bury(self, reason: &str) -> Result<()> {
        self.settle(|job| job.inner.bury(job.held, reason))
    }

    /// Has the lease end `lease` from now.
    ///
    /// # Errors
    ///
    /// [`LeaseLost`](crate::Error::LeaseLost).
    pub fn extend(&mut self, lease: Duration) -> Result<()> {
        self.inner.extend(self.held, lease)
    }

    fn settle(mut self, settle: impl FnOnce(&Job<L>) -> Result<()>) -> Result<()> {
        let settled = settle(&self);
        self.is_settled = settled.is_ok();
        settled
    }
}

impl<L: Log> Deref for Job<L> {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

impl<L: Log> Drop for Job<L> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.inner.release(self.held);
        }
    }
}
