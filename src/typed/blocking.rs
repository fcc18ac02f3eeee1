use std::fmt;
use std::iter::FusedIterator;
use std::ops::Deref;
use std::time::Duration;

use super::codec::Codec;
use super::control::TReadBatch;
use super::handle::TLog;
use super::message::{TBatch, TMessage};
use crate::{Awaited, BlockingLog, Follow, Log, ReadOptions, Result, Start, StopHandle};

/// A [`TLog`] whose readers can wait for messages, like those of a [`BlockingLog`].
///
/// It has all methods of a `TLog`; its [`raw`](TLog::raw) returns the `BlockingLog`.
///
/// ```
/// use std::sync::Arc;
/// use duramen::{MemoryLog, Start, TBlockingLog, TNewMessage, codec};
///
/// # fn main() -> duramen::Result<()> {
/// let log = Arc::new(TBlockingLog::new(MemoryLog::new(), codec::Utf8, codec::Varint));
/// let reader = Arc::clone(&log);
/// let reader = std::thread::spawn(move || {
///     reader.consume_by_key_blocking(&"cellar".to_owned(), Start::Oldest, 1, None)
/// });
/// log.publish(&[TNewMessage::new(&"attic".to_owned(), &21)])?;
/// log.publish(&[TNewMessage::new(&"cellar".to_owned(), &-3)])?;
/// for message in reader.join().unwrap()? {
///     assert_eq!(message?.value, Some(-3));
/// }
/// # log.close()
/// # }
/// ```
pub struct TBlockingLog<KC, VC, L: Log> {
    log: TLog<KC, VC, BlockingLog<L>>,
}

impl<KC: Codec, VC: Codec, L: Log> TBlockingLog<KC, VC, L> {
    /// Wraps a log. To keep using the log directly, wrap an [`Arc`](std::sync::Arc) or a reference.
    pub fn new(log: L, keys: KC, values: VC) -> TBlockingLog<KC, VC, L> {
        TBlockingLog {
            log: TLog::new(BlockingLog::new(log), keys, values),
        }
    }

    /// As [`BlockingLog::consume_blocking`]. A message that cannot be decoded ends the waiting too.
    ///
    /// # Errors
    ///
    /// As [`BlockingLog::consume_blocking`].
    pub fn consume_blocking(
        &self,
        from: Start,
        max_count: usize,
        timeout: Option<Duration>,
    ) -> Result<TBatch<KC::Item, VC::Item>> {
        let batch = self.log.raw().consume_blocking(from, max_count, timeout)?;
        Ok(self.log.decode_batch(batch))
    }

    /// As [`BlockingLog::read_blocking`]. A message that cannot be decoded ends the waiting too.
    ///
    /// # Errors
    ///
    /// As [`BlockingLog::read_blocking`].
    pub fn read_blocking(
        &self,
        from: Start,
        how: &ReadOptions,
        timeout: Option<Duration>,
    ) -> Result<TReadBatch<KC::Item, VC::Item>> {
        let batch = self.log.raw().read_blocking(from, how, timeout)?;
        Ok(self.log.decode_read(batch))
    }

    /// As [`BlockingLog::consume_by_key_blocking`].
    ///
    /// # Errors
    ///
    /// As [`BlockingLog::consume_by_key_blocking`], and [`Error::Encode`](crate::Error::Encode).
    pub fn consume_by_key_blocking(
        &self,
        key: &KC::Item,
        from: Start,
        max_count: usize,
        timeout: Option<Duration>,
    ) -> Result<TBatch<KC::Item, VC::Item>> {
        let raw = self.log.raw();
        let batch = self.log.codecs.with_key(key, |key| {
            raw.consume_by_key_blocking(key, from, max_count, timeout)
        })?;
        Ok(self.log.decode_batch(batch))
    }

    /// Iterates over the existing and future messages from `from` on, by the rules of
    /// [`BlockingLog::follow`].
    ///
    /// For a message that cannot be decoded, the iterator returns
    /// [`Error::Decode`](crate::Error::Decode) and continues with the next message.
    pub fn follow(&self, from: Start) -> TFollow<'_, KC, VC, L> {
        TFollow {
            log: &self.log,
            follow: self.log.raw().follow(from),
        }
    }
}

impl<KC: Codec, VC: Codec, L: Log> TBlockingLog<KC, VC, L> {
    /// As [`follow`](TBlockingLog::follow), up to the offset `end` (exclusive): see
    /// [`BlockingLog::follow_until`].
    pub fn follow_until(&self, from: Start, end: u64) -> TFollow<'_, KC, VC, L> {
        TFollow {
            log: &self.log,
            follow: self.log.raw().follow_until(from, end),
        }
    }
}

/// Uses the existing `BlockingLog`.
impl<KC, VC, L: Log> From<TLog<KC, VC, BlockingLog<L>>> for TBlockingLog<KC, VC, L> {
    fn from(log: TLog<KC, VC, BlockingLog<L>>) -> Self {
        TBlockingLog { log }
    }
}

impl<KC, VC, L: Log> Deref for TBlockingLog<KC, VC, L> {
    type Target = TLog<KC, VC, BlockingLog<L>>;

    fn deref(&self) -> &TLog<KC, VC, BlockingLog<L>> {
        &self.log
    }
}

impl<KC: Clone, VC: Clone, L: Log> Clone for TBlockingLog<KC, VC, L> {
    fn clone(&self) -> Self {
        TBlockingLog {
            log: self.log.clone(),
        }
    }
}

impl<KC, VC, L: Log + fmt::Debug> fmt::Debug for TBlockingLog<KC, VC, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TBlockingLog").field(&self.log).finish()
    }
}

/// The existing and future messages of a typed log, in order: see [`TBlockingLog::follow`].
pub struct TFollow<'a, KC, VC, L: Log> {
    log: &'a TLog<KC, VC, BlockingLog<L>>,
    follow: Follow<L>,
}

impl<KC, VC, L: Log> TFollow<'_, KC, VC, L> {
    /// The offset at which the iterator continues: see [`Follow::next_offset`].
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.follow.next_offset()
    }

    /// A handle that ends the iterator: see [`Follow::stop_handle`].
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle<L> {
        self.follow.stop_handle()
    }
}

impl<KC: Codec, VC: Codec, L: Log> TFollow<'_, KC, VC, L> {
    /// As [`next`](Iterator::next), but waits no longer than `timeout`: see
    /// [`Follow::next_timeout`].
    #[must_use]
    pub fn next_timeout(&mut self, timeout: Duration) -> Awaited<<Self as Iterator>::Item> {
        let log = self.log;
        let awaited = self.follow.next_timeout(timeout);
        awaited.map(|message| message.and_then(|message| Ok(log.decode(message)?)))
    }
}

impl<KC: Codec, VC: Codec, L: Log> Iterator for TFollow<'_, KC, VC, L> {
    type Item = Result<TMessage<KC::Item, VC::Item>>;

    fn next(&mut self) -> Option<Self::Item> {
        let message = self.follow.next()?;
        Some(message.and_then(|message| Ok(self.log.decode(message)?)))
    }
}

impl<KC: Codec, VC: Codec, L: Log> FusedIterator for TFollow<'_, KC, VC, L> {}

impl<KC, VC, L: Log + fmt::Debug> fmt::Debug for TFollow<'_, KC, VC, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TFollow").field(&self.follow).finish()
    }
}
