use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::closer::CursorCloser;
use crate::blocking::{poisoned, start_if_trimmed};
use crate::{BlockingLog, Error, Filter, Log, Message, ReadOptions, Result, Start, Stop};

/// How many messages are read at a time.
const READ_AHEAD: usize = 256;

/// The existing and future messages of a log that pass a filter, in order: see
/// [`BlockingLog::cursor`].
///
/// It holds a handle of the log, and can be moved to another thread. Dropping it closes it.
pub struct Cursor<L: Log> {
    log: BlockingLog<L>,
    how: ReadOptions,
    /// Messages read and not returned yet.
    ahead: std::vec::IntoIter<Message>,
    /// One past the last message returned; or further, where the filter leaves out what follows.
    next_offset: u64,
    /// Where the log is read next.
    read_to: u64,
    /// Whether reading may begin with the oldest message and nothing was read yet. Then a trim
    /// loses nothing that the reader expects.
    is_from_oldest: bool,
    is_closed: Arc<AtomicBool>,
}

impl<L: Log> BlockingLog<L> {
    /// A cursor over the messages from `from` on that pass `filter`: first the existing ones, then
    /// new ones, waiting for each. The idea is that of Dogma's cursors.
    ///
    /// - Messages come in offset order, and none comes twice.
    /// - `from` is resolved when this is called. A cursor that is opened beyond the log's end waits
    ///   until the log reaches so far.
    /// - A cursor whose next message was trimmed fails with
    ///   [`OffsetOutOfRange`](Error::OffsetOutOfRange), for which
    ///   [`is_trimmed`](Error::is_trimmed) is true, now and in each later call: open another one
    ///   where you want to go on. One that begins at [`Start::Oldest`] and has returned nothing yet
    ///   passes over what is trimmed.
    /// - At the end of a log that is sealed it fails with [`Sealed`](Error::Sealed).
    ///
    /// ```
    /// use duramen::{BlockingLog, Filter, Log, MemoryLog, NewMessage, Start};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// let log = BlockingLog::new(MemoryLog::new());
    /// for key in [b"a", b"b", b"a"] {
    ///     log.publish(&[NewMessage::new(key, b"value")])?;
    /// }
    /// let mut cursor = log.cursor(Start::Oldest, Filter::key(b"a"))?;
    /// assert_eq!(cursor.next()?.offset, 0);
    /// assert_eq!(cursor.next()?.offset, 2);
    /// assert_eq!(cursor.next_offset(), 3);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a filter that names no value, as [`Filter::header_in`] may; as
    /// [`consume`](Log::consume) for a start that was trimmed.
    pub fn cursor(&self, from: Start, filter: Filter) -> Result<Cursor<L>> {
        if filter.is_empty() {
            return Err(Error::Invalid("a filter that no message can pass"));
        }
        let read_to = match (from, self.consume(from, 0)) {
            (_, Ok(batch)) => batch.next_offset,
            (Start::At(offset), Err(error)) if error.is_beyond_end() => offset,
            (_, Err(error)) => return Err(error),
        };
        Ok(Cursor {
            log: self.clone(),
            how: ReadOptions::new()
                .max_count(READ_AHEAD)
                .clamp(true)
                .filter(filter),
            ahead: Vec::new().into_iter(),
            next_offset: read_to,
            read_to,
            is_from_oldest: matches!(from, Start::Oldest | Start::AtOrOldest(_)),
            is_closed: Arc::default(),
        })
    }
}

