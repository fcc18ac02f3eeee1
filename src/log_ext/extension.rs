use super::iter::Iter;
use super::latest;
use super::reverse::ReverseIter;
use crate::{Batch, Log, NewMessage, Result, Start};

/// Conveniences for every [`Log`].
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
    /// Publishes one message and returns *its* offset.
    ///
    /// # Errors
    ///
    /// As [`Log::publish`].
    fn publish_one(&self, message: NewMessage<'_>) -> Result<u64> {
        // One past the message, so at least 1.
        Ok(self.publish(&[message])?.saturating_sub(1))
    }

    /// [`Log::consume`], from an offset or a time as they are: `log.consume_from(7, 100)`.
    ///
    /// # Errors
    ///
    /// As there.
    fn consume_from(&self, from: impl Into<Start>, max_count: usize) -> Result<Batch> {
        self.consume(from.into(), max_count)
    }

    /// The messages from `from` on, in offset order, up to the end.
    ///
    /// Ends at what is the log's end when it gets there, and looks again when it is asked again. To wait for more there
    /// is [`BlockingLog::follow`](crate::BlockingLog::follow). An error ends it for good.
    fn iter(&self, from: impl Into<Start>) -> Iter<'_, Self> {
        Iter::new(self, from.into())
    }

    /// The messages that are there now, from the newest to the oldest.
    ///
    /// Ends where the log begins, also if that moves meanwhile. It reads pieces of the log backwards, so the first
    /// messages come quickly however long the log is; after an error it ends.
    fn reverse_iter(&self) -> ReverseIter<'_, Self> {
        ReverseIter::new(self)
    }

    /// The last message of each key there is, in offset order, as of now: the state that the log amounts to, if keys
    /// name things and values are what became of them. `next_offset` is where to go on to keep it up to date, for
    /// instance with [`BlockingLog::follow`](crate::BlockingLog::follow).
    ///
    /// Tombstones are among them: a message without a value says that its key is gone. Messages without a key are not.
    /// Reads the whole log, needs no key index, and holds no more memory than what it returns.
    ///
    /// # Errors
    ///
    /// As [`Log::consume`].
    fn latest_by_key(&self) -> Result<Batch> {
        latest::by_key(self)
    }
}

impl<L: Log + ?Sized> LogExt for L {}
