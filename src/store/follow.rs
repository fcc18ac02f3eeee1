//! Following a whole stream.

use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::partition_log::PartitionLog;
use crate::{Awaited, BlockingLog, Changes, Error, Follow, Log as _, Message, Result, Start, Watch};

/// The existing and future messages of a stream's partitions: see
/// [`Stream::follow`](super::Stream::follow).
pub struct StreamFollow {
    parts: Vec<Part>,
    is_by_time: bool,
    /// The partition to look at first.
    next: usize,
    /// Told when any of the partitions has changed.
    changes: Arc<Changes>,
    waker: Waker,
    is_stopped: Arc<AtomicBool>,
}

/// A message, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamMessage {
    /// The partition.
    pub partition: u32,
    /// The message.
    pub message: Message,
}

/// Ends a [`StreamFollow`], from any thread.
#[derive(Clone, Debug)]
pub struct StreamStop {
    changes: Arc<Changes>,
    is_stopped: Arc<AtomicBool>,
}

/// The reader of one partition.
struct Part {
    number: u32,
    log: BlockingLog<PartitionLog>,
    follow: Follow<PartitionLog>,
    watch: Watch,
    /// What was read and not returned yet.
    head: Option<Result<Message>>,
    is_ended: bool,
}

/// What is returned next, or `None` at the end.
type Next = Option<Result<StreamMessage>>;

struct Told(Arc<Changes>);

impl Wake for Told {
    fn wake(self: Arc<Told>) {
        self.0.notify();
    }
}

impl StreamFollow {
    pub(super) fn new(logs: Vec<(PartitionLog, Start)>) -> StreamFollow {
        let part = |(log, from): (PartitionLog, Start)| {
            let number = log.number();
            let log = BlockingLog::new(log);
            Part {
                number,
                follow: log.follow(from),
                log,
                watch: Watch::new(),
                head: None,
                is_ended: false,
            }
        };
        let changes = Arc::new(Changes::new());
        StreamFollow {
            parts: logs.into_iter().map(part).collect(),
            is_by_time: false,
            next: 0,
            waker: Arc::new(Told(Arc::clone(&changes))).into(),
            changes,
            is_stopped: Arc::default(),
        }
    }

    /// Have the messages that are there come in the order of their times, whatever partition they
    /// are in. Nobody waits for a partition that has none: what comes later to it may have an
    /// earlier time. Default: partitions take turns.
    #[must_use]
    pub fn by_time(mut self) -> StreamFollow {
        self.is_by_time = true;
        self
    }

    /// Where each partition goes on: its number, and one past the offset of its last message that
    /// was returned.
    pub fn next_offsets(&self) -> impl Iterator<Item = (u32, u64)> {
        self.parts.iter().map(|part| {
            let ahead = part.head.as_ref().and_then(|head| head.as_ref().ok());
            let next = ahead.map_or_else(|| part.follow.next_offset(), |ahead| ahead.offset);
            (part.number, next)
        })
    }

    /// As [`next`](Iterator::next), but waits no longer than `timeout`.
    #[must_use]
    pub fn next_timeout(&mut self, timeout: Duration) -> Awaited<Result<StreamMessage>> {
        // A deadline too far away to be represented is no deadline.
        match self.next_until(Instant::now().checked_add(timeout)) {
            Some(Some(item)) => Awaited::Item(item),
            Some(None) => Awaited::Ended,
            None => Awaited::TimedOut,
        }
    }

    /// A handle that ends this from any thread: it returns `None` then, also if it waits.
    #[must_use]
    pub fn stop_handle(&self) -> StreamStop {
        StreamStop {
            changes: Arc::clone(&self.changes),
            is_stopped: Arc::clone(&self.is_stopped),
        }
    }

    fn next_until(&mut self, deadline: Option<Instant>) -> Option<Next> {
        if let Some(next) = self.poll(false) {
            return Some(next);
        }
        let changes = Arc::clone(&self.changes);
        changes.wait_until(deadline, || self.poll(true))
    }

    /// What comes next, if it is known. Each partition wakes this if it `is_watched`.
    fn poll(&mut self, is_watched: bool) -> Option<Next> {
        if self.is_stopped.load(Ordering::Acquire) {
            return Some(None);
        }
        let chosen = if self.is_by_time {
            for part in &mut self.parts {
                part.fill(&self.waker, is_watched);
            }
            // An error first.
            let time = |index: &usize| {
                self.parts[*index]
                    .head
                    .as_ref()
                    .map(|head| head.as_ref().ok().map(|m| m.time))
            };
            let there = (0..self.parts.len()).filter(|index| self.parts[*index].head.is_some());
            there.min_by_key(time)
        } else {
            let count = self.parts.len();
            let in_turn = (0..count).map(|turn| (self.next + turn) % count);
            let mut found = None;
            for index in in_turn {
                self.parts[index].fill(&self.waker, is_watched);
                if self.parts[index].head.is_some() {
                    found = Some(index);
                    break;
                }
            }
            found
        };
        let Some(index) = chosen else {
            return self.parts.iter().all(|part| part.is_ended).then_some(None);
        };
        self.next = index + 1;
        let part = &mut self.parts[index];
        let partition = part.number;
        let head = part.head.take()?;
        Some(Some(head.map(|message| StreamMessage { partition, message })))
    }
}

impl Part {
    /// Reads on, unless there is something already.
    fn fill(&mut self, waker: &Waker, is_watched: bool) {
        if self.head.is_some() || self.is_ended {
            return;
        }
        let follow = &mut self.follow;
        let next = match self.log.changes().filter(|_| is_watched) {
            Some(changes) => {
                let context = Context::from_waker(waker);
                match changes.poll_until(&self.watch, &context, || follow.poll()) {
                    Poll::Ready(next) => Some(next),
                    Poll::Pending => None,
                }
            }
            None => follow.poll(),
        };
        match next {
            Some(Some(head)) => self.head = Some(head),
            Some(None) => self.is_ended = true,
            None => {}
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // In a fork, a thread of its parent may have held the lock that this takes.
        let is_forked = matches!(self.log.next_offset(), Err(Error::Forked));
        if let Some(changes) = self.log.changes().filter(|_| !is_forked) {
            changes.forget(&self.watch);
        }
    }
}

impl Iterator for StreamFollow {
    type Item = Result<StreamMessage>;

    fn next(&mut self) -> Option<Result<StreamMessage>> {
        // Without a deadline this returns only with a result.
        self.next_until(None).flatten()
    }
}

impl FusedIterator for StreamFollow {}

impl StreamStop {
    /// Ends the iterator, and wakes it if it waits.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        self.changes.notify();
    }
}

impl fmt::Debug for StreamFollow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamFollow")
            .field("next_offsets", &self.next_offsets().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
