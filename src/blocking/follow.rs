use std::iter::FusedIterator;
use std::time::{Duration, Instant};

use super::BlockingLog;
use super::awaited::Awaited;
use super::cursor::{Cursor, begin, start_if_trimmed};
use super::stop::{Stop, StopHandle};
use crate::{Error, Log, Message, Result, Start};

/// How many messages are read at a time.
const READ_AHEAD: usize = 256;

/// The existing and future messages of a log, in order: see [`BlockingLog::follow`].
#[derive(Debug)]
pub struct Follow<L: Log> {
    tail: Tail<L>,
    /// Ends the iterator before `tail` does.
    stop: Stop,
}

/// The state of a reader that follows a log, shared by the iterator and the stream.
#[derive(Debug)]
pub(super) struct Tail<L: Log> {
    pub(super) log: BlockingLog<L>,
    cursor: Cursor,
    /// Messages read and not returned yet.
    ahead: std::vec::IntoIter<Message>,
    /// One past the last message returned.
    next_offset: u64,
    /// The error that resolving the start position failed with, until it is returned.
    start_error: Option<Error>,
    /// The reader ends in front of this offset.
    end: Option<u64>,
    is_ended: bool,
}

/// What the reader returns next: a message, an error, or `None` at its end.
pub(crate) type Next = Option<Result<Message>>;

impl<L: Log> BlockingLog<L> {
    /// Iterates over the messages from `from` on: first the existing ones, then new ones, waiting
    /// for each.
    ///
    /// - `from` is resolved when this is called. With `Start::Newest`, the iterator returns every
    ///   message published from now on.
    /// - Messages come in offset order, and none comes twice.
    /// - If the next message was trimmed, the iterator returns one error for which
    ///   [`is_trimmed`](Error::is_trimmed) is true, and continues at the log's start offset, which
    ///   is the field `start` of the error. An iterator that starts at `Start::Oldest` or
    ///   `Start::AtOrOldest` and has returned nothing yet skips trimmed messages without an error.
    /// - When the log is closed, the iterator returns the messages it has read already, and then
    ///   `None`. When it is sealed, the iterator returns all messages, and then `None`.
    /// - The iterator returns any other error once, and then ends: for instance `Corrupt`, or
    ///   `Poisoned` after all visible messages. [`Follow::next_offset`] is the offset at which to
    ///   continue.
    ///
    /// The iterator waits without a limit; [`Follow::next_timeout`] waits for as long as you say,
    /// and a [`Follow::stop_handle`] ends the waiting from another thread. It holds a handle of the
    /// log, and can be moved to another thread.
    ///
    /// ```
    /// use duramen::{BlockingLog, Log, MemoryLog, NewMessage, Start};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// let log = BlockingLog::new(MemoryLog::new());
    /// log.publish(&[NewMessage::value(b"0")])?;
    /// let tail = log.follow(Start::Oldest);
    /// let tail = std::thread::spawn(move || {
    ///     let two = tail.take(2).map(|message| Ok(message?.offset));
    ///     two.collect::<duramen::Result<Vec<u64>>>()
    /// });
    /// log.publish(&[NewMessage::value(b"1")])?;
    /// assert_eq!(tail.join().unwrap()?, [0, 1]);
    /// # log.close()
    /// # }
    /// ```
    #[must_use]
    pub fn follow(&self, from: Start) -> Follow<L> {
        Follow::new(Tail::new(self.clone(), from))
    }

    /// As [`follow`](BlockingLog::follow), up to the offset `end` (exclusive): the iterator waits
    /// for messages in front of it, and returns `None` as soon as the log reaches so far.
    ///
    /// ```
    /// use duramen::{BlockingLog, Log, MemoryLog, NewMessage, Start};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// let log = BlockingLog::new(MemoryLog::new());
    /// log.publish(&[NewMessage::value(b"0"), NewMessage::value(b"1")])?;
    /// // What is there now, whatever is published meanwhile.
    /// for message in log.follow_until(Start::Oldest, log.next_offset()?) {
    ///     log.publish(&[message?.as_new()])?;
    /// }
    /// assert_eq!(log.next_offset()?, 4);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn follow_until(&self, from: Start, end: u64) -> Follow<L> {
        let mut tail = Tail::new(self.clone(), from);
        tail.end = Some(end);
        Follow::new(tail)
    }
}

impl<L: Log> Follow<L> {
    fn new(tail: Tail<L>) -> Follow<L> {
        let stop = Stop::default();
        Follow { tail, stop }
    }

