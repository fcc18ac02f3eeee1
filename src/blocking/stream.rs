use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::FusedStream;

use super::BlockingLog;
use super::follow::Tail;
use crate::{Error, Log, Message, Result, Start, Watch};

/// How many messages the stream returns in a row before it lets other tasks run.
const TURN: u32 = 256;

/// The existing and future messages of a log, in order: see [`BlockingLog::stream`].
pub struct LogStream<L: Log> {
    tail: Tail<L>,
    watch: Watch,
    is_terminated: bool,
    /// Messages returned since the stream last let other tasks run.
    in_a_row: u32,
}

impl<L: Log> BlockingLog<L> {
    /// The messages from `from` on as a [`Stream`], by the rules of
    /// [`follow`](BlockingLog::follow). It works with any async runtime and needs no thread of its
    /// own.
    ///
    /// Waiting is asynchronous, but reading is not: messages that are not in memory are read from
    /// disk by the polling task. After every 256 messages in a row the stream lets other tasks run.
    ///
    /// The log must announce its changes ([`Log::changes`]), as all logs of this crate do. With any
    /// other log, the stream returns the existing messages and then, instead of waiting,
    /// [`Error::Invalid`] once, and ends.
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use std::pin::pin;
    /// use duramen::{BlockingLog, Log, MemoryLog, NewMessage, Start};
    /// use futures_core::Stream as _;
    ///
    /// # fn main() -> duramen::Result<()> {
    /// let runtime = tokio::runtime::Builder::new_multi_thread().build().expect("a runtime");
    /// let log = BlockingLog::new(MemoryLog::new());
    /// let stream = log.stream(Start::Oldest);
    /// let first = runtime.spawn(async move {
    ///     let mut stream = pin!(stream);
    ///     poll_fn(|context| stream.as_mut().poll_next(context)).await
    /// });
    /// log.publish(&[NewMessage::value(b"0")])?;
    /// let first = runtime.block_on(first).expect("no panic");
    /// assert_eq!(first.expect("the log is open")?.offset, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stream(&self, from: Start) -> LogStream<L> {
        LogStream {
            tail: Tail::new(self.clone(), from),
            watch: Watch::new(),
            is_terminated: false,
            in_a_row: 0,
        }
    }
}

// The stream never pins any of its fields, whatever log it reads.
impl<L: Log> Unpin for LogStream<L> {}

impl<L: Log> Stream for LogStream<L> {
    type Item = Result<Message>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Message>>> {
        let this = self.get_mut();
        if this.in_a_row == TURN {
            this.in_a_row = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut next = this.tail.poll();
        if next.is_none() {
            let log = this.tail.log.clone();
            let polled = match log.changes() {
                Some(changes) => changes.poll_until(&this.watch, context, || this.tail.poll()),
                None => Poll::Ready(Some(this.tail.end(Error::Invalid(
                    "a stream cannot wait for a log that does not announce its changes",
                )))),
            };
            match polled {
                Poll::Ready(found) => next = Some(found),
                Poll::Pending => {
                    this.in_a_row = 0;
                    return Poll::Pending;
                }
            }
        }
        this.in_a_row += 1;
        let next = next.flatten();
        this.is_terminated = next.is_none();
        Poll::Ready(next)
    }
}

impl<L: Log> FusedStream for LogStream<L> {
    fn is_terminated(&self) -> bool {
        self.is_terminated
    }
}

impl<L: Log> Drop for LogStream<L> {
    fn drop(&mut self) {
        // In a fork, a thread of its parent may have held the lock that this takes.
        let is_forked = matches!(self.tail.log.next_offset(), Err(Error::Forked));
        if let Some(changes) = self.tail.log.changes().filter(|_| !is_forked) {
            changes.forget(&self.watch);
        }
    }
}

impl<L: Log + fmt::Debug> fmt::Debug for LogStream<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogStream").field(&self.tail).finish()
    }
}
