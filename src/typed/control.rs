use std::time::Duration;

use super::codec::Codec;
use super::handle::TLog;
use super::message::{TMessage, TNewMessage};
use crate::{
    Ack, ControlRecord, DecodeError, Log, Place, PublishOptions, ReadBatch, ReadOptions, Result, Start, Stop,
    Token,
};

/// The result of [`TLog::read`]: a [`ReadBatch`](crate::ReadBatch) of decoded messages.
#[derive(Debug)]
#[non_exhaustive]
pub struct TReadBatch<K, V> {
    /// The messages. A message that cannot be decoded is an error with its offset and bytes.
    pub messages: Vec<Result<TMessage<K, V>, DecodeError>>,
    /// The control records, if they were asked for.
    pub controls: Vec<ControlRecord>,
    /// The offset at which to go on.
    pub next_offset: u64,
    /// The log's end, looked up when reading began or later.
    pub tail: Place,
    /// Why the batch has no more.
    pub stopped: Stop,
}

impl<KC: Codec, VC: Codec, L: Log> TLog<KC, VC, L> {
    /// As [`publish_with`](TLog::publish_with), and says where the batch is: see [`Log::append`].
    ///
    /// # Errors
    ///
    /// As [`Log::append`], and [`Error::Encode`](crate::Error::Encode): nothing was written.
    pub fn append(
        &self,
        messages: &[TNewMessage<'_, KC::Item, VC::Item>],
        how: &PublishOptions<'_>,
    ) -> Result<Ack> {
        self.codecs
            .encoded(messages, |encoded| self.raw().append(encoded, how))
    }

    /// Publishes one message and returns the offset of that message: see
    /// [`LogExt::publish_one`](crate::LogExt::publish_one).
    ///
    /// # Errors
    ///
    /// As [`publish`](TLog::publish).
    pub fn publish_one(&self, message: TNewMessage<'_, KC::Item, VC::Item>) -> Result<u64> {
        self.publish_one_with(message, &PublishOptions::new())
    }

    /// As [`publish_one`](TLog::publish_one), under conditions or with a durability of its own: see
    /// [`LogExt::publish_one_with`](crate::LogExt::publish_one_with).
    ///
    /// ```
    /// use duramen::{MemoryLog, PublishOptions, TLog, TNewMessage, codec};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// let log = TLog::new(MemoryLog::new(), codec::U64, codec::Varint);
    /// let durable = PublishOptions::new().sync(true);
    /// assert_eq!(log.publish_one(TNewMessage::new(&7, &21))?, 0);
    /// assert_eq!(log.publish_one_with(TNewMessage::new(&7, &22), &durable)?, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`append`](TLog::append).
    pub fn publish_one_with(
        &self,
        message: TNewMessage<'_, KC::Item, VC::Item>,
        how: &PublishOptions<'_>,
    ) -> Result<u64> {
        Ok(self.append(&[message], how)?.start.offset)
    }

    /// Reads within limits and through a filter, which sees the encoded messages: see
    /// [`Log::read`].
    ///
    /// # Errors
    ///
    /// As [`Log::read`].
    pub fn read(&self, from: Start, how: &ReadOptions) -> Result<TReadBatch<KC::Item, VC::Item>> {
        Ok(self.decode_read(self.raw().read(from, how)?))
    }

    pub(super) fn decode_read(&self, batch: ReadBatch) -> TReadBatch<KC::Item, VC::Item> {
        let messages = batch.messages.into_iter().map(|message| self.decode(message));
        TReadBatch {
            messages: messages.collect(),
            controls: batch.controls,
            next_offset: batch.next_offset,
            tail: batch.tail,
            stopped: batch.stopped,
        }
    }

    /// See [`Log::tail`].
    ///
    /// # Errors
    ///
    /// As [`Log::tail`].
    pub fn tail(&self) -> Result<Place> {
        self.raw().tail()
    }

    /// See [`Log::token`].
    ///
    /// # Errors
    ///
    /// As [`Log::token`].
    pub fn token(&self) -> Result<Token> {
        self.raw().token()
    }

    /// See [`Log::is_sealed`].
    ///
    /// # Errors
    ///
    /// As [`Log::is_sealed`].
    pub fn is_sealed(&self) -> Result<bool> {
        self.raw().is_sealed()
    }

    /// See [`Log::wait_synced`].
    ///
    /// # Errors
    ///
    /// As [`Log::wait_synced`].
    pub fn wait_synced(&self, offset: u64, timeout: Option<Duration>) -> Result<u64> {
        self.raw().wait_synced(offset, timeout)
    }
}