    /// The offset at which the iterator continues: one past the last message returned, or the log's
    /// start offset after an error about trimmed messages.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.tail.next_offset
    }

    /// As [`next`](Iterator::next), but waits no longer than `timeout`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use duramen::{Awaited, BlockingLog, Log, MemoryLog, NewMessage, Start};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// let log = BlockingLog::new(MemoryLog::new());
    /// log.publish(&[NewMessage::value(b"0")])?;
    /// let mut tail = log.follow(Start::Oldest);
    /// loop {
    ///     match tail.next_timeout(Duration::from_millis(5)) {
    ///         Awaited::Item(message) => println!("{:?}", message?.value),
    ///         Awaited::TimedOut => log.close()?, // or whatever is to be done now and then
    ///         Awaited::Ended => break,
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn next_timeout(&mut self, timeout: Duration) -> Awaited<Result<Message>> {
        // A deadline too far away to be represented is no deadline.
        match self.next_until(Instant::now().checked_add(timeout)) {
            Some(Some(item)) => Awaited::Item(item),
            Some(None) => Awaited::Ended,
            None => Awaited::TimedOut,
        }
    }

    /// A handle that ends the iterator, from any thread. Once it is stopped, the iterator returns
    /// `None`, and a call that waits returns at once. Messages that it has read ahead are not
    /// returned; [`next_offset`](Follow::next_offset) says where to continue.
    ///
    /// ```
    /// use duramen::{BlockingLog, MemoryLog, Start};
    ///
    /// let log = BlockingLog::new(MemoryLog::new());
    /// let tail = log.follow(Start::Oldest);
    /// let stop = tail.stop_handle();
    /// let tail = std::thread::spawn(move || tail.count());
    /// stop.stop();
    /// assert_eq!(tail.join().unwrap(), 0);
    /// ```
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle<L> {
        StopHandle::new(&self.tail.log, &self.stop)
    }

    /// What comes next; `None` if that is not known when the deadline has passed.
    fn next_until(&mut self, deadline: Option<Instant>) -> Option<Next> {
        if let Some(next) = self.poll() {
            return Some(next);
        }
        let log = self.tail.log.clone();
        log.wait_until(deadline, || self.poll())
    }

    /// What comes next, if that is known.
    pub(crate) fn poll(&mut self) -> Option<Next> {
        if self.stop.is_stopped() {
            return Some(None);
        }
        self.tail.poll()
    }
}

impl<L: Log> Iterator for Follow<L> {
    type Item = Result<Message>;

    fn next(&mut self) -> Option<Result<Message>> {
        // Without a deadline this returns only with a result.
        self.next_until(None).flatten()
    }
}

impl<L: Log> FusedIterator for Follow<L> {}

impl<L: Log> Tail<L> {
    pub(super) fn new(log: BlockingLog<L>, from: Start) -> Tail<L> {
        let begin = begin(from, |from, max_count| log.consume(from, max_count));
        let trimmed_to = begin.as_ref().err().and_then(start_if_trimmed);
        let next_offset = begin.as_ref().ok().copied().or(trimmed_to);
        let mut cursor = Cursor::new(from);
        cursor.at = next_offset.map_or(from, Start::At);
        Tail {
            log,
            cursor,
            ahead: Vec::new().into_iter(),
            next_offset: next_offset.unwrap_or(0),
            start_error: begin.err(),
            end: None,
            is_ended: false,
        }
    }

    /// What the reader returns next; `None` if it has to wait.
    pub(super) fn poll(&mut self) -> Option<Next> {
        if let Some(message) = self.ahead.next() {
            return Some(self.returned(message));
        }
        if self.is_ended {
            return Some(None);
        }
        if let Some(error) = self.start_error.take() {
            return Some(self.failed(error));
        }
        if self.has_reached_end() {
            return Some(self.ended());
        }
        let log = &self.log;
        let read = |at| log.consume(at, READ_AHEAD);
        match self.cursor.poll(log.raw(), log.changes_or_own(), read) {
            Some(Ok(batch)) => {
                self.ahead = batch.into_iter();
                let Some(message) = self.ahead.next() else {
                    self.is_ended = true;
                    return Some(None);
                };
                Some(self.returned(message))
            }
            Some(Err(error)) => Some(self.failed(error)),
            // What was deleted in front of the end is not waited for.
            None => self.has_reached_end().then(|| self.ended()),
        }
    }

    /// Whether there is nothing more to read in front of the end.
    fn has_reached_end(&self) -> bool {
        matches!((self.cursor.at, self.end), (Start::At(at), Some(end)) if at >= end)
    }

    /// Notes that the reader has reached its end.
    fn ended(&mut self) -> Next {
        self.is_ended = true;
        self.ahead = Vec::new().into_iter();
        self.next_offset = self.next_offset.max(self.end.unwrap_or(0));
        None
    }

    /// Notes that `message` is returned, unless it is behind the end.
    fn returned(&mut self, message: Message) -> Next {
        if self.end.is_some_and(|end| message.offset >= end) {
            return self.ended();
        }
        self.next_offset = message.offset + 1;
        Some(Ok(message))
    }

    /// Notes that `error` is returned, or, if the log is closed, the end.
    fn failed(&mut self, error: Error) -> Next {
        match start_if_trimmed(&error) {
            Some(start) => {
                self.cursor.at = Start::At(start);
                self.next_offset = start;
            }
            None => self.is_ended = true,
        }
        match error {
            Error::Closed => None,
            other => Some(Err(other)),
        }
    }

    /// Ends the reader with this error.
    #[cfg(feature = "stream")]
    pub(super) fn end<T>(&mut self, error: Error) -> Result<T> {
        self.is_ended = true;
        Err(error)
    }
}
