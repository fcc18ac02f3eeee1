use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::cursor::{Cursor, is_from_oldest, poisoned, start_if_trimmed};
use crate::{Batch, Changes, Error, Log, ReadBatch, ReadOptions, Result, Start, Stop};

/// A wrapper for any [`Log`] whose readers can wait for messages. It is a `Log` itself.
///
/// A waiting reader sleeps until a message becomes visible, whichever handle or thread publishes
/// it. With [`Durability::EachPublish`](crate::Durability::EachPublish) a message is visible once
/// it is on stable storage. When the log is closed, waiting readers return [`Error::Closed`]. When
/// a failed write or sync poisons the log, they return [`Error::Poisoned`] after all visible
/// messages.
///
/// With a log that is open for reading only, a waiting reader is woken by the writer where
/// [`Options::read_only`](crate::Options::read_only) says so. If not, it looks whether anything
/// has changed, after 1 ms and then ever less often, up to every 20 ms.
///
/// [`FileLog`](crate::FileLog) and [`MemoryLog`](crate::MemoryLog) announce their changes (see
/// [`Log::changes`]). For a log that does not, changes made through this wrapper and its clones
/// wake readers at once. To see other changes, waiting readers poll the log every
/// [`POLL_INTERVAL`](BlockingLog::POLL_INTERVAL).
///
/// Cheap to clone. Clones are handles of the same log.
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
/// // When the timeout has passed, the batch is empty and says where to continue.
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
    /// Announces changes made through the wrapper, if the log does not announce its changes itself.
    changes: Changes,
}

impl<L: Log> Clone for BlockingLog<L> {
    fn clone(&self) -> BlockingLog<L> {
        BlockingLog {
            inner: Arc::clone(&self.inner),
        }
    }
}

/// A handle that keeps no log open.
pub(crate) struct WeakLog<L: Log> {
    inner: Weak<Inner<L>>,
}

impl<L: Log> WeakLog<L> {
    /// The log, if it is still there.
    pub(crate) fn upgrade(&self) -> Option<BlockingLog<L>> {
        let inner = self.inner.upgrade()?;
        Some(BlockingLog { inner })
    }
}

impl<L: Log> Clone for WeakLog<L> {
    fn clone(&self) -> WeakLog<L> {
        WeakLog {
            inner: Weak::clone(&self.inner),
        }
    }
}

impl<L: Log> From<L> for BlockingLog<L> {
    fn from(log: L) -> BlockingLog<L> {
        BlockingLog::new(log)
    }
}

impl<L: Log> BlockingLog<L> {
    /// How often a waiting reader polls a log that does not announce its changes: every 10 ms.
    pub const POLL_INTERVAL: Duration = Duration::from_millis(10);

    /// Wraps a log. To keep using the log directly, wrap an [`Arc`] or a reference.
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

    /// As [`consume`](Log::consume), but waits for a message if there is none yet. With a
    /// `timeout`, it waits at most that long.
    ///
    /// Returns as soon as there are any messages, even fewer than `max_count`. When the timeout has
    /// passed, the batch is empty, and a reader that continues at its `next_offset` misses nothing.
    /// `Start::Newest` is resolved once, when this is called, and waits for the next message. With
    /// `max_count` 0, and at the end of a sealed log, this does not wait.
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
    ///         break; // no message for 5 ms
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
    /// As `consume`. While it waits:
    ///
    /// - [`Error::Closed`] when the log is closed;
    /// - [`Error::Poisoned`] when the log is poisoned;
    /// - [`Error::OffsetOutOfRange`] ([`is_trimmed`](Error::is_trimmed)) when new messages were
    ///   trimmed before this call could read them. `Start::Oldest` and `Start::AtOrOldest` skip
    ///   trimmed messages instead.
    pub fn consume_blocking(
        &self,
        from: Start,
        max_count: usize,
        timeout: Option<Duration>,
    ) -> Result<Batch> {
        self.poll_blocking(from, max_count, timeout, |at| {
            self.inner.log.consume(at, max_count)
        })
    }

