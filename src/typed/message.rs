use crate::{DecodeError, Headers, Timestamp};

/// A message with a key and a value of the application's types.
///
/// The headers share the memory of the batch that the message was read with, and so do a key and a
/// value from [`codec::Bytes`](crate::codec::Bytes). To keep a few messages of many for long, keep
/// what [`detach`](TMessage::detach) or [`detach_headers`](TMessage::detach_headers) returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TMessage<K, V> {
    /// The message's position in the log.
    pub offset: u64,
    /// The message's time, given by its publisher or read at publishing.
    pub time: Timestamp,
    /// The key, if the message has one.
    pub key: Option<K>,
    /// The value. A message with a key and no value is a tombstone.
    pub value: Option<V>,
    /// The headers, in the order in which they were published.
    pub headers: Headers,
}

impl<K, V> TMessage<K, V> {
    /// The message as one to publish, with the same time.
    #[must_use]
    pub fn as_new(&self) -> TNewMessage<'_, K, V> {
        TNewMessage {
            time: Some(self.time),
            key: self.key.as_ref(),
            value: self.value.as_ref(),
            headers: self.headers.as_slice(),
        }
    }

    /// The message with a copy of its headers in memory of their own.
    #[must_use]
    pub fn detach_headers(mut self) -> TMessage<K, V> {
        self.headers = self.headers.detach();
        self
    }
}

impl TMessage<bytes::Bytes, bytes::Bytes> {
    /// A copy of the message in memory of its own, which does not keep the memory of its batch.
    #[must_use]
    pub fn detach(&self) -> TMessage<bytes::Bytes, bytes::Bytes> {
        let copy = |bytes: &bytes::Bytes| bytes::Bytes::copy_from_slice(bytes);
        TMessage {
            offset: self.offset,
            time: self.time,
            key: self.key.as_ref().map(copy),
            value: self.value.as_ref().map(copy),
            headers: self.headers.detach(),
        }
    }
}

/// A message to publish with a [`TLog`](crate::TLog). It borrows its parts.
///
/// ```
/// use duramen::{TNewMessage, Timestamp};
///
/// let (user, name) = (7_u64, "Ada".to_owned());
/// let named = TNewMessage::new(&user, &name).time(Timestamp::from_micros(1));
/// let gone: TNewMessage<u64, String> = TNewMessage::tombstone(&user);
/// let traced = named.headers(&[(b"trace", b"4bf92f35")]);
/// # assert!(gone.value.is_none() && traced.headers.len() == 1);
/// ```
#[derive(Debug)]
pub struct TNewMessage<'a, K, V> {
    /// The message's time. `None` stands for the time of publishing, read once for a whole batch.
    pub time: Option<Timestamp>,
    /// The key. No key differs from a key that is encoded as zero bytes.
    pub key: Option<&'a K>,
    /// The value. A message with a key and no value is a tombstone. No value differs from a value
    /// that is encoded as zero bytes.
    pub value: Option<&'a V>,
    /// The headers: pairs of name and value, both any bytes, kept in order. Names may repeat.
    pub headers: &'a [(&'a [u8], &'a [u8])],
}

impl<K, V> Clone for TNewMessage<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for TNewMessage<'_, K, V> {}

impl<K, V> Default for TNewMessage<'_, K, V> {
    fn default() -> Self {
        TNewMessage {
            time: None,
            key: None,
            value: None,
            headers: &[],
        }
    }
}

impl<'a, K, V> TNewMessage<'a, K, V> {
    /// A message with a key and a value, and the time of publishing.
    #[must_use]
    pub fn new(key: &'a K, value: &'a V) -> Self {
        TNewMessage {
            key: Some(key),
            value: Some(value),
            ..TNewMessage::default()
        }
    }

    /// A message without a key, with the time of publishing.
    #[must_use]
    pub fn value(value: &'a V) -> Self {
        TNewMessage {
            value: Some(value),
            ..TNewMessage::default()
        }
    }

    /// A message with a key and no value, with the time of publishing.
    #[must_use]
    pub fn tombstone(key: &'a K) -> Self {
        TNewMessage {
            key: Some(key),
            ..TNewMessage::default()
        }
    }

    /// The same message with these headers.
    #[must_use]
    pub fn headers(mut self, headers: &'a [(&'a [u8], &'a [u8])]) -> Self {
        self.headers = headers;
        self
    }

    /// The same message with a time of its own.
    #[must_use]
    pub fn time(mut self, time: Timestamp) -> Self {
        self.time = Some(time);
        self
    }
}

/// Messages in offset order, each decoded or an error, and the offset at which to continue.
///
/// ```
/// use duramen::{Log, MemoryLog, NewMessage, Start, TLog, codec};
///
/// # fn main() -> duramen::Result<()> {
/// let log = TLog::new(MemoryLog::new(), codec::Utf8, codec::Utf8);
/// log.raw().publish(&[NewMessage::value(b"\xff"), NewMessage::value(b"fine")])?;
/// let batch = log.consume(Start::Oldest, 10)?;
/// for message in &batch {
///     match message {
///         Ok(message) => assert_eq!(message.value.as_deref(), Some("fine")),
///         Err(error) => eprintln!("offset {}: {error}", error.offset()),
///     }
/// }
/// assert_eq!(batch.next_offset, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TBatch<K, V> {
    /// The messages. A message that cannot be decoded is an error with its offset and bytes.
    pub messages: Vec<Result<TMessage<K, V>, DecodeError>>,
    /// The offset at which to continue, as in [`Batch`](crate::Batch), whether or not the messages
    /// could be decoded.
    pub next_offset: u64,
}

impl<K, V> TBatch<K, V> {
    /// The messages, in offset order.
    pub fn iter(&self) -> std::slice::Iter<'_, Result<TMessage<K, V>, DecodeError>> {
        self.messages.iter()
    }
}

impl<K, V> IntoIterator for TBatch<K, V> {
    type Item = Result<TMessage<K, V>, DecodeError>;
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.messages.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a TBatch<K, V> {
    type Item = &'a Result<TMessage<K, V>, DecodeError>;
    type IntoIter = std::slice::Iter<'a, Result<TMessage<K, V>, DecodeError>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
