use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::arena::Arena;
use super::options::{AckMode, ProducerOptions};
use super::queue::{Queue, Refused};
use super::ticket::{Sent, Ticket};
use super::worker::{Shared, Worker};
use crate::sys::Process;
use crate::{Error, Log, NewMessage, Result, Watch};

/// Sends messages one by one, and publishes them in batches, to any [`Log`].
///
/// A sent message is copied; a thread of the producer publishes it together with those that come
/// soon after it. [`ProducerOptions`] say how many these are at most and how long they wait for
/// each other. [`send`](Producer::send) returns a [`Ticket`], which says later where the message is
/// in the log. Any number of threads and tasks can send.
///
/// ```
/// use std::sync::Arc;
/// use duramen::{Log, MemoryLog, NewMessage, Producer, ProducerOptions};
///
/// # fn main() -> duramen::Result<()> {
/// let log = Arc::new(MemoryLog::new());
/// let producer = Producer::new(Arc::clone(&log), ProducerOptions::new())?;
/// let first = producer.send(NewMessage::new(b"lamp", b"on"))?;
/// let second = producer.send(NewMessage::new(b"lamp", b"off"))?;
/// // Both are in one batch.
/// let ((first, batch), (second, same)) = (first.wait()?, second.wait()?);
/// assert_eq!((first, second, batch), (0, 1, same));
/// producer.close()?;
/// assert_eq!(log.next_offset()?, 2);
/// # Ok(())
/// # }
/// ```
///
/// **Order.** Messages of one thread are in the log in the order in which they were sent. So are
/// those of different threads, if one `send` returned before the other began. Threads that wait for
/// room get it in no particular order. Each batch is atomic; which messages share one is chance.
///
/// **Failure.** The first batch that cannot be published ends it: whatever was sent behind it is
/// not written, even if it could be. All tickets that are open, and every later call, get
/// [`ProducerFailed`](Error::ProducerFailed), which tells apart the messages of the batch that
/// failed and those behind it. Find out why, and make a new producer.
///
/// **Memory.** What is in flight never exceeds
/// [`in_flight_max`](ProducerOptions::in_flight_max). It is kept in two buffers, which are used
/// again. Sending a message allocates nothing, but for a few allocations a batch.
///
/// A message without a time gets that of its batch's publishing. Dropping a producer does not wait:
/// its thread publishes what was sent, and ends. [`close`](Producer::close) waits, and tells
/// whether it succeeded. Neither closes the log.
///
/// # Errors
///
/// In a fork of the process that made the producer, every call fails with
/// [`Forked`](Error::Forked), and dropping it does nothing.
pub struct Producer<L: Log> {
    shared: Arc<Shared<L>>,
    process: Process,
    thread: Option<JoinHandle<()>>,
}

impl<L: Log> Producer<L> {
    /// A producer for this log, with a thread of its own. To keep using the log directly, give an
    /// [`Arc`].
    ///
    /// # Errors
    ///
    /// [`Invalid`](Error::Invalid) for options that contradict each other or are out of range.
    /// [`Io`](Error::Io) if the system has no thread.
    pub fn new(log: L, options: ProducerOptions) -> Result<Producer<L>>
    where
        L: 'static,
    {
        options.check()?;
        let arena = Arena::new(options.limits);
        let shared = Arc::new(Shared {
            log,
            queue: Queue::new(arena, options.linger, options.in_flight_max),
            options,
        });
        let worker = Worker::new(Arc::clone(&shared));
        let named = thread::Builder::new().name("duramen-producer".into());
        let thread = named.spawn(|| worker.run()).map_err(|source| Error::Io {
            operation: "start it",
            path: PathBuf::from("the thread of a producer"),
            source,
        })?;
        Ok(Producer {
            shared,
            process: Process::current(),
            thread: Some(thread),
        })
    }

    /// The log that is published to.
    #[must_use]
    pub fn raw(&self) -> &L {
        &self.shared.log
    }

    /// Sends a message. If too much is in flight, this waits until there is room.
    ///
    /// # Errors
    ///
    /// - [`TooLarge`](Error::TooLarge) for a message that fits in no batch. It harms no other.
    /// - [`ProducerFailed`](Error::ProducerFailed) if an earlier batch has failed. The message is
    ///   not written.
    pub fn send(&self, message: NewMessage<'_>) -> Result<Ticket> {
        self.send_until(&message, None)
    }

    /// As [`send`](Producer::send), but does not wait.
    ///
    /// # Errors
    ///
    /// As `send`, and [`QueueFull`](Error::QueueFull). Then the message was not sent. Batches that
    /// wait for more are published at once, so that there is room.
    pub fn try_send(&self, message: NewMessage<'_>) -> Result<Ticket> {
        let size = self.size_of(&message)?;
        let added = self.shared.queue.try_add(size, &mut |arena: &mut Arena, begins| {
            arena.add(&message, size, begins)
        });
        self.ticket(added)
    }

