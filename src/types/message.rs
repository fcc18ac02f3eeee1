use bytes::Bytes;

use super::{Headers, Timestamp};

/// A message to publish. It borrows its parts; publishing copies their bytes once, into the log.
///
/// ```
/// use duramen::{NewMessage, Timestamp};
///
/// let created = NewMessage::new(b"user-7", b"created").time(Timestamp::from_micros(1));
/// let keyless = NewMessage::value(b"heartbeat");
/// let tombstone = NewMessage::tombstone(b"user-7");
/// let traced = created.headers(&[(b"trace", b"4bf92f35")]);
/// # assert!(keyless.key.is_none() && tombstone.value.is_none() && traced.headers.len() == 1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewMessage<'a> {
    /// The message's time. `None` stands for the time of publishing, read once for a whole batch.
    pub time: Option<Timestamp>,
    /// The key. A message without a key is not in the key index and is never compacted. The empty
    /// key is a key.
    pub key: Option<&'a [u8]>,
    /// The value. A message with a key and no value is a tombstone. The empty value is a value.
    pub value: Option<&'a [u8]>,
    /// The headers: pairs of name and value, both any bytes, kept in order. Names may repeat.
    pub headers: &'a [(&'a [u8], &'a [u8])],
}

impl<'a> NewMessage<'a> {
    /// A message with a key and a value, and the time of publishing.
    #[must_use]
    pub const fn new(key: &'a [u8], value: &'a [u8]) -> NewMessage<'a> {
        NewMessage {
            time: None,
            key: Some(key),
            value: Some(value),
            headers: &[],
        }
    }

    /// A message without a key, with the time of publishing.
    #[must_use]
    pub const fn value(value: &'a [u8]) -> NewMessage<'a> {
        NewMessage {
            time: None,
            key: None,
            value: Some(value),
            headers: &[],
        }
    }

    /// A message with a key and no value, with the time of publishing.
    #[must_use]
    pub const fn tombstone(key: &'a [u8]) -> NewMessage<'a> {
        NewMessage {
            time: None,
            key: Some(key),
            value: None,
            headers: &[],
        }
    }

    /// The same message with these headers.
    #[must_use]
    pub const fn headers(mut self, headers: &'a [(&'a [u8], &'a [u8])]) -> NewMessage<'a> {
        self.headers = headers;
        self
    }

    /// The same message with a time of its own.
    #[must_use]
    pub const fn time(mut self, time: Timestamp) -> NewMessage<'a> {
        self.time = Some(time);
        self
    }

    /// An empty list with the memory of `messages`, for messages with another lifetime.
    pub(crate) fn emptied<'b>(messages: Vec<NewMessage<'_>>) -> Vec<NewMessage<'b>> {
        emptied(messages)
    }

    /// The bytes of key, value and headers together, of which
    /// [`MESSAGE_SIZE_MAX`](crate::MESSAGE_SIZE_MAX) is the limit.
    #[must_use]
    #[inline]
    pub fn content_size(&self) -> u64 {
        let len = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len) as u64;
        // Headers may share one large slice, so the sum may exceed the size of memory.
        let size = len(self.key).saturating_add(len(self.value));
        if self.headers.is_empty() {
            return size;
        }
        let headers = self.headers.iter();
        headers
            .flat_map(|(name, value)| [name.len() as u64, value.len() as u64])
            .fold(size, u64::saturating_add)
    }
}

/// An empty list with the memory of another one, for items of the same size. The standard library
/// collects in place and so reuses the memory. If it ever stops doing so, this costs one allocation
/// per call.
pub(crate) fn emptied<T, U>(list: Vec<T>) -> Vec<U> {
    list.into_iter().map_while(|_| None).collect()
}

/// A message read from a log. Cheap to clone.
///
/// A message stays valid whatever happens to the log.
///
/// The messages of one batch share memory, of up to 8 MiB. It is freed when nothing of the batch is
/// left: neither a message, nor a clone of a message, a key, a value or headers. To keep a few
/// messages of many for long, keep what [`detach`](Message::detach) returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The message's position in the log. Offsets strictly increase and are never reused.
    pub offset: u64,
    /// The message's time: given by its publisher, or read at publishing, or what the log's
    /// [policy](crate::TimestampPolicy) has made of these.
    pub time: Timestamp,
    /// The key, if the message has one.
    pub key: Option<Bytes>,
    /// The value. A message with a key and no value is a tombstone.
    pub value: Option<Bytes>,
    /// The headers, in the order in which they were published.
    pub headers: Headers,
}

impl Message {
    /// The message as one to publish, with the same time.
    #[must_use]
    pub fn as_new(&self) -> NewMessage<'_> {
        NewMessage {
            time: Some(self.time),
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: self.headers.as_slice(),
        }
    }

    /// A copy of the message in memory of its own, which does not keep the memory of its batch.
    /// Key, value and headers are copied separately: a clone of the copy's key keeps only the key.
    ///
    /// ```
    /// use duramen::{LogExt, MemoryLog, NewMessage};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// # let log = MemoryLog::new();
    /// # log.publish_one(NewMessage::new(b"lamp", b"broken"))?;
    /// let mut kept = Vec::new();
    /// for message in log.iter(0) {
    ///     let message = message?;
    ///     if message.value.as_deref() == Some(b"broken") {
    ///         kept.push(message.detach());
    ///     }
    /// }
    /// # assert_eq!(kept.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn detach(&self) -> Message {
        Message {
            offset: self.offset,
            time: self.time,
            key: self.key.as_deref().map(Bytes::copy_from_slice),
            value: self.value.as_deref().map(Bytes::copy_from_slice),
            headers: self.headers.detach(),
        }
    }
}

/// Messages in offset order, and the offset at which to continue.
///
/// The messages may share memory; see [`Message::detach`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The messages.
    pub messages: Vec<Message>,
    /// The offset at which to continue reading: one past the last message, or further, if what
    /// comes next are control records. Without messages, it is beyond the offset asked for, unless
    /// that is the end of the log.
    pub next_offset: u64,
}

impl Batch {
    /// The messages, in offset order.
    pub fn iter(&self) -> std::slice::Iter<'_, Message> {
        self.messages.iter()
    }
}

impl IntoIterator for Batch {
    type Item = Message;
    type IntoIter = std::vec::IntoIter<Message>;

    fn into_iter(self) -> Self::IntoIter {
        self.messages.into_iter()
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = &'a Message;
    type IntoIter = std::slice::Iter<'a, Message>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what is detached keeps no memory of the batch, and a clone of its key only the key.
    #[test]
    fn a_detached_message_keeps_nothing_of_its_batch() {
        let batch = Bytes::from(b"keyvaluename".to_vec());
        let message = Message {
            offset: 7,
            time: Timestamp::from_micros(1),
            key: Some(batch.slice(0..3)),
            value: Some(batch.slice(3..8)),
            headers: Headers::split(batch.slice(8..12), |bytes| Some(vec![(bytes, &[][..])]))
                .expect("headers"),
        };
        let detached = message.detach();
        assert_eq!(detached, message);
        assert!(!batch.is_unique());
        drop(message);
        assert!(batch.is_unique());
        let key = detached.key.clone().expect("a key");
        drop(detached);
        assert!(key.is_unique() && key == b"key"[..]);
    }
}
