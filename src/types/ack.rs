use super::{NewMessage, Timestamp};

/// An offset and a time: where a batch begins or ends, or where the log does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// The offset.
    pub offset: u64,
    /// The time of the record at the offset, or, for an end, of the record in front of it. The end
    /// of a log in which nothing was ever published has the time 0.
    pub time: Timestamp,
}

/// What [`Log::append`](crate::Log::append) says of a batch that is in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Ack {
    /// The batch's first record.
    pub start: Place,
    /// One past the batch's last record, with the time of that record.
    pub end: Place,
    /// The log's end when the call had written, or found, the batch.
    pub tail: Place,
    /// Whether the batch had been published before and nothing was written; see
    /// [`PublishOptions::producer`](crate::PublishOptions::producer).
    pub is_duplicate: bool,
}

impl Ack {
    /// The ack of a batch from `start` to `end`, behind which the log goes up to `tail`. For
    /// implementations of [`Log`](crate::Log).
    #[must_use]
    pub const fn new(start: Place, end: Place, tail: Place) -> Ack {
        Ack {
            start,
            end,
            tail,
            is_duplicate: false,
        }
    }

    /// The ack of an empty batch in a log that ends at `tail`.
    #[must_use]
    pub const fn of_nothing(tail: Place) -> Ack {
        Ack::new(tail, tail, tail)
    }

    /// The same ack for a batch that had been published before. For implementations of
    /// [`Log`](crate::Log).
    #[must_use]
    pub const fn duplicate(mut self) -> Ack {
        self.is_duplicate = true;
        self
    }

    /// The next offset when the call had written, or found, the batch: see
    /// [`Log::publish_with`](crate::Log::publish_with).
    pub(crate) fn next_offset(&self) -> u64 {
        // Of a batch that had been published before, the end is not the next offset.
        if self.is_duplicate { self.tail } else { self.end }.offset
    }
}

/// The metered size of a message in bytes, by which [`ReadOptions::max_bytes`] counts: 8, 2 for
/// each header, and the bytes of headers, key and value. But for the key it is the metered size
/// of S2.
///
/// [`ReadOptions::max_bytes`]: crate::ReadOptions::max_bytes
///
/// ```
/// use duramen::{NewMessage, metered_size};
///
/// assert_eq!(metered_size(&NewMessage::value(b"ab")), 10);
/// assert_eq!(metered_size(&NewMessage::new(b"k", b"ab").headers(&[(b"n", b"v")])), 15);
/// ```
#[must_use]
pub fn metered_size(message: &NewMessage<'_>) -> u64 {
    metered(message.headers.len(), message.content_size())
}

/// The metered size of what has so many headers, and so many bytes of content.
pub(crate) fn metered(headers: usize, content: u64) -> u64 {
    content.saturating_add(8 + 2 * headers as u64)
}
