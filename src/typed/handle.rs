use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::codec::Codec;
use super::codecs::Codecs;
use super::message::{TBatch, TMessage, TNewMessage};
use crate::{
    BackupReport, Batch, DecodeError, Deleted, Log, Message, Position, PublishOptions, Result, Start, Stats,
    Timestamp, Trimmed,
};

/// A log whose keys and values have types of the application: a wrapper for any [`Log`], with one
/// [`Codec`] for keys and one for values.
///
/// Every method has the semantics and errors of the `Log` method of the same name. In addition, a
/// key or value that cannot be encoded fails with [`Error::Encode`] before anything is written.
/// Codecs are not used for an absent key or value.
///
/// A message that cannot be decoded does not hide the others: in a batch, a [`DecodeError`] with
/// its offset and bytes takes its place, and `next_offset` is past it.
///
/// Each thread reuses its memory for encoding. With codecs that do not allocate, publishing
/// allocates nothing per message.
///
/// ```
/// use duramen::{MemoryLog, Start, TLog, TNewMessage, codec};
///
/// # fn main() -> duramen::Result<()> {
/// let names = TLog::new(MemoryLog::new(), codec::U64, codec::Utf8);
/// names.publish(&[TNewMessage::new(&7, &"Ada".to_owned())])?;
/// names.publish(&[TNewMessage::new(&8, &"Grace".to_owned()), TNewMessage::tombstone(&7)])?;
///
/// assert_eq!(names.get_by_key(&8)?.value.as_deref(), Some("Grace"));
/// assert_eq!(names.get_by_key(&7)?.value, None);
/// for message in names.consume(Start::Oldest, 100)? {
///     let message = message?;
///     println!("{}: {:?}", message.offset, message.value);
/// }
/// # names.close()
/// # }
/// ```
///
/// [`Error::Encode`]: crate::Error::Encode
pub struct TLog<KC, VC, L> {
    log: L,
    pub(super) codecs: Codecs<KC, VC>,
}

impl<KC: Codec, VC: Codec, L: Log> TLog<KC, VC, L> {
    /// Wraps a log. To keep using the log directly, wrap an [`Arc`](std::sync::Arc) or a reference.
    pub fn new(log: L, keys: KC, values: VC) -> TLog<KC, VC, L> {
        TLog {
            log,
            codecs: Codecs { keys, values },
        }
    }

    /// The wrapped log, to read and publish bytes.
    pub fn raw(&self) -> &L {
        &self.log
    }

    /// Unwraps the log.
    pub fn into_raw(self) -> L {
        self.log
    }

    pub(super) fn into_parts(self) -> (L, Codecs<KC, VC>) {
        (self.log, self.codecs)
    }

