use super::iter::Iter;
use super::latest;
use super::reverse::ReverseIter;
use crate::{Batch, Log, NewMessage, PublishOptions, Result, Start};

/// Convenience methods for every [`Log`].
///
/// ```
/// use duramen::{Log, LogExt, MemoryLog, NewMessage};
///
/// # fn main() -> duramen::Result<()> {
/// let log = MemoryLog::new();
/// assert_eq!(log.publish_one(NewMessage::new(b"lamp", b"on"))?, 0);
/// assert_eq!(log.publish_one(NewMessage::new(b"lamp", b"off"))?, 1);
///
/// for message in log.iter(0) {
///     println!("{:?}", message?.value);
/// }
/// let last = log.reverse_iter().next().expect("there are two")?;
/// assert_eq!(log.latest_by_key()?.messages, [last]);
/// # Ok(())
/// # }
/// ```
pub trait LogExt: Log {
    /// Publishes one message and returns the offset of that message.
    ///
    /// # Errors
    ///
    /// As [`Log::publish`].
    fn publish_one(&self, message: NewMessage<'_>) -> Result<u64> {
        // The next offset is one past the message, so at least 1.
        Ok(self.publish(&[message])?.saturating_sub(1))
    }

    /// As [`publish_one`](LogExt::publish_one), under conditions or with a durability of its own:
    /// see [`Log::append`]. Of a message that the same producer has published before, it returns
    /// the offset that it got then.
    ///
    /// ```
    /// use duramen::{Error, LogExt, MemoryLog, NewMessage, PublishOptions};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// let log = MemoryLog::new();
    /// let first = PublishOptions::new().expect_key(b"lamp", None);
    /// let on = log.publish_one_with(NewMessage::new(b"lamp", b"on"), &first)?;
    /// let next = PublishOptions::new().expect_key(b"lamp", Some(on));
    /// assert_eq!(log.publish_one_with(NewMessage::new(b"lamp", b"off"), &next)?, 1);
    /// let late = log.publish_one_with(NewMessage::new(b"lamp", b"red"), &next);
    /// assert!(matches!(late, Err(Error::KeyMismatch { .. })));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Log::append`].
    fn publish_one_with(&self, message: NewMessage<'_>, how: &PublishOptions<'_>) -> Result<u64> {
        Ok(self.append(&[message], how)?.start.offset)
    }

    /// [`Log::consume`] from an offset or a [`Timestamp`](crate::Timestamp):
    /// `log.consume_from(7, 100)`.
    ///
    /// # Errors
    ///
    /// As [`Log::consume`].
    fn consume_from(&self, from: impl Into<Start>, max_count: usize) -> Result<Batch> {
        self.consume(from.into(), max_count)
    }

    /// Iterates over the messages from `from` on, in offset order, up to the end of the log.
    ///
    /// At the end the iterator returns `None`; called again later, it returns messages published
    /// since. After an error it returns only `None`. It reads up to 256 messages ahead, and returns
    /// those also if they are trimmed, or the log is closed, meanwhile.
    /// [`BlockingLog::follow`](crate::BlockingLog::follow) waits for messages instead.
    fn iter(&self, from: impl Into<Start>) -> Iter<'_, Self> {
        Iter::new(self, from.into())
    }

    /// Iterates over the messages that exist now, from the newest to the oldest.
    ///
    /// The iterator ends at the start offset, even if a trim moves it meanwhile, or after an error.
    /// Up to 64 messages were read ahead, as by [`iter`](LogExt::iter).
    /// It reads the log backwards in pieces, so it returns the first messages quickly, however long
    /// the log is.
    fn reverse_iter(&self) -> ReverseIter<'_, Self> {
        ReverseIter::new(self)
    }

    /// The last message of each key at this moment, in offset order. If keys are names of things
    /// and values their states, this is the current state of everything. To keep it up to date,
    /// read on at `next_offset`, for instance with
    /// [`BlockingLog::follow`](crate::BlockingLog::follow).
    ///
    /// The result includes tombstones, which say that a key was removed. It does not include
    /// messages without a key. This reads the whole log, needs no key index, and takes memory only
    /// for the messages it returns.
    ///
    /// # Errors
    ///
    /// As [`Log::consume`].
    fn latest_by_key(&self) -> Result<Batch> {
        latest::by_key(self)
    }
}

impl<L: Log + ?Sized> LogExt for L {}
