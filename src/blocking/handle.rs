use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cursor::Cursor;
use crate::{Batch, Changes, Error, Log, Result, Start};

/// A [`Log`] whose readers can wait for messages: a wrapper for any other, and itself a `Log`.
///
/// A reader that waits sleeps, and wakes when a message becomes visible, whichever handle or thread publishes it:
/// not only through this wrapper. With [`Durability::EachPublish`](crate::Durability::EachPublish) that is when the
/// batch is on stable storage. [`close`](Log::close) wakes everybody with [`Error::Closed`], and a log that is poisoned
/// by a failed write or sync with [`Error::Poisoned`], after all that can still be read was.
///
/// A log that is open for reading only does not change, in no process, as long as it is: there is nothing to wait for.
///
/// [`FileLog`](crate::FileLog) and [`MemoryLog`](crate::MemoryLog) say when they change (see [`Log::changes`]). Of
/// another log that does not, what goes through this wrapper and its clones is noticed at once, and anything else when
/// a reader looks again, every [`LOOK_AGAIN`](BlockingLog::LOOK_AGAIN).
///
/// Cheap to clone; clones are handles of the same log.
///
/// ```
/// use std::time::Duration;
/// use duramen::{BlockingLog, Log, MemoryLog, NewMessage, Start};
///
/// # fn main() -> duramen::Result<()> {
/// let log = BlockingLog::new(MemoryLog::new());
/// let reader = log.clone();
/// let reader = std::thread::spawn(move || reader.consume_blocking(Start::Oldest, 10, None));
/// log.publish(&[NewMessage::value(b"there you are")])?;
/// assert_eq!(reader.join().unwrap()?.messages.len(), 1);
///
/// // With a timeout, an empty batch says where to go on.
/// let batch = log.consume_blocking(Start::Newest, 10, Some(Duration::from_millis(1)))?;
/// assert!(batch.messages.is_empty() && batch.next_offset == 1);
/// # log.close()
/// # }
/// ```
#[derive(Debug)]
pub struct BlockingLog<L: Log> {
    inner: Arc<Inner<L>>,
}

#[derive(Debug)]
struct Inner<L> {
    log: L,
    /// What goes through the wrapper, for a log that does not tell of its changes itself.
    changes: Changes,
}

