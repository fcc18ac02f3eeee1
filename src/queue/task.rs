//! Waiting for a job in a task.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::handle::Queue;
use super::inner::Inner;
use super::job::Job;
use super::waiting::Found;
use crate::log::{wake_in, wake_no_more};
use crate::{Log, Result, Watch};

/// A [`Queue`]'s next job, for a task: see [`Queue::next_async`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct NextJob<'a, L: Log> {
    queue: &'a Inner<L>,
    handle: &'a Queue<L>,
    watch: Watch,
}

impl<L: Log> Queue<L> {
    /// The next job, as [`next`](Queue::next) without a timeout, for a task of any async runtime.
    /// Dropped before it is ready, it has taken no job.
    ///
    /// Waiting is asynchronous, but reading and noting are not: the polling task does them.
    ///
    /// ```
    /// use duramen::queue::{Queue, QueueOptions};
    /// use duramen::{Log, MemoryLog, NewMessage};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// # let home = tempfile::tempdir().unwrap();
    /// # let dir = home.path().join("queue");
    /// let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    /// let log = MemoryLog::new();
    /// log.publish(&[NewMessage::value(b"resize")])?;
    /// let queue = Queue::open(&log, &dir, QueueOptions::new())?;
    /// let job = runtime.block_on(queue.next_async())?.expect("a job");
    /// assert_eq!(job.value.as_deref(), Some(&b"resize"[..]));
    /// job.done()?;
    /// queue.close()
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`next`](Queue::next).
    pub fn next_async(&self) -> NextJob<'_, L> {
        NextJob {
            queue: &self.inner,
            handle: self,
            watch: Watch::new(),
        }
    }
}

impl<L: Log> Future for NextJob<'_, L> {
    type Output = Result<Option<Job<L>>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // In a fork of the process, nobody lets go of the locks below.
        self.queue.check_open()?;
        let mut wait = None;
        let polled = self.queue.changes.poll_until(&self.watch, context, || {
            self.queue.watch();
            match self.queue.next_now() {
                Ok(Found::Job(given)) => Some(Ok(given)),
                Ok(Found::NothingUntil(timer)) => {
                    wait = Some(self.queue.wait_for(timer));
                    None
                }
                Err(error) => Some(Err(error)),
            }
        });
        if let (Poll::Pending, Some(wait)) = (&polled, wait) {
            wake_in(&self.watch, wait, context.waker());
        }
        polled.map_ok(|given| given.map(|given| Job::new(&self.handle.inner, given)))
    }
}

impl<L: Log> Drop for NextJob<'_, L> {
    fn drop(&mut self) {
        if self.queue.process.is_current() {
            self.queue.changes.forget(&self.watch);
            wake_no_more(&self.watch);
        }
    }
}