    /// As [`send`](Producer::send), but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// As `send`, and [`QueueFull`](Error::QueueFull) if the timeout has passed. Then the message
    /// was not sent.
    pub fn send_timeout(&self, message: NewMessage<'_>, timeout: Duration) -> Result<Ticket> {
        // A deadline that cannot be represented is none.
        self.send_until(&message, Instant::now().checked_add(timeout))
    }

    /// As [`send`](Producer::send), in any async runtime: the task waits for room. A call that is
    /// cancelled has not sent the message.
    ///
    /// # Errors
    ///
    /// As `send`.
    pub async fn send_async(&self, message: NewMessage<'_>) -> Result<Ticket> {
        let mut waiting = self.waiting();
        poll_fn(move |context| waiting.poll_send(&message, context)).await
    }

    /// Has everything that was sent published, or made durable with
    /// [`AckMode::Durable`](crate::AckMode::Durable), and waits for it. Nothing lingers meanwhile.
    ///
    /// # Errors
    ///
    /// [`ProducerFailed`](Error::ProducerFailed) if a batch has failed, now or before.
    pub fn flush(&self) -> Result<()> {
        self.check_not_forked()?;
        self.shared.queue.flush().map_err(own_failure)
    }

    /// Publishes everything that was sent, as [`flush`](Producer::flush), and ends the thread. The
    /// log stays open.
    ///
    /// # Errors
    ///
    /// As `flush`.
    pub fn close(mut self) -> Result<()> {
        self.check_not_forked()?;
        self.shared.queue.begin_closing();
        // Everything in which it might panic is caught.
        let _ = self.thread.take().map(JoinHandle::join);
        self.shared
            .queue
            .failure()
            .map_or(Ok(()), |failure| Err(own_failure(failure)))
    }

    /// The metered size of all messages that are not published yet, or not durable yet with
    /// [`AckMode::Durable`](crate::AckMode::Durable).
    ///
    /// # Errors
    ///
    /// Only [`Forked`](Error::Forked).
    pub fn in_flight(&self) -> Result<u64> {
        self.check_not_forked()?;
        Ok(self.shared.queue.in_flight())
    }

    /// For a task that is to send one message.
    pub(crate) fn waiting(&self) -> Waiting<'_, L> {
        Waiting {
            producer: self,
            watch: None,
        }
    }

    /// A thread that the child of a fork does not have may have held the lock.
    fn check_not_forked(&self) -> Result<()> {
        self.process.is_current().then_some(()).ok_or(Error::Forked)
    }

    fn size_of(&self, message: &NewMessage<'_>) -> Result<u64> {
        self.check_not_forked()?;
        self.shared.options.size_of(message)
    }

    fn send_until(&self, message: &NewMessage<'_>, deadline: Option<Instant>) -> Result<Ticket> {
        let size = self.size_of(message)?;
        let added = self
            .shared
            .queue
            .add(size, deadline, |arena, begins| arena.add(message, size, begins));
        self.ticket(added)
    }

    fn ticket(&self, added: Result<Added, Refused<Arc<Error>>>) -> Result<Ticket> {
        match added {
            Ok(batch) => {
                let is_told = self.shared.options.ack != AckMode::None;
                Ok(Ticket::new(is_told.then_some(batch), self.process))
            }
            Err(Refused::Full) => Err(Error::QueueFull),
            Err(Refused::Failed(source)) => Err(Error::ProducerFailed {
                is_behind: true,
                source,
            }),
        }
    }
}

/// A message's batch, and its place in it.
type Added = (Arc<Sent>, usize);

fn own_failure(source: Arc<Error>) -> Error {
    Error::ProducerFailed {
        is_behind: false,
        source,
    }
}

impl<L: Log> Drop for Producer<L> {
    fn drop(&mut self) {
        let thread = self.thread.take();
        if self.process.is_current() {
            self.shared.queue.begin_closing();
        } else {
            // It is no thread of this process.
            mem::forget(thread);
        }
    }
}

impl<L: Log + fmt::Debug> fmt::Debug for Producer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("log", &self.shared.log)
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

/// A task that sends a message, and may have to wait for room.
pub(crate) struct Waiting<'a, L: Log> {
    producer: &'a Producer<L>,
    /// `None` if it has not waited.
    watch: Option<Watch>,
}

impl<L: Log> Waiting<'_, L> {
    pub(crate) fn poll_send(
        &mut self,
        message: &NewMessage<'_>,
        context: &Context<'_>,
    ) -> Poll<Result<Ticket>> {
        let Producer { shared, .. } = self.producer;
        let size = self.producer.size_of(message)?;
        let watch = self.watch.get_or_insert_default();
        let added = shared.queue.poll_add(size, (watch, context), |arena, begins| {
            arena.add(message, size, begins)
        });
        added.map(|added| self.producer.ticket(added))
    }
}

impl<L: Log> Drop for Waiting<'_, L> {
    fn drop(&mut self) {
        if let (Some(watch), true) = (&self.watch, self.producer.process.is_current()) {
            self.producer.shared.queue.forget(watch);
        }
    }
}
