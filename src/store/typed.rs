//! A stream whose keys and values have types.

use std::fmt;
use std::iter::FusedIterator;
use std::time::Duration;

use super::follow::{StreamFollow, StreamMessage, StreamStop};
use super::partition_log::PartitionLog;
use super::partitioner::{Partitioner, Partitions};
use super::stream::Stream;
use crate::typed::Codecs;
use crate::{Ack, Awaited, Codec, PublishOptions, Result, Start, TBlockingLog, TLog, TMessage, TNewMessage};

/// A [`Stream`] whose keys and values have types of the application: one [`Codec`] for keys and one
/// for values, as in a [`TLog`].
///
/// ```
/// use duramen::store::{Partitioner, Partitions, StoreOptions, StreamConfig, TStream};
/// use duramen::{PublishOptions, Start, TNewMessage, codec};
///
/// # fn main() -> duramen::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # let dir = dir.path().join("store");
/// let store = StoreOptions::new().create_dirs(true).open(&dir)?;
/// store.create("names", &StreamConfig::new().partitions(4))?;
/// let names = TStream::new(store.stream("names")?, codec::U64, codec::Utf8);
/// let ada = "Ada".to_owned();
/// names.publish(TNewMessage::new(&7, &ada), &Partitioner::Key, &PublishOptions::new())?;
///
/// let mut all = names.follow(Start::Oldest, &Partitions::All)?;
/// let (_partition, message) = all.next().expect("it waits for one")?;
/// assert_eq!((message.key, message.value), (Some(7), Some(ada)));
/// store.close()
/// # }
/// ```
#[derive(Clone)]
pub struct TStream<KC, VC> {
    stream: Stream,
    codecs: Codecs<KC, VC>,
}

/// The decoded messages of a stream: see [`TStream::follow`].
#[derive(Debug)]
pub struct TStreamFollow<'a, KC, VC> {
    stream: &'a TStream<KC, VC>,
    follow: StreamFollow,
}

/// The number of a partition, and a message in it.
type Decoded<KC, VC> = (u32, TMessage<<KC as Codec>::Item, <VC as Codec>::Item>);

impl<KC: Codec, VC: Codec> TStream<KC, VC> {
    /// Wraps a stream.
    pub fn new(stream: Stream, keys: KC, values: VC) -> TStream<KC, VC> {
        let codecs = Codecs { keys, values };
        TStream { stream, codecs }
    }

    /// The wrapped stream.
    pub fn raw(&self) -> &Stream {
        &self.stream
    }

    /// Publishes a message: see [`Stream::publish`]. The partition is chosen by the encoded
    /// message.
    ///
    /// # Errors
    ///
    /// As [`Stream::publish`], and [`Error::Encode`](crate::Error::Encode): nothing was written.
    pub fn publish(
        &self,
        message: TNewMessage<'_, KC::Item, VC::Item>,
        to: &Partitioner,
        how: &PublishOptions<'_>,
    ) -> Result<(u32, Ack)> {
        self.codecs.encoded(&[message], |encoded| {
            let encoded = encoded.first().copied().unwrap_or_default();
            self.stream.publish(encoded, to, how)
        })
    }

    /// A partition, as a typed log.
    ///
    /// # Errors
    ///
    /// As [`Stream::partition`].
    pub fn partition(&self, number: u32) -> Result<TLog<KC, VC, PartitionLog>>
    where
        KC: Clone,
        VC: Clone,
    {
        let Codecs { keys, values } = self.codecs.clone();
        Ok(TLog::new(self.stream.partition(number)?, keys, values))
    }

    /// A partition, as a typed log whose messages can be waited for.
    ///
    /// # Errors
    ///
    /// As [`Stream::partition`].
    pub fn partition_blocking(&self, number: u32) -> Result<TBlockingLog<KC, VC, PartitionLog>>
    where
        KC: Clone,
        VC: Clone,
    {
        let Codecs { keys, values } = self.codecs.clone();
        Ok(TBlockingLog::new(self.stream.partition(number)?, keys, values))
    }

    /// Iterates over the messages of these partitions, each with the number of its partition: see
    /// [`Stream::follow`]. For a message that cannot be decoded, the iterator returns
    /// [`Error::Decode`](crate::Error::Decode), and goes on.
    ///
    /// # Errors
    ///
    /// As [`Stream::follow`].
    pub fn follow(&self, from: Start, partitions: &Partitions) -> Result<TStreamFollow<'_, KC, VC>> {
        Ok(TStreamFollow {
            stream: self,
            follow: self.stream.follow(from, partitions)?,
        })
    }

    fn decode(&self, message: StreamMessage) -> Result<Decoded<KC, VC>> {
        Ok((message.partition, self.codecs.decode(message.message)?))
    }
}

impl<KC: Codec, VC: Codec> TStreamFollow<'_, KC, VC> {
    /// See [`StreamFollow::by_time`].
    #[must_use]
    pub fn by_time(self) -> Self {
        TStreamFollow {
            follow: self.follow.by_time(),
            ..self
        }
    }

    /// See [`StreamFollow::next_offsets`].
    pub fn next_offsets(&self) -> impl Iterator<Item = (u32, u64)> {
        self.follow.next_offsets()
    }

    /// See [`StreamFollow::stop_handle`].
    #[must_use]
    pub fn stop_handle(&self) -> StreamStop {
        self.follow.stop_handle()
    }

    /// As [`next`](Iterator::next), but waits no longer than `timeout`.
    #[must_use]
    pub fn next_timeout(&mut self, timeout: Duration) -> Awaited<<Self as Iterator>::Item> {
        let awaited = self.follow.next_timeout(timeout);
        awaited.map(|message| message.and_then(|message| self.stream.decode(message)))
    }
}

impl<KC: Codec, VC: Codec> Iterator for TStreamFollow<'_, KC, VC> {
    type Item = Result<Decoded<KC, VC>>;

    fn next(&mut self) -> Option<Self::Item> {
        let message = self.follow.next()?;
        Some(message.and_then(|message| self.stream.decode(message)))
    }
}

impl<KC: Codec, VC: Codec> FusedIterator for TStreamFollow<'_, KC, VC> {}

impl<KC, VC> fmt::Debug for TStream<KC, VC> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TStream")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}
