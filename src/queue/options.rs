use std::sync::Arc;
use std::time::Duration;

use super::window::WINDOW;
use crate::{Backoff, Durability, Error, Log, Options, Result, Start};

/// How a [`Queue`](super::Queue) gives out messages, and when it gives one up. Each setter names
/// its default.
#[derive(Clone, Debug)]
#[must_use]
pub struct QueueOptions {
    pub(super) lease: Duration,
    pub(super) attempts_max: u32,
    pub(super) backoff: Backoff,
    pub(super) in_flight_max: usize,
    pub(super) by_key: bool,
    pub(crate) dead_letter: Option<DeadLetter>,
    pub(super) begin: Start,
    pub(super) follow_epoch: bool,
    pub(super) name: String,
    pub(crate) durability: Durability,
    pub(super) log: Options,
}

/// Where messages go that are given up.
#[derive(Clone, Debug)]
pub(crate) enum DeadLetter {
    /// To a stream of the same store.
    Stream(String),
    Log(Arc<dyn DebugLog>),
}

/// A log that says which it is.
pub(crate) trait DebugLog: Log + std::fmt::Debug {}

impl<L: Log + std::fmt::Debug> DebugLog for L {}

impl QueueOptions {
    /// The default options.
    pub fn new() -> QueueOptions {
        QueueOptions {
            lease: Duration::from_secs(30),
            attempts_max: 5,
            backoff: Backoff::new(),
            in_flight_max: 1024,
            by_key: false,
            dead_letter: None,
            begin: Start::Oldest,
            follow_epoch: false,
            name: String::new(),
            durability: Durability::Os,
            log: Options::new(),
        }
    }

    /// For how long a worker has a job. When that is over, somebody else may get it. Default:
    /// 30 seconds. [`Job::extend`](super::Job::extend) makes it longer for one job.
    pub fn lease(mut self, lease: Duration) -> QueueOptions {
        self.lease = lease;
        self
    }

    /// How many times a message is given out before it is buried, at least 1. Default: 5. An
    /// attempt counts when it begins, so a message that kills the process is buried, too.
    pub fn attempts_max(mut self, attempts: u32) -> QueueOptions {
        self.attempts_max = attempts;
        self
    }

    /// For how long a message rests after a job was dropped: the
    /// [bound](Backoff::bound) of this backoff, which doubles with each attempt. Jobs are given out
    /// one by one, so nothing is gained by a random time. Default: 100 ms after the first attempt,
    /// and 1 minute at most.
    pub fn backoff(mut self, backoff: Backoff) -> QueueOptions {
        self.backoff = backoff;
        self
    }

    /// How many jobs all workers together have at a time, from 1 to 65,536. Default: 1,024. At the
    /// limit, [`next`](super::Queue::next) waits.
    pub fn in_flight_max(mut self, jobs: usize) -> QueueOptions {
        self.in_flight_max = jobs;
        self
    }

    /// Keep the order of the messages of each key: a later one is given out once the earlier one is
    /// done or buried. Messages with other keys, and those without a key, go on. Default: false.
    pub fn by_key(mut self, by_key: bool) -> QueueOptions {
        self.by_key = by_key;
        self
    }

    /// The stream of the same store to which messages are published that are given up. It is made
    /// if there is none. Default: none; then they are settled and counted only.
    pub fn dead_letter(mut self, stream: impl Into<String>) -> QueueOptions {
        self.dead_letter = Some(DeadLetter::Stream(stream.into()));
        self
    }

    /// The log to which messages are published that are given up. It has to know
    /// [producers](crate::PublishOptions::producer).
    pub fn dead_letter_log(mut self, log: impl Log + std::fmt::Debug + 'static) -> QueueOptions {
        self.dead_letter = Some(DeadLetter::Log(Arc::new(log)));
        self
    }

    /// Where a new group begins. Default: at the oldest message. A group that has a state goes on
    /// where it was.
    pub fn begin(mut self, from: Start) -> QueueOptions {
        self.begin = from;
        self
    }

    /// Go on although the log is not the one that the state speaks of, because it was restored or
    /// has lost its end: see [`Log::position`]. What was settled in front of the point where the
    /// two part stays settled, and everything else is given out, again if need be. Default: false;
    /// opening fails with [`Error::EpochChanged`].
    pub fn follow_epoch(mut self, follow: bool) -> QueueOptions {
        self.follow_epoch = follow;
        self
    }

    /// The name of the queue in dead letters, in place of a stream's. For
    /// [`Queue::open`](super::Queue::open) alone. Default: empty.
    pub fn name(mut self, name: impl Into<String>) -> QueueOptions {
        self.name = name.into();
        self
    }

    /// When what the queue keeps is on stable storage. Default: [`Durability::Os`]: the death of
    /// the process loses nothing, and after a power cut the messages that were done last may come
    /// again. With [`Durability::EachPublish`], each job takes two syncs, one after the other for
    /// all workers.
    pub fn durability(mut self, durability: Durability) -> QueueOptions {
        self.durability = durability;
        self
    }

    /// The options by which the queue's own log is opened, for what they say about files, the
    /// background and the [clock](Options::clock), which is that of the queue, too. For
    /// [`Queue::open`](super::Queue::open) alone; in a store, those of the store hold. Default:
    /// [`Options::new`].
    pub fn log(mut self, options: Options) -> QueueOptions {
        self.log = options;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.lease.is_zero() {
            return Err(Error::Invalid("a lease must be longer than nothing"));
        }
        if self.attempts_max == 0 {
            return Err(Error::Invalid("a message must be given out at least once"));
        }
        if !(1..=WINDOW).contains(&(self.in_flight_max as u64)) {
            return Err(Error::Invalid("from 1 to 65,536 jobs may be in flight"));
        }
        Ok(())
    }

    /// For how long a message rests after so many attempts, in microseconds.
    pub(super) fn rest(&self, attempts: u32) -> u64 {
        micros(self.backoff.bound(attempts.saturating_sub(1)))
    }
}

impl Default for QueueOptions {
    fn default() -> QueueOptions {
        QueueOptions::new()
    }
}

/// Whole microseconds; the most that there can be for all that is longer.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
