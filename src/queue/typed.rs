//! A queue whose keys and values have types.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use super::handle::Queue;
use super::job::Job;
use crate::typed::Codecs;
use crate::{Codec, Log, Message, Result, TMessage};

/// A [`Queue`] whose keys and values have types of the application: one [`Codec`] for keys and one
/// for values, as in a [`TLog`](crate::TLog).
///
/// ```
/// use std::time::Duration;
/// use duramen::queue::{Queue, QueueOptions, TQueue};
/// use duramen::{MemoryLog, TLog, TNewMessage, codec};
///
/// # fn main() -> duramen::Result<()> {
/// # let home = tempfile::tempdir().unwrap();
/// # let dir = home.path().join("queue");
/// let log = TLog::new(MemoryLog::new(), codec::U64, codec::Utf8);
/// log.publish(&[TNewMessage::new(&7, &"resize".to_owned())])?;
///
/// let queue = Queue::open(log.raw(), &dir, QueueOptions::new())?;
/// let queue = TQueue::new(queue, codec::U64, codec::Utf8);
/// let job = queue.next(Some(Duration::ZERO))?.expect("a job");
/// assert_eq!((job.key, job.value.as_deref()), (Some(7), Some("resize")));
/// job.done()?;
/// queue.raw().close()
/// # }
/// ```
#[derive(Clone)]
pub struct TQueue<KC, VC, L: Log> {
    queue: Queue<L>,
    codecs: Codecs<KC, VC>,
}

/// A decoded message that a worker has got from a [`TQueue`]: see [`Job`].
#[derive(Debug)]
#[must_use = "a job that is dropped is tried again"]
pub struct TJob<K, V, L: Log> {
    job: Job<L>,
    message: TMessage<K, V>,
}

/// A job whose message these codecs have decoded.
type JobOf<KC, VC, L> = TJob<<KC as Codec>::Item, <VC as Codec>::Item, L>;

impl<KC: Codec, VC: Codec, L: Log> TQueue<KC, VC, L> {
    /// Wraps a queue.
    pub fn new(queue: Queue<L>, keys: KC, values: VC) -> TQueue<KC, VC, L> {
        let codecs = Codecs { keys, values };
        TQueue { queue, codecs }
    }

    /// The wrapped queue.
    pub fn raw(&self) -> &Queue<L> {
        &self.queue
    }

    /// See [`Queue::next`].
    ///
    /// # Errors
    ///
    /// As [`Queue::next`], and [`Error::Decode`](crate::Error::Decode) for a message that cannot be
    /// decoded. That was one of its attempts: it is tried again, and buried in the end.
    pub fn next(&self, timeout: Option<Duration>) -> Result<Option<JobOf<KC, VC, L>>> {
        let Some(job) = self.queue.next(timeout)? else {
            return Ok(None);
        };
        let message = self.codecs.decode(Message::clone(&job))?;
        Ok(Some(TJob { job, message }))
    }
}

impl<K, V, L: Log> TJob<K, V, L> {
    /// The job with the message as bytes.
    pub fn raw(&self) -> &Job<L> {
        &self.job
    }

    /// See [`Job::attempt`].
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.job.attempt()
    }

    /// See [`Job::partition`].
    #[must_use]
    pub fn partition(&self) -> u32 {
        self.job.partition()
    }

    /// See [`Job::done`].
    ///
    /// # Errors
    ///
    /// As [`Job::done`].
    pub fn done(self) -> Result<()> {
        self.job.done()
    }

    /// See [`Job::retry`].
    ///
    /// # Errors
    ///
    /// As [`Job::retry`].
    pub fn retry(self, delay: Duration) -> Result<()> {
        self.job.retry(delay)
    }

    /// See [`Job::bury`].
    ///
    /// # Errors
    ///
    /// As [`Job::bury`].
    pub fn bury(self, reason: &str) -> Result<()> {
        self.job.bury(reason)
    }

    /// See [`Job::extend`].
    ///
    /// # Errors
    ///
    /// As [`Job::extend`].
    pub fn extend(&mut self, lease: Duration) -> Result<()> {
        self.job.extend(lease)
    }
}

impl<K, V, L: Log> Deref for TJob<K, V, L> {
    type Target = TMessage<K, V>;

    fn deref(&self) -> &TMessage<K, V> {
        &self.message
    }
}

impl<KC, VC, L: Log + fmt::Debug> fmt::Debug for TQueue<KC, VC, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TQueue").field(&self.queue).finish()
    }
}
