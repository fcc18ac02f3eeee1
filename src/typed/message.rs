use crate::{DecodeError, Headers, Timestamp};

/// A message with a key and a value of the application's types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TMessage<K, V> {
    /// Its logical place in the log.
    pub offset: u64,
    /// The time it was published with.
    pub time: Timestamp,
    /// The key; `None` if it has none.
    pub key: Option<K>,
    /// The value; `None` if it has none: with a key, that is a tombstone.
    pub value: Option<V>,
    /// The headers, in the order they were published in.
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
}

/// A message to publish by a [`TLog`](crate::TLog). Borrows everything.
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
    /// When it happened; `None` is the moment of publishing (one clock reading for a whole batch).
    pub time: Option<Timestamp>,
    /// The key; `None` is no key, which is not the same as a key that is encoded as no bytes.
    pub key: Option<&'a K>,
    /// The value; `None` with a key is a tombstone, which is not the same as a value that is encoded as no bytes.
    pub value: Option<&'a V>,
    /// Names and values of any bytes, kept in order; names may repeat.
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

/// Messages in offset order, each decoded or an error of its own, and where to go on.
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
///         Err(error) => eprintln!("offset {}: {error}", error.offset()), // and on to the next
///     }
/// }
/// assert_eq!(batch.next_offset, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TBatch<K, V> {
    /// The messages; those that cannot be decoded with their offset and raw bytes.
    pub messages: Vec<Result<TMessage<K, V>, DecodeError>>,
    /// As in [`Batch`](crate::Batch): where to go on, whether or not the messages could be decoded.
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
