//! The thread of a producer: publishes batches one after the other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::arena::{Arena, Views};
use super::options::{AckMode, ProducerOptions};
use super::queue::Queue;
use super::ticket::Failure;
use crate::{Ack, Error, Log, PublishOptions, Result, Timestamp};

/// What a producer and its thread have together.
pub(super) struct Shared<L> {
    pub(super) log: L,
    pub(super) queue: Queue<Arena, Arc<Error>>,
    pub(super) options: ProducerOptions,
}

pub(super) struct Worker<L> {
    shared: Arc<Shared<L>>,
    /// What the thread publishes.
    arena: Arena,
    views: Views,
    /// The acks of the first batches of the arena that have not ended: those that are published and
    /// wait for a sync.
    unsynced: Vec<Ack>,
    /// How many batches of the arena have ended.
    finished: usize,
    expect_next_offset: Option<u64>,
    sequence: Option<Sequence>,
}

/// Why a batch failed, and how many failed with it: those that waited for a sync.
struct Failed {
    error: Error,
    batches: usize,
}

/// Which producer the batches are of.
struct Sequence {
    id: u64,
    /// `None` if there is no next one.
    next: Option<u64>,
    /// Whether the batch with a sequence is always the same one.
    is_given: bool,
}

impl Sequence {
    fn new(options: &ProducerOptions) -> Option<Sequence> {
        let since_1970 = || u64::try_from(Timestamp::now().as_micros()).unwrap_or(0);
        Some(Sequence {
            id: options.id?,
            next: Some(options.first_sequence.unwrap_or_else(since_1970)),
            is_given: options.first_sequence.is_some(),
        })
    }
}

/// Whether a call that failed so has certainly written nothing.
fn is_unwritten(error: &Error) -> bool {
    // Whoever waits for a sync of somebody else that fails gets `Poisoned`.
    !matches!(
        error,
        Error::SyncFailed { .. } | Error::Unconfirmed { .. } | Error::Poisoned { .. }
    )
}

/// The error of a batch that is published, but may not be durable.
fn unconfirmed(error: Error) -> Error {
    match error {
        Error::SyncFailed { .. } | Error::Unconfirmed { .. } => error,
        error => Error::Unconfirmed {
            source: Box::new(error),
        },
    }
}

impl<L: Log> Worker<L> {
    pub(super) fn new(shared: Arc<Shared<L>>) -> Worker<L> {
        let options = shared.options;
        Worker {
            arena: Arena::new(options.limits),
            views: Views::default(),
            unsynced: Vec::new(),
            finished: 0,
            expect_next_offset: options.expect_next_offset,
            sequence: Sequence::new(&options),
            shared,
        }
    }

    pub(super) fn run(mut self) {
        while self.shared.queue.take(&mut self.arena) {
            if let Err(failed) = self.publish_all() {
                self.fail(failed);
            }
            self.arena.clear();
            self.finished = 0;
        }
    }

    /// Publishes the batches of the arena, up to the first that fails.
    fn publish_all(&mut self) -> Result<(), Failed> {
        let is_durable = self.shared.options.ack == AckMode::Durable;
        for at in 0..self.arena.len() {
            // The last one syncs for all.
            let syncs = is_durable && at + 1 == self.arena.len();
            match self.publish(at, syncs) {
                Ok(ack) if is_durable => {
                    self.unsynced.push(ack);
                    if syncs {
                        self.finish_unsynced(!ack.is_duplicate)?;
                    }
                }
                Ok(ack) => self.finish(ack),
                Err(error) => {
                    // What was published before does not fail with what was not.
                    if is_unwritten(&error) {
                        self.finish_unsynced(false)?;
                    }
                    let batches = self.unsynced.len() + 1;
                    let error = if batches > 1 { unconfirmed(error) } else { error };
                    return Err(Failed { error, batches });
                }
            }
        }
        Ok(())
    }

    fn publish(&mut self, at: usize, sync: bool) -> Result<Ack> {
        let options = &self.shared.options;
        let mut how = PublishOptions::new().sync(sync);
        if let Some(token) = options.token {
            how = how.token(token);
        }
        if let Some(offset) = self.expect_next_offset {
            how = how.expect_next_offset(offset);
        }
        let mut used = None;
        if let Some(Sequence { id, next, .. }) = &mut self.sequence {
            let sequence = next.ok_or(Error::Invalid("the producer has used up its sequences"))?;
            *next = sequence.checked_add(1);
            how = how.producer(*id, sequence);
            used = Some((*id, sequence));
        }
        let log = &self.shared.log;
        let ack = self.arena.with_messages(at, &mut self.views, |messages| {
            guarded(|| log.append(messages, &how))
        })?;
        if let (true, Some((producer, sequence))) = (ack.is_duplicate, used)
            && self.sequence.as_ref().is_some_and(|sequence| !sequence.is_given)
        {
            // Another producer has taken the sequence, so this batch is not in the log.
            return Err(Error::OutOfSequence {
                producer,
                sequence,
                last: sequence,
            });
        }
        self.expect_next_offset = self.expect_next_offset.map(|_| ack.end.offset);
        Ok(ack)
    }

