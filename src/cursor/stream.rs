use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::FusedStream;

use super::closer::CursorCloser;
use super::reading::Cursor;
use crate::{Error, Log, Message, Result, Watch};

/// How many messages the stream returns in a row before it lets other tasks run.
const TURN: u32 = 256;

/// The messages of a [`Cursor`], for a task: see [`Cursor::into_stream`].
pub struct CursorStream<L: Log> {
    cursor: Cursor<L>,
    watch: Watch,
    is_terminated: bool,
    /// Messages returned since the stream last let other tasks run.
    in_a_row: u32,
}

impl<L: Log> Cursor<L> {
    /// The rest of the messages as a [`Stream`], for any async runtime. It needs no thread of its
    /// own.
    ///
    /// It ends when the cursor is closed, and at the end of a sealed log. Any other error is
    /// returned once, and then it ends.
    ///
    /// Waiting is asynchronous, but reading is not: messages that are not in memory are read from
    /// disk by the polling task. After every 256 messages in a row the stream lets other tasks run.
    /// A log that does not announce its changes ([`Log::changes`]) cannot be waited for: at its end
    /// the error is [`Error::Invalid`].
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use std::pin::pin;
    /// use duramen::{BlockingLog, Filter, Log, MemoryLog, NewMessage, Start};
    /// use futures_core::Stream as _;
    ///
    /// # fn main() -> duramen::Result<()> {
    /// let runtime = tokio::runtime::Builder::new_multi_thread().build().expect("a runtime");
    /// let log = BlockingLog::new(MemoryLog::new());
    /// let stream = log.cursor(Start::Oldest, Filter::key(b"b"))?.into_stream();
    /// let first = runtime.spawn(async move {
    ///     let mut stream = pin!(stream);
    ///     poll_fn(|context| stream.as_mut().poll_next(context)).await
    /// });
    /// for key in [b"a", b"b"] {
    ///     log.publish(&[NewMessage::new(key, b"value")])?;
    /// }
    /// let first = runtime.block_on(first).expect("no panic");
    /// assert_eq!(first.expect("the log is open")?.offset, 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn into_stream(self) -> CursorStream<L> {
        CursorStream {
            cursor: self,
            watch: Watch::new(),
            is_terminated: false,
            in_a_row: 0,
        }
    }
}

impl<L: Log> CursorStream<L> {
    /// See [`Cursor::next_offset`].
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.cursor.next_offset()
    }

    /// What ends the stream from elsewhere. See [`Cursor::closer`].
    #[must_use]
    pub fn closer(&self) -> CursorCloser<L> {
        self.cursor.closer()
    }

    fn poll(&mut self, context: &Context<'_>) -> Poll<Result<Message>> {
        if let Some(next) = self.cursor.poll() {
            return Poll::Ready(next);
        }
        let log = self.cursor.log().clone();
        match log.changes() {
            Some(changes) => changes.poll_until(&self.watch, context, || self.cursor.poll()),
            None => Poll::Ready(Err(Error::Invalid(
                "a stream cannot wait for a log that does not announce its changes",
            ))),
        }
    }
}

// The stream never pins any of its fields, whatever log it reads.
impl<L: Log> Unpin for CursorStream<L> {}

impl<L: Log> Stream for CursorStream<L> {
    type Item = Result<Message>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Message>>> {
        let this = self.get_mut();
        if this.is_terminated {
            return Poll::Ready(None);
        }
        if this.in_a_row == TURN {
            this.in_a_row = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Poll::Ready(next) = this.poll(context) else {
            this.in_a_row = 0;
            return Poll::Pending;
        };
        this.in_a_row += 1;
        this.is_terminated = next.is_err();
        Poll::Ready(match next {
            Err(Error::CursorClosed | Error::Sealed) => None,
            next => Some(next),
        })
    }
}

impl<L: Log> FusedStream for CursorStream<L> {
    fn is_terminated(&self) -> bool {
        self.is_terminated
    }
}

impl<L: Log> Drop for CursorStream<L> {
    fn drop(&mut self) {
        let log = self.cursor.log();
        // In a fork, a thread of its parent may have held the lock that this takes.
        let is_forked = matches!(log.next_offset(), Err(Error::Forked));
        if let Some(changes) = log.changes().filter(|_| !is_forked) {
            changes.forget(&self.watch);
        }
    }
}

impl<L: Log> fmt::Debug for CursorStream<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CursorStream").field(&self.cursor).finish()
    }
}
