//! Lookups by what a key lends.

use std::time::Duration;

use super::blocking::TBlockingLog;
use super::codec::{Codec, EncodeRef};
use super::handle::TLog;
use super::message::{TBatch, TMessage};
use crate::{Log, Result, Start};

impl<KC: Codec, VC: Codec, L: Log> TLog<KC, VC, L> {
    /// As [`get_by_key`](TLog::get_by_key), for what a key lends: no key is made for it.
    ///
    /// ```
    /// use duramen::{MemoryLog, TLog, TNewMessage, codec};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// let log = TLog::new(MemoryLog::new(), codec::Utf8, codec::U64);
    /// log.publish(&[TNewMessage::new(&"attic".to_owned(), &21)])?;
    /// assert_eq!(log.get_by_key_ref("attic")?.value, Some(21));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`get_by_key`](TLog::get_by_key).
    pub fn get_by_key_ref<Q: ?Sized>(&self, key: &Q) -> Result<TMessage<KC::Item, VC::Item>>
    where
        KC: EncodeRef<Q>,
    {
        let message = self.codecs.with_key_ref(key, |key| self.raw().get_by_key(key))?;
        Ok(self.decode(message)?)
    }

    /// As [`offset_by_key`](TLog::offset_by_key), for what a key lends.
    ///
    /// # Errors
    ///
    /// As [`offset_by_key`](TLog::offset_by_key).
    pub fn offset_by_key_ref<Q: ?Sized>(&self, key: &Q) -> Result<u64>
    where
        KC: EncodeRef<Q>,
    {
        self.codecs.with_key_ref(key, |key| self.raw().offset_by_key(key))
    }

    /// As [`consume_by_key`](TLog::consume_by_key), for what a key lends.
    ///
    /// # Errors
    ///
    /// As [`consume_by_key`](TLog::consume_by_key).
    pub fn consume_by_key_ref<Q: ?Sized>(
        &self,
        key: &Q,
        from: Start,
        max_count: usize,
    ) -> Result<TBatch<KC::Item, VC::Item>>
    where
        KC: EncodeRef<Q>,
    {
        let batch = self
            .codecs
            .with_key_ref(key, |key| self.raw().consume_by_key(key, from, max_count))?;
        Ok(self.decode_batch(batch))
    }
}

impl<KC: Codec, VC: Codec, L: Log> TBlockingLog<KC, VC, L> {
    /// As [`consume_by_key_blocking`](TBlockingLog::consume_by_key_blocking), for what a key lends.
    ///
    /// # Errors
    ///
    /// As [`consume_by_key_blocking`](TBlockingLog::consume_by_key_blocking).
    pub fn consume_by_key_ref_blocking<Q: ?Sized>(
        &self,
        key: &Q,
        from: Start,
        max_count: usize,
        timeout: Option<Duration>,
    ) -> Result<TBatch<KC::Item, VC::Item>>
    where
        KC: EncodeRef<Q>,
    {
        let raw = self.raw();
        let batch = self.codecs.with_key_ref(key, |key| {
            raw.consume_by_key_blocking(key, from, max_count, timeout)
        })?;
        Ok(self.decode_batch(batch))
    }
}