    /// Ends the batches that wait for a sync, after that.
    fn finish_unsynced(&mut self, is_synced: bool) -> Result<(), Failed> {
        if !is_synced && !self.unsynced.is_empty() {
            let log = &self.shared.log;
            let batches = self.unsynced.len();
            guarded(|| log.sync()).map_err(|error| Failed {
                error: unconfirmed(error),
                batches,
            })?;
        }
        let mut synced = std::mem::take(&mut self.unsynced);
        for ack in synced.drain(..) {
            self.finish(ack);
        }
        self.unsynced = synced;
        Ok(())
    }

    /// The next batch has ended well.
    fn finish(&mut self, ack: Ack) {
        let (size, sent) = self.arena.batch(self.finished);
        unharmed(|| sent.resolve(Ok(ack)));
        unharmed(|| self.shared.queue.finish(size));
        self.finished += 1;
    }

    /// The next batches fail, and with them all behind them.
    fn fail(&mut self, Failed { error, batches }: Failed) {
        self.unsynced.clear();
        let source = Arc::new(error);
        // Nothing is added from now on.
        let mut rest = Arena::new(self.shared.options.limits);
        unharmed(|| self.shared.queue.fail(Arc::clone(&source), &mut rest));
        let own = self.finished..self.finished + batches;
        let own = own.map(|at| (self.arena.batch(at).1, false));
        let behind = (self.finished + batches..self.arena.len()).map(|at| self.arena.batch(at).1);
        let rest = (0..rest.len()).map(|at| rest.batch(at).1);
        for (sent, is_behind) in own.chain(behind.chain(rest).map(|sent| (sent, true))) {
            let source = Arc::clone(&source);
            unharmed(|| sent.resolve(Err(Failure { source, is_behind })));
        }
    }
}

/// Does something that runs code of others. If that panics, it is not known what it has done.
fn guarded<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        Err(Error::Unconfirmed {
            source: Box::new(Error::poisoned("the log panicked in the producer's thread")),
        })
    })
}

/// Tells somebody something. A task that panics when it is woken harms nobody else.
fn unharmed(tell: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(tell));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use allocation_counter::measure;

    use super::*;
    use crate::{MemoryLog, NewMessage, Options};

    /// Goal: the thread of a producer allocates nothing for a message. Method: a log in files,
    /// which keeps no memory for messages, and the work of the thread done here.
    #[test]
    fn publishing_a_batch_allocates_nothing_per_message() {
        let dir = tempfile::tempdir().unwrap();
        let log = Options::new().background(false).open(dir.path()).unwrap();
        let options = ProducerOptions::new().linger(Duration::MAX).ack(AckMode::Durable);
        let queue = Queue::new(Arena::new(options.limits), options.linger, options.in_flight_max);
        let shared = Arc::new(Shared { log, queue, options });
        let mut worker = Worker::new(Arc::clone(&shared));
        let mut round = || {
            let headers: &[(&[u8], &[u8])] = &[(b"name", b"value")];
            let message = NewMessage::new(b"key", b"value").headers(headers);
            let size = options.size_of(&message).unwrap();
            for _ in 0..2_000 {
                let added = shared.queue.try_add(size, &mut |arena: &mut Arena, begins| {
                    arena.add(&message, size, begins)
                });
                assert!(added.is_ok());
            }
            measure(|| {
                assert!(shared.queue.take(&mut worker.arena));
                assert_eq!(worker.arena.len(), 2);
                assert!(worker.publish_all().is_ok());
                worker.arena.clear();
                worker.finished = 0;
            })
            .count_total
        };
        // All memory grows first.
        (0..4).for_each(|_| assert!(round() < 1_000));
        let allocated: u64 = (0..10).map(|_| round()).sum();
        // The log's own, such as space for more.
        assert!(allocated < 100, "{allocated} allocations for 20,000 messages");
    }

    #[test]
    fn a_call_that_panics_may_have_written() {
        let log = MemoryLog::new();
        let panicked: Result<()> = guarded(|| {
            log.publish(&[NewMessage::value(b"value")])?;
            std::panic::resume_unwind(Box::new(()))
        });
        assert!(panicked.is_err_and(|error| !is_unwritten(&error)));
    }
}
