//! What the handles of a queue share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use parking_lot::Mutex;

use super::floors::Last;
use super::letters::Letters;
use super::options::{QueueOptions, micros};
use super::stat::{QueueStat, QueuedPartition};
use super::state::{AHEAD, Held, Part, State, Time, message_at};
use crate::sys::Process;
use crate::{Changes, Error, Log, Message, Result, Start, Watch};

/// A queue that is open.
///
/// Locks are taken in this order: that of burying, that of the state, those of the logs.
#[derive(Debug)]
pub(super) struct Inner<L: Log> {
    pub(super) sources: Vec<L>,
    /// With which each source wakes those who wait here.
    pub(super) watches: Vec<Watch>,
    pub(super) letters: Letters,
    pub(super) options: QueueOptions,
    pub(super) state: Arc<Mutex<State>>,
    /// Up to where it had dealt with its partitions when it was closed.
    pub(super) last: Last,
    pub(super) time: Time,
    /// Told when there may be something for a worker.
    pub(super) changes: Arc<Changes>,
    pub(super) waker: Waker,
    pub(super) is_closed: AtomicBool,
    pub(super) process: Process,
    /// Whether it is only looked at.
    pub(super) read_only: bool,
}

/// Wakes the workers of a queue.
pub(super) struct Told(pub(super) Arc<Changes>);

impl Wake for Told {
    fn wake(self: Arc<Told>) {
        self.0.notify();
    }
}

impl<L: Log> Inner<L> {
    /// Fails if the queue was closed, or in a fork of the process.
    pub(super) fn check_open(&self) -> Result<()> {
        if !self.process.is_current() {
            return Err(Error::Forked);
        }
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        Ok(())
    }

    /// Fails if the queue is only looked at, too.
    pub(super) fn check_writable(&self) -> Result<()> {
        self.check_open()?;
        if self.read_only {
            return Err(Error::ReadOnly);
        }
        Ok(())
    }

    /// Changes the state for a worker, and wakes the others.
    fn change(&self, change: impl FnOnce(&mut State) -> Result<()>) -> Result<()> {
        self.check_open()?;
        let changed = change(&mut self.state.lock());
        self.changes.notify();
        changed
    }

    pub(super) fn done(&self, held: Held) -> Result<()> {
        self.change(|state| state.done(held))
    }

    pub(super) fn retry(&self, held: Held, delay: Duration) -> Result<()> {
        // What has no attempt left is buried at once.
        let is_last = held.attempt >= self.options.attempts_max;
        let delay = if is_last { 0 } else { micros(delay) };
        self.change(|state| state.retry(held, delay))
    }

    /// A worker has dropped a job.
    pub(super) fn release(&self, held: Held) {
        let rest = Duration::from_micros(self.options.rest(held.attempt));
        // What is not noted does not rest after a restart.
        let _ = self.retry(held, rest);
    }

    pub(super) fn extend(&self, held: Held, lease: Duration) -> Result<()> {
        self.change(|state| state.extend(held, micros(lease)))
    }

    pub(super) fn bury(&self, held: Held, reason: &str) -> Result<()> {
        self.change(|state| {
            state.check_held(held)?;
            let has_letters = !self.letters.is_none();
            state.begin_burying(held.part, held.offset, held.attempt, reason, has_letters)
        })?;
        self.finish_burying()
    }

    /// See [`Queue::stat`](super::Queue::stat).
    pub(super) fn stat(&self) -> Result<QueueStat> {
        self.check_open()?;
        let extents = self.sources.iter();
        let extents = extents.map(|log| Ok((log.start_offset()?, log.next_offset()?)));
        let extents = extents.collect::<Result<Vec<_>>>()?;
        let now = self.time.now();
        let mut state = self.state.lock();
        let partition = |(part, (start, next_offset)): (&mut Part, (u64, u64))| {
            part.window.settle_below(start, now);
            let counts = part.window.counts();
            let leased = if self.read_only {
                counts.left
            } else {
                counts.leased
            };
            QueuedPartition {
                floor: part.window.floor(),
                next_offset: next_offset.max(part.window.read_to()),
                settled: counts.settled,
                leased,
                delayed: counts.delayed,
            }
        };
        Ok(QueueStat {
            partitions: state.parts.iter_mut().zip(extents).map(partition).collect(),
            buried: state.buried,
        })
    }

    /// See [`Queue::peek`](super::Queue::peek).
    pub(super) fn peek(&self, max_count: usize) -> Result<Vec<(u32, Message)>> {
        self.check_open()?;
        let mut found = Vec::new();
        for (number, log) in self.sources.iter().enumerate() {
            let part = super::state::number(number);
            let (waiting, read_to) = {
                let state = self.state.lock();
                let window = &state.parts[number].window;
                let left = max_count - found.len();
                (window.waiting().take(left).collect::<Vec<_>>(), window.read_to())
            };
            for offset in waiting {
                found.extend(message_at(log, offset)?.map(|message| (part, message)));
            }
            let mut at = read_to;
            while found.len() < max_count {
                let batch = log.consume(Start::AtOrOldest(at), AHEAD.min(max_count - found.len()))?;
                if batch.messages.is_empty() && at == batch.next_offset {
                    break;
                }
                at = batch.next_offset;
                let state = self.state.lock();
                let window = &state.parts[number].window;
                let there = batch.into_iter();
                let there = there.filter(|message| !window.is_known_gone(message.offset));
                found.extend(there.map(|message| (part, message)));
            }
        }
        Ok(found)
    }

    /// See [`Queue::sync`](super::Queue::sync).
    pub(super) fn sync(&self) -> Result<()> {
        self.check_writable()?;
        let log = Arc::clone(&self.state.lock().journal.log);
        log.sync().map(|_| ())
    }

    /// See [`Queue::close`](super::Queue::close).
    pub(super) fn close(&self) -> Result<()> {
        if !self.process.is_current() {
            return Err(Error::Forked);
        }
        if self.is_closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.changes.notify();
        let (floors, log) = {
            let state = self.state.lock();
            (state.floors(), Arc::clone(&state.journal.log))
        };
        log.close()?;
        let _ = self.last.set(floors);
        Ok(())
    }
}

impl<L: Log> Drop for Inner<L> {
    fn drop(&mut self) {
        if !self.process.is_current() {
            return;
        }
        for (log, watch) in self.sources.iter().zip(&self.watches) {
            if let Some(changes) = log.changes() {
                changes.forget(watch);
            }
        }
        // The result is lost here: a caller who needs it calls `close`.
        let _ = self.close();
    }
}
