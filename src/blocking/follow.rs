use std::iter::FusedIterator;

use super::BlockingLog;
use super::cursor::{Cursor, begin, start_if_trimmed};
use crate::{Error, Log, Message, Result, Start};

/// So many messages are read at a time.
const READ_AHEAD: usize = 256;

/// Messages of a log in order, those that are there and those to come: see [`BlockingLog::follow`].
#[derive(Debug)]
pub struct Follow<L: Log>(Tail<L>);

/// What follows a log, by an iterator or by a stream.
#[derive(Debug)]
pub(super) struct Tail<L: Log> {
    pub(super) log: BlockingLog<L>,
    cursor: Cursor,
    /// Read and not yet handed out.
    ahead: std::vec::IntoIter<Message>,
    /// Behind the last message that was handed out.
    next_offset: u64,
    /// What went wrong before the first message was read.
    begun: Option<Error>,
    is_ended: bool,
}

/// What there is to hand out: a message or an error, or, with `None`, the end for good.
pub(super) type Next = Option<Result<Message>>;

impl<L: Log> BlockingLog<L> {
    /// The messages from `from` on: first those that are there, then, waiting for each, those that come.
    ///
    /// - It begins where `from` says, resolved when this is called: from `Start::Newest` it misses nothing that is
    ///   published from now on.
    /// - Messages come in offset order, and none comes twice.
    /// - If what it is to return next was trimmed, it returns one error that says so
    ///   ([`is_trimmed`](Error::is_trimmed)) and goes on from the log's start offset, which is in the error's field
    ///   `start`. Not if it began with `Start::Oldest` and has returned nothing yet.
    /// - When the log is closed it returns `None`, after what it had read already.
    /// - Any other error is returned once, and is the end: for instance `Poisoned`, after everything that was visible,
    ///   or `Corrupt`. Where to go on is [`Follow::next_offset`].
    ///
    /// It waits for ever; to wait for a time use [`consume_blocking`](BlockingLog::consume_blocking). It is a handle of
    /// the log like this one, and can go to another thread.
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
    /// The offset at which it goes on: one past the last message returned, or behind what was trimmed.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.0.next_offset
    }
}

impl<L: Log> Iterator for Follow<L> {
    type Item = Result<Message>;

    fn next(&mut self) -> Option<Result<Message>> {
        if let Some(next) = self.0.look() {
            return next;
        }
        let log = self.0.log.clone();
        // Without a deadline it does not give up.
        log.wait_until(None, || self.0.look()).flatten()
    }
}

impl<L: Log> FusedIterator for Follow<L> {}

impl<L: Log> Tail<L> {
    pub(super) fn new(log: BlockingLog<L>, from: Start) -> Tail<L> {
        let begun = begin(from, |from, max_count| log.consume(from, max_count));
        let trimmed_to = begun.as_ref().err().and_then(start_if_trimmed);
        let next_offset = begun.as_ref().ok().copied().or(trimmed_to);
        let mut cursor = Cursor::new(from);
        cursor.at = next_offset.map_or(from, Start::At);
        Tail {
            log,
            cursor,
            ahead: Vec::new().into_iter(),
            next_offset: next_offset.unwrap_or(0),
            begun: begun.err(),
            is_ended: false,
        }
    }

    /// What comes next; `None` if that is still to come.
    pub(super) fn look(&mut self) -> Option<Next> {
        if let Some(message) = self.ahead.next() {
            return Some(Some(Ok(self.handed_out(message))));
        }
        if self.is_ended {
            return Some(None);
        }
        if let Some(error) = self.begun.take() {
            return Some(self.failed(error));
        }
        let log = &self.log;
        let read = |at| log.consume(at, READ_AHEAD);
        match self.cursor.look(log.changes_or_own(), read)? {
            Ok(batch) => {
                self.ahead = batch.into_iter();
                let message = self.ahead.next()?;
                Some(Some(Ok(self.handed_out(message))))
            }
            Err(error) => Some(self.failed(error)),
        }
    }

    fn handed_out(&mut self, message: Message) -> Message {
        self.next_offset = message.offset + 1;
        message
    }

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

    /// Ends it with this error.
    #[cfg(feature = "stream")]
    pub(super) fn end<T>(&mut self, error: Error) -> Result<T> {
        self.is_ended = true;
        Err(error)
    }
}
