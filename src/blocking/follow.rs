use std::iter::FusedIterator;

use super::BlockingLog;
use super::cursor::{Cursor, begin, start_if_trimmed};
use crate::{Error, Log, Message, Result, Start};

/// How many messages are read at a time.
const READ_AHEAD: usize = 256;

/// The existing and future messages of a log, in order: see [`BlockingLog::follow`].
#[derive(Debug)]
pub struct Follow<L: Log>(Tail<L>);

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
    is_ended: bool,
}

/// What the reader returns next: a message, an error, or `None` at its end.
pub(super) type Next = Option<Result<Message>>;

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
    /// The iterator waits without a limit; use [`consume_blocking`](BlockingLog::consume_blocking)
    /// to wait with a timeout. It holds a handle of the log, and can be moved to another thread.
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
        Follow(Tail::new(self.clone(), from))
    }
}

impl<L: Log> Follow<L> {
    /// The offset at which the iterator continues: one past the last message returned, or the log's
    /// start offset after an error about trimmed messages.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.0.next_offset
    }
}

impl<L: Log> Iterator for Follow<L> {
    type Item = Result<Message>;

    fn next(&mut self) -> Option<Result<Message>> {
        if let Some(next) = self.0.poll() {
            return next;
        }
        let log = self.0.log.clone();
        // Without a deadline this returns only with a result.
        log.wait_until(None, || self.0.poll()).flatten()
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
            is_ended: false,
        }
    }

    /// What the reader returns next; `None` if it has to wait.
    pub(super) fn poll(&mut self) -> Option<Next> {
        if let Some(message) = self.ahead.next() {
            return Some(Some(Ok(self.returned(message))));
        }
        if self.is_ended {
            return Some(None);
        }
        if let Some(error) = self.start_error.take() {
            return Some(self.failed(error));
        }
        let log = &self.log;
        let read = |at| log.consume(at, READ_AHEAD);
        match self.cursor.poll(log.raw(), log.changes_or_own(), read)? {
            Ok(batch) => {
                self.ahead = batch.into_iter();
                let Some(message) = self.ahead.next() else {
                    self.is_ended = true;
                    return Some(None);
                };
                Some(Some(Ok(self.returned(message))))
            }
            Err(error) => Some(self.failed(error)),
        }
    }

    /// Notes that `message` is returned.
    fn returned(&mut self, message: Message) -> Message {
        self.next_offset = message.offset + 1;
        message
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