    /// Publishes `messages` as one atomic batch and returns the next offset: see [`Log::publish`].
    ///
    /// # Errors
    ///
    /// As [`Log::publish`], and [`Error::Encode`](crate::Error::Encode): nothing was written.
    pub fn publish(&self, messages: &[TNewMessage<'_, KC::Item, VC::Item>]) -> Result<u64> {
        self.codecs.encoded(messages, |encoded| self.log.publish(encoded))
    }

    /// As [`publish`](TLog::publish), under a condition or with a durability of its own: see
    /// [`Log::publish_with`].
    ///
    /// # Errors
    ///
    /// As [`Log::publish_with`], and [`Error::Encode`](crate::Error::Encode): nothing was written.
    pub fn publish_with(
        &self,
        messages: &[TNewMessage<'_, KC::Item, VC::Item>],
        how: &PublishOptions<'_>,
    ) -> Result<u64> {
        self.codecs
            .encoded(messages, |encoded| self.log.publish_with(encoded, how))
    }

    /// See [`Log::start_offset`].
    ///
    /// # Errors
    ///
    /// As [`Log::start_offset`].
    pub fn start_offset(&self) -> Result<u64> {
        self.log.start_offset()
    }

    /// See [`Log::next_offset`].
    ///
    /// # Errors
    ///
    /// As [`Log::next_offset`].
    pub fn next_offset(&self) -> Result<u64> {
        self.log.next_offset()
    }

    /// See [`Log::position`].
    ///
    /// # Errors
    ///
    /// As [`Log::position`].
    pub fn position(&self) -> Result<Position> {
        self.log.position()
    }

    /// See [`Log::position_at`].
    ///
    /// # Errors
    ///
    /// As [`Log::position_at`].
    pub fn position_at(&self, offset: u64) -> Result<Position> {
        self.log.position_at(offset)
    }

    /// See [`Log::resume`].
    ///
    /// # Errors
    ///
    /// As [`Log::resume`].
    pub fn resume(&self, position: Position) -> Result<Start> {
        self.log.resume(position)
    }

    /// Up to `max_count` messages in offset order: see [`Log::consume`]. Messages that cannot be
    /// decoded count too.
    ///
    /// # Errors
    ///
    /// As [`Log::consume`].
    pub fn consume(&self, from: Start, max_count: usize) -> Result<TBatch<KC::Item, VC::Item>> {
        Ok(self.decode_batch(self.log.consume(from, max_count)?))
    }

    /// As [`consume`](TLog::consume), of the messages whose encoded key equals that of `key`: see
    /// [`Log::consume_by_key`].
    ///
    /// # Errors
    ///
    /// As [`Log::consume_by_key`], and [`Error::Encode`](crate::Error::Encode).
    pub fn consume_by_key(
        &self,
        key: &KC::Item,
        from: Start,
        max_count: usize,
    ) -> Result<TBatch<KC::Item, VC::Item>> {
        let batch = self
            .codecs
            .with_key(key, |key| self.log.consume_by_key(key, from, max_count))?;
        Ok(self.decode_batch(batch))
    }

    /// One message: see [`Log::get`].
    ///
    /// # Errors
    ///
    /// As [`Log::get`], and [`Error::Decode`](crate::Error::Decode).
    pub fn get(&self, at: Start) -> Result<TMessage<KC::Item, VC::Item>> {
        Ok(self.decode(self.log.get(at)?)?)
    }

    /// The last message whose encoded key equals that of `key`: see [`Log::get_by_key`].
    ///
    /// # Errors
    ///
    /// As [`Log::get_by_key`], and [`Error::Encode`](crate::Error::Encode) and
    /// [`Error::Decode`](crate::Error::Decode).
    pub fn get_by_key(&self, key: &KC::Item) -> Result<TMessage<KC::Item, VC::Item>> {
        let message = self.codecs.with_key(key, |key| self.log.get_by_key(key))?;
        Ok(self.decode(message)?)
    }

    /// See [`Log::offset_by_key`].
    ///
    /// # Errors
    ///
    /// As [`Log::offset_by_key`], and [`Error::Encode`](crate::Error::Encode).
    pub fn offset_by_key(&self, key: &KC::Item) -> Result<u64> {
        self.codecs.with_key(key, |key| self.log.offset_by_key(key))
    }

    /// The first message at or after `start`: see [`Log::get_by_time`].
    ///
    /// # Errors
    ///
    /// As [`Log::get_by_time`], and [`Error::Decode`](crate::Error::Decode).
    pub fn get_by_time(&self, start: Timestamp) -> Result<TMessage<KC::Item, VC::Item>> {
        Ok(self.decode(self.log.get_by_time(start)?)?)
    }

    /// See [`Log::offset_by_time`].
    ///
    /// # Errors
    ///
    /// As [`Log::offset_by_time`].
    pub fn offset_by_time(&self, start: Timestamp) -> Result<(u64, Timestamp)> {
        self.log.offset_by_time(start)
    }

    /// The bytes of storage that `message` takes if it is published alone: see [`Log::size`].
    ///
    /// # Errors
    ///
    /// [`Error::Encode`](crate::Error::Encode).
    pub fn size(&self, message: &TNewMessage<'_, KC::Item, VC::Item>) -> Result<u64> {
        self.codecs.encoded(std::slice::from_ref(message), |encoded| {
            Ok(encoded.iter().map(|message| self.log.size(message)).sum())
        })
    }

    /// See [`Log::stat`].
    ///
    /// # Errors
    ///
    /// As [`Log::stat`].
    pub fn stat(&self) -> Result<Stats> {
        self.log.stat()
    }

    /// See [`Log::delete`].
    ///
    /// # Errors
    ///
    /// As [`Log::delete`].
    pub fn delete(&self, offsets: &BTreeSet<u64>) -> Result<Deleted> {
        self.log.delete(offsets)
    }

    /// See [`Log::delete_some`].
    ///
    /// # Errors
    ///
    /// As [`Log::delete_some`].
    pub fn delete_some(&self, offsets: &mut BTreeSet<u64>) -> Result<Deleted> {
        self.log.delete_some(offsets)
    }

    /// See [`Log::trim`].
    ///
    /// # Errors
    ///
    /// As [`Log::trim`].
    pub fn trim(&self, before: u64) -> Result<Trimmed> {
        self.log.trim(before)
    }

    /// See [`Log::apply_retention`].
    ///
    /// # Errors
    ///
    /// As [`Log::apply_retention`].
    pub fn apply_retention(&self, dry_run: bool) -> Result<Trimmed> {
        self.log.apply_retention(dry_run)
    }

    /// See [`Log::backup`].
    ///
    /// # Errors
    ///
    /// As [`Log::backup`].
    pub fn backup(&self, dir: &Path) -> Result<BackupReport> {
        self.log.backup(dir)
    }

    /// See [`Log::sync`].
    ///
    /// # Errors
    ///
    /// As [`Log::sync`].
    pub fn sync(&self) -> Result<u64> {
        self.log.sync()
    }

    /// See [`Log::gc`].
    ///
    /// # Errors
    ///
    /// As [`Log::gc`].
    pub fn gc(&self, unused_for: Duration) -> Result<()> {
        self.log.gc(unused_for)
    }

    /// See [`Log::close`].
    ///
    /// # Errors
    ///
    /// As [`Log::close`].
    pub fn close(&self) -> Result<()> {
        self.log.close()
    }

    /// Decodes a message that was read as bytes, for instance from a stream.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], which holds the message.
    pub fn decode(&self, message: Message) -> Result<TMessage<KC::Item, VC::Item>, DecodeError> {
        self.codecs.decode(message)
    }

    pub(super) fn decode_batch(&self, batch: Batch) -> TBatch<KC::Item, VC::Item> {
        TBatch {
            next_offset: batch.next_offset,
            messages: batch.into_iter().map(|message| self.decode(message)).collect(),
        }
    }
}

impl<KC, VC, L: Clone> Clone for TLog<KC, VC, L>
where
    KC: Clone,
    VC: Clone,
{
    fn clone(&self) -> Self {
        TLog {
            log: self.log.clone(),
            codecs: self.codecs.clone(),
        }
    }
}

impl<KC, VC, L: fmt::Debug> fmt::Debug for TLog<KC, VC, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TLog")
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}
