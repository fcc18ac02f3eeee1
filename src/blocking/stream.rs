use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::FusedStream;

use super::BlockingLog;
use super::follow::{Next, Tail};
use super::turns::{Tailing, Turns};
use crate::{Error, Log, Message, Result, Start};

/// The existing and future messages of a log, in order: see [`BlockingLog::stream`].
pub struct LogStream<L: Log> {
    turns: Turns<Tail<L>>,
    is_terminated: bool,
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
            turns: Turns::of(Tail::new(self.clone(), from)),
            is_terminated: false,
        }
    }
}

// The stream never pins any of its fields, whatever log it reads.
impl<L: Log> Unpin for LogStream<L> {}

impl<L: Log> Stream for LogStream<L> {
    type Item = Result<Message>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Message>>> {
        let this = self.get_mut();
        let polled = this.turns.poll(context);
        this.is_terminated |= matches!(polled, Poll::Ready(None));
        polled
    }
}

impl<L: Log> Tailing for Tail<L> {
    type Log = L;
    type Next = Next;

    fn log(&self) -> &BlockingLog<L> {
        &self.log
    }

    fn poll(&mut self) -> Option<Next> {
        Tail::poll(self)
    }

    fn fail(&mut self, error: Error) -> Next {
        Some(self.end(error))
    }
}

impl<L: Log> FusedStream for LogStream<L> {
    fn is_terminated(&self) -> bool {
        self.is_terminated
    }
}

impl<L: Log + fmt::Debug> fmt::Debug for LogStream<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogStream").field(&self.turns).finish()
    }
}