    /// As [`read`](Log::read), but waits at the end of the log until there is something to return,
    /// or another reason to stop. With a `timeout`, it waits at most that long; then the batch is
    /// empty and has stopped at [`Stop::AtEnd`], or at [`Stop::More`] if the filter leaves out so
    /// much that the time was over in between.
    ///
    /// A start beyond the end fails as in `read`, or, with [`clamp`](ReadOptions::clamp), waits at
    /// the end. What the filter leaves out does not end the waiting.
    ///
    /// # Errors
    ///
    /// As `read`, and while it waits as [`consume_blocking`](BlockingLog::consume_blocking).
    pub fn read_blocking(
        &self,
        from: Start,
        how: &ReadOptions,
        timeout: Option<Duration>,
    ) -> Result<ReadBatch> {
        let deadline = timeout.map(|timeout| Instant::now().checked_add(timeout));
        let deadline = deadline.flatten();
        let is_over = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let mut at = from;
        let mut last = None;
        let mut poll = || {
            // Read before the log, so that messages that became visible before the poisoning are
            // returned first.
            let is_poisoned = self.changes_or_own().is_poisoned();
            loop {
                let mut read = self.inner.log.read(at, how);
                // Nothing was returned yet, so a trim loses nothing that the reader expects.
                while let Some(start) = read.as_ref().err().and_then(start_if_trimmed)
                    && is_from_oldest(from)
                {
                    read = self.inner.log.read(Start::At(start), how);
                }
                let read = match read {
                    Err(error) => return Some(Err(error)),
                    Ok(read) => read,
                };
                at = Start::At(read.next_offset);
                let is_empty = read.messages.is_empty() && read.controls.is_empty();
                match read.stopped {
                    // What the filter has left out so far is no reason to wait.
                    Stop::More if is_empty && !is_over() => {}
                    Stop::AtEnd | Stop::More if is_empty => {
                        last = Some(read);
                        return is_poisoned.then(|| Err(poisoned(&self.inner.log)));
                    }
                    _ => return Some(Ok(read)),
                }
            }
        };
        if let Some(found) = self.wait_until(deadline, &mut poll) {
            return found;
        }
        last.ok_or(Error::Invalid(
            "the log did not say at which offset reading continues",
        ))
    }

    /// As [`consume_blocking`](BlockingLog::consume_blocking), of the messages with exactly this
    /// key. Messages with other keys do not end the waiting.
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
        self.poll_blocking(from, max_count, timeout, |at| {
            self.inner.log.consume_by_key(key, at, max_count)
        })
    }

    fn poll_blocking(
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
        let mut poll = || cursor.poll(&self.inner.log, self.changes_or_own(), &read);
        if let Some(found) = poll() {
            return found;
        }
        // A deadline too far away to be represented is no deadline.
        let deadline = timeout.map(|timeout| Instant::now().checked_add(timeout));
        if let Some(found) = self.wait_until(deadline.flatten(), poll) {
            return found;
        }
        match cursor.at {
            Start::At(next_offset) => Ok(Batch {
                messages: Vec::new(),
                next_offset,
            }),
            // The cursor is at an offset since its first poll.
            _ => Err(Error::Invalid(
                "the log did not say at which offset reading continues",
            )),
        }
    }

    /// A handle that keeps no log open.
    pub(crate) fn downgrade(&self) -> WeakLog<L> {
        WeakLog {
            inner: Arc::downgrade(&self.inner),
        }
    }

    /// Calls `check` until it returns `Some` or the deadline has passed.
    pub(crate) fn wait_until<T>(
        &self,
        deadline: Option<Instant>,
        mut check: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        // Before the wait, which takes a lock: in a fork, a thread of its parent may have held it.
        if let Some(found) = check() {
            return Some(found);
        }
        if let Some(changes) = self.inner.log.changes() {
            return changes.wait_until(deadline, check);
        }
        loop {
            let now = Instant::now();
            let next_poll = now.checked_add(Self::POLL_INTERVAL);
            let until = deadline.into_iter().chain(next_poll).min();
            if let Some(found) = self.inner.changes.wait_until(until, &mut check) {
                return Some(found);
            }
            if deadline.is_some_and(|deadline| deadline <= now) {
                return None;
            }
        }
    }

    /// Announces the log's changes; if the log has no `Changes`, those made through the wrapper.
    pub(crate) fn changes_or_own(&self) -> &Changes {
        self.inner.log.changes().unwrap_or(&self.inner.changes)
    }

    /// Wakes all who wait, so that they look again.
    pub(crate) fn wake_all(&self) {
        // In a fork, a thread of its parent may have held the lock that this takes.
        if !matches!(self.next_offset(), Err(Error::Forked)) {
            self.changes_or_own().notify();
        }
    }

    /// Wakes waiting readers after a call that may have changed the log. Returns the call's result.
    pub(super) fn wake_readers_after<T>(&self, result: Result<T>) -> Result<T> {
        if self.inner.log.changes().is_none() {
            match result {
                Err(Error::SyncFailed { .. } | Error::Poisoned { .. }) => self.inner.changes.poison(),
                _ => self.inner.changes.notify(),
            }
        }
        result
    }
}