impl<L: Log> Cursor<L> {
    /// The next message. Waits for it without a limit.
    ///
    /// # Errors
    ///
    /// - [`Error::CursorClosed`] when the cursor is closed, also while it waits;
    /// - [`Error::OffsetOutOfRange`] ([`is_trimmed`](Error::is_trimmed)) when the next message was
    ///   trimmed;
    /// - [`Error::Sealed`] at the end of a sealed log;
    /// - [`Error::Poisoned`] when the log is poisoned, after all visible messages;
    /// - as [`read`](Log::read).
    #[expect(
        clippy::should_implement_trait,
        reason = "an error does not end it as an iterator would"
    )]
    pub fn next(&mut self) -> Result<Message> {
        let next = self.next_until(None)?;
        next.ok_or(Error::Invalid("a wait without an end has ended"))
    }

    /// As [`next`](Cursor::next), but waits no longer than `timeout`; `None` if there is no message
    /// by then.
    ///
    /// # Errors
    ///
    /// As `next`.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Message>> {
        // A deadline too far away to be represented is no deadline.
        self.next_until(Instant::now().checked_add(timeout))
    }

    /// The offset at which to go on: everything in front of it was returned, or left out by the
    /// filter.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// What closes this cursor from another thread.
    #[must_use]
    pub fn closer(&self) -> CursorCloser<L> {
        CursorCloser::new(&self.log, &self.is_closed)
    }

    /// Closes the cursor. From now on each call fails.
    ///
    /// # Errors
    ///
    /// [`Error::CursorClosed`] if it was closed before.
    pub fn close(&self) -> Result<()> {
        self.closer().close()
    }

    #[cfg(feature = "stream")]
    pub(super) fn log(&self) -> &BlockingLog<L> {
        &self.log
    }

    fn next_until(&mut self, deadline: Option<Instant>) -> Result<Option<Message>> {
        if let Some(next) = self.poll() {
            return next.map(Some);
        }
        let log = self.log.clone();
        log.wait_until(deadline, || self.poll()).transpose()
    }

    /// The next message or an error; `None` if it has to wait.
    pub(super) fn poll(&mut self) -> Option<Result<Message>> {
        if self.is_closed.load(Ordering::Acquire) {
            return Some(Err(Error::CursorClosed));
        }
        loop {
            if let Some(message) = self.ahead.next() {
                self.next_offset = if self.ahead.as_slice().is_empty() {
                    self.read_to
                } else {
                    message.offset + 1
                };
                self.is_from_oldest = false;
                return Some(Ok(message));
            }
            // Read before the log, so that messages that became visible before the poisoning are
            // returned first.
            let is_poisoned = self.log.changes_or_own().is_poisoned();
            let stopped = match self.read_on() {
                Ok(stopped) => stopped,
                Err(error) => return Some(Err(error)),
            };
            let is_empty = self.ahead.as_slice().is_empty();
            match stopped {
                Stop::Sealed if is_empty => return Some(Err(Error::Sealed)),
                Stop::AtEnd | Stop::Until if is_empty => {
                    return is_poisoned.then(|| Err(poisoned(self.log.raw())));
                }
                _ => {}
            }
        }
    }

    /// Reads on from where the log was read to.
    fn read_on(&mut self) -> Result<Stop> {
        let from = self.read_to;
        let mut batch = match self.log.read(Start::At(from), &self.how) {
            Err(error) => match start_if_trimmed(&error).filter(|_| self.is_from_oldest) {
                Some(start) => {
                    self.read_to = start;
                    self.next_offset = start;
                    return Ok(Stop::More);
                }
                None => return Err(error),
            },
            batch => batch?,
        };
        // Opened beyond the end, it does not take what is in front of where it was opened.
        batch.messages.retain(|message| message.offset >= from);
        self.read_to = from.max(batch.next_offset);
        self.ahead = batch.messages.into_iter();
        if self.ahead.as_slice().is_empty() {
            self.next_offset = self.read_to;
        }
        Ok(batch.stopped)
    }
}

impl<L: Log> Drop for Cursor<L> {
    fn drop(&mut self) {
        self.is_closed.store(true, Ordering::Release);
    }
}

impl<L: Log> fmt::Debug for Cursor<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("how", &self.how)
            .field("next_offset", &self.next_offset)
            .finish_non_exhaustive()
    }
}
