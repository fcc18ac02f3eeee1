use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::FusedStream;

use super::closer::CursorCloser;
use super::reading::Cursor;
use crate::blocking::{Tailing, Turns};
use crate::{BlockingLog, Error, Log, Message, Result};

/// The messages of a [`Cursor`], for a task: see [`Cursor::into_stream`].
pub struct CursorStream<L: Log> {
    turns: Turns<Cursor<L>>,
    is_terminated: bool,
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
            turns: Turns::of(self),
            is_terminated: false,
        }
    }
}

impl<L: Log> CursorStream<L> {
    /// See [`Cursor::next_offset`].
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.turns.reader.next_offset()
    }

    /// What ends the stream from elsewhere. See [`Cursor::closer`].
    #[must_use]
    pub fn closer(&self) -> CursorCloser<L> {
        self.turns.reader.closer()
    }
}

impl<L: Log> Tailing for Cursor<L> {
    type Log = L;
    type Next = Result<Message>;

    fn log(&self) -> &BlockingLog<L> {
        Cursor::log(self)
    }

    fn poll(&mut self) -> Option<Result<Message>> {
        Cursor::poll(self)
    }

    fn fail(&mut self, error: Error) -> Result<Message> {
        Err(error)
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
        this.turns.poll(context).map(|next| {
            this.is_terminated = next.is_err();
            match next {
                Err(Error::CursorClosed | Error::Sealed) => None,
                next => Some(next),
            }
        })
    }
}

impl<L: Log> FusedStream for CursorStream<L> {
    fn is_terminated(&self) -> bool {
        self.is_terminated
    }
}

impl<L: Log> fmt::Debug for CursorStream<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CursorStream").field(&self.turns).finish()
    }
}