impl<L: Log> Clone for BlockingLog<L> {
    fn clone(&self) -> BlockingLog<L> {
        BlockingLog {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<L: Log> From<L> for BlockingLog<L> {
    fn from(log: L) -> BlockingLog<L> {
        BlockingLog::new(log)
    }
}

impl<L: Log> BlockingLog<L> {
    /// How long a reader that waits sleeps before it looks again at a log that does not tell of its changes: 10 ms.
    pub const LOOK_AGAIN: Duration = Duration::from_millis(10);

    /// Wraps a log. To go on using it by itself, wrap an [`Arc`] of it or a reference to it.
    pub fn new(log: L) -> BlockingLog<L> {
        let changes = Changes::new();
        BlockingLog {
            inner: Arc::new(Inner { log, changes }),
        }
    }

    /// The log in the wrapper.
    #[must_use]
    pub fn raw(&self) -> &L {
        &self.inner.log
    }

    /// As [`consume`](Log::consume), but waits for the first message when there is none yet; at most for `timeout`,
    /// if there is one.
    ///
    /// Returns as soon as there is anything, be it fewer than `max_count`. When the timeout has passed the batch is
    /// empty, and its `next_offset` is where to go on without missing anything. `Start::Newest` is resolved once, when
    /// this is called: it waits for the next message. With `max_count` 0 it does not wait.
    ///
    /// ```
    /// use std::time::Duration;
    /// use duramen::{BlockingLog, Log, MemoryLog, NewMessage, Start};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// let log = BlockingLog::new(MemoryLog::new());
    /// log.publish(&[NewMessage::value(b"0"), NewMessage::value(b"1")])?;
    /// let mut from = Start::Oldest;
    /// loop {
    ///     let batch = log.consume_blocking(from, 100, Some(Duration::from_millis(5)))?;
    ///     if batch.messages.is_empty() {
    ///         break; // quiet for so long
    ///     }
    ///     from = Start::At(batch.next_offset);
    /// }
    /// assert_eq!(from, Start::At(2));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As `consume`. While it waits: [`Error::Closed`] when the log is closed, [`Error::Poisoned`] when it is
    /// poisoned, and [`Error::OffsetOutOfRange`] ([`is_trimmed`](Error::is_trimmed)) when messages came and were
    /// trimmed before the waiter got to them; not from `Start::Oldest`, which means whatever is the oldest.
    pub fn consume_blocking(
        &self,
        from: Start,
        max_count: usize,
        timeout: Option<Duration>,
    ) -> Result<Batch> {
        self.read_blocking(from, max_count, timeout, |at| {
            self.inner.log.consume(at, max_count)
        })
    }

    /// As [`consume_blocking`](BlockingLog::consume_blocking), of the messages with exactly this key: waits for a
    /// *match*, and messages with other keys go by.
    ///
    /// ```
    /// use duramen::{BlockingLog, Log, MemoryLog, NewMessage, Start};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// let log = BlockingLog::new(MemoryLog::new());
    /// let reader = log.clone();
    /// let reader = std::thread::spawn(move || {
    ///     reader.consume_by_key_blocking(b"lamp", Start::Oldest, 10, None)
    /// });
    /// log.publish(&[NewMessage::new(b"door", b"open")])?;
    /// log.publish(&[NewMessage::new(b"lamp", b"on")])?;
    /// assert_eq!(reader.join().unwrap()?.messages[0].offset, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As `consume_blocking`, and [`Error::NoIndex`] without a key index.
    pub fn consume_by_key_blocking(
        &self,
        key: &[u8],
        from: Start,
        max_count: usize,
        timeout: Option<Duration>,
    ) -> Result<Batch> {
        self.read_blocking(from, max_count, timeout, |at| {
            self.inner.log.consume_by_key(key, at, max_count)
        })
    }

    fn read_blocking(
        &self,
        from: Start,
        max_count: usize,
        timeout: Option<Duration>,
        read: impl Fn(Start) -> Result<Batch>,
    ) -> Result<Batch> {
        if max_count == 0 {
            return read(from);
        }
        let mut cursor = Cursor::new(from);
        let mut look = || cursor.look(self.changes_or_own(), &read);
        if let Some(found) = look() {
            return found;
        }
        // A moment too far away to be told is as good as never.
        let deadline = timeout.map(|timeout| Instant::now().checked_add(timeout));
        if let Some(found) = self.wait_until(deadline.flatten(), look) {
            return found;
        }
        match cursor.at {
            Start::At(next_offset) => Ok(Batch {
                messages: Vec::new(),
                next_offset,
            }),
            // It has looked, and is at an offset since.
            _ => Err(Error::Invalid("the log did not say where reading goes on")),
        }
    }

    /// Calls `look` until it returns something, or the deadline has passed.
    pub(super) fn wait_until<T>(
        &self,
        deadline: Option<Instant>,
        mut look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        if let Some(changes) = self.inner.log.changes() {
            return changes.wait_until(deadline, look);
        }
        loop {
            let now = Instant::now();
            let again = now.checked_add(Self::LOOK_AGAIN);
            let until = deadline.into_iter().chain(again).min();
            if let Some(found) = self.inner.changes.wait_until(until, &mut look) {
                return Some(found);
            }
            if deadline.is_some_and(|deadline| deadline <= now) {
                return None;
            }
        }
    }

    /// What tells of the log's changes; where the log itself does not, of those that go through the wrapper.
    pub(super) fn changes_or_own(&self) -> &Changes {
        self.inner.log.changes().unwrap_or(&self.inner.changes)
    }

    /// Passes on the result of a call that may have changed the log, and tells those who wait.
    pub(super) fn wake_readers_after<T>(&self, result: Result<T>) -> Result<T> {
        if self.inner.log.changes().is_none() {
            match result {
                Err(Error::SyncFailed { .. } | Error::Poisoned) => self.inner.changes.poison(),
                _ => self.inner.changes.notify(),
            }
        }
        result
    }
}
