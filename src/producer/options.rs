use std::time::Duration;

use super::arena::Limits;
use crate::{BATCH_SIZE_MAX, Error, MESSAGE_SIZE_MAX, NewMessage, Result, Token, metered_size};

/// When a [`Ticket`](crate::Ticket) is resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AckMode {
    /// When the message is published: readers see it, and it is as durable as the log's
    /// [`Durability`](crate::Durability) makes it.
    #[default]
    Visible,
    /// When the message is on stable storage, whatever the log's durability. One sync is for all
    /// batches that were there when the last one ended.
    Durable,
    /// At once, when the message was accepted. It may never be published: if that fails, the next
    /// call of [`send`](crate::Producer::send), [`flush`](crate::Producer::flush) or
    /// [`close`](crate::Producer::close) tells. The ticket has no offset, but
    /// [`Ticket::OFFSET_UNKNOWN`](crate::Ticket::OFFSET_UNKNOWN), and an ack that is all zeros.
    None,
}

/// Options of a [`Producer`](crate::Producer): how large a batch is, how long it waits for more,
/// and under which conditions it is published.
///
/// Sizes are metered sizes: see [`metered_size`](crate::metered_size).
///
/// ```
/// use std::time::Duration;
/// use duramen::{AckMode, MemoryLog, NewMessage, Producer, ProducerOptions};
///
/// # fn main() -> duramen::Result<()> {
/// let options = ProducerOptions::new().linger(Duration::ZERO).ack(AckMode::Durable);
/// let producer = Producer::new(MemoryLog::new(), options)?;
/// let (offset, _) = producer.send(NewMessage::value(b"paid"))?.wait()?;
/// assert_eq!(offset, 0);
/// # producer.close()
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerOptions {
    pub(super) linger: Duration,
    pub(super) limits: Limits,
    pub(super) in_flight_max: u64,
    pub(super) ack: AckMode,
    pub(super) expect_next_offset: Option<u64>,
    pub(super) token: Option<Token>,
    pub(super) id: Option<u64>,
    pub(super) first_sequence: Option<u64>,
}

impl ProducerOptions {
    /// Batches of at most 1,000 messages and 1 MiB, which wait 5 ms for more; 5 MiB in flight;
    /// [`AckMode::Visible`]; no conditions.
    #[must_use]
    pub const fn new() -> ProducerOptions {
        ProducerOptions {
            linger: Duration::from_millis(5),
            limits: Limits {
                records_max: 1_000,
                bytes_max: 1 << 20,
            },
            in_flight_max: 5 << 20,
            ack: AckMode::Visible,
            expect_next_offset: None,
            token: None,
            id: None,
            first_sequence: None,
        }
    }

    /// How long a batch waits for more messages, from its first one on. Default 5 ms.
    ///
    /// With 0 a batch is published at once, or, while another one is being published, right after
    /// it, with all that has come meanwhile. Take that if somebody waits for each message.
    #[must_use]
    pub const fn linger(mut self, linger: Duration) -> ProducerOptions {
        self.linger = linger;
        self
    }

    /// The most messages in a batch, at least 1. Default 1,000. A batch that has so many does not
    /// linger.
    #[must_use]
    pub const fn records_max(mut self, records: usize) -> ProducerOptions {
        self.limits.records_max = records;
        self
    }

    /// The largest batch, from 1 byte to [`BATCH_SIZE_MAX`](crate::BATCH_SIZE_MAX). Default 1 MiB.
    ///
    /// A batch that is so large does not linger, nor does one that would become larger by the next
    /// message, which then begins another one. A larger message is refused with
    /// [`TooLarge`](crate::Error::TooLarge).
    #[must_use]
    pub const fn bytes_max(mut self, bytes: u64) -> ProducerOptions {
        self.limits.bytes_max = bytes;
        self
    }

    /// The size of all messages that are not published yet, or not durable yet with
    /// [`AckMode::Durable`], at least 1 byte. Default 5 MiB. If a message would make it larger,
    /// [`send`](crate::Producer::send) waits; meanwhile batches do not linger.
    ///
    /// A larger message is refused with [`TooLarge`](crate::Error::TooLarge), even if `bytes_max`
    /// allows it.
    #[must_use]
    pub const fn in_flight_max(mut self, bytes: u64) -> ProducerOptions {
        self.in_flight_max = bytes;
        self
    }

    /// When tickets are resolved. Default [`AckMode::Visible`].
    #[must_use]
    pub const fn ack(mut self, ack: AckMode) -> ProducerOptions {
        self.ack = ack;
        self
    }

    /// Publish only if nobody else does: the first batch if it would begin at `offset`, and each
    /// other one where the one before it ended. See
    /// [`PublishOptions::expect_next_offset`](crate::PublishOptions::expect_next_offset).
    #[must_use]
    pub const fn expect_next_offset(mut self, offset: u64) -> ProducerOptions {
        self.expect_next_offset = Some(offset);
        self
    }

    /// Publish only as long as this is the log's token: see
    /// [`PublishOptions::token`](crate::PublishOptions::token).
    #[must_use]
    pub const fn token(mut self, token: Token) -> ProducerOptions {
        self.token = Some(token);
        self
    }

    /// Publish each batch as that of the producer `id`, with a sequence that goes up by 1: see
    /// [`PublishOptions::producer`](crate::PublishOptions::producer). A log that tries to publish a
    /// batch again by itself so writes it once, and of two producers with one id that work at the
    /// same time, the one that was made first fails.
    ///
    /// **After a restart** take the same id. The sequences begin at the current time in
    /// microseconds since 1970, so a new producer's are higher than those before, unless the clock
    /// was set back. In that case the first batch fails with
    /// [`OutOfSequence`](crate::Error::OutOfSequence), and nothing of it is written. The new
    /// producer does not know what the old one has published: a message that is sent again is
    /// written again. Which messages share a batch is chance, so a sequence says nothing about
    /// them. Where it has to, see [`first_sequence`](ProducerOptions::first_sequence).
    #[must_use]
    pub const fn id(mut self, id: u64) -> ProducerOptions {
        self.id = Some(id);
        self
    }

    /// The sequence of the first batch. Needs [`id`](ProducerOptions::id), and
    /// [`records_max`](ProducerOptions::records_max) 1, so that each message has a sequence of its
    /// own.
    ///
    /// So an application that numbers its messages can send them again after a restart, from one on
    /// that may not have been published. Those that were are not written: their tickets get the
    /// first [`Ack`](crate::Ack), marked as duplicate, as long as at most 64 messages are sent
    /// again.
    #[must_use]
    pub const fn first_sequence(mut self, sequence: u64) -> ProducerOptions {
        self.first_sequence = Some(sequence);
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let Limits {
            records_max,
            bytes_max,
        } = self.limits;
        if records_max == 0 || bytes_max == 0 || self.in_flight_max == 0 {
            return Err(Error::Invalid("a limit of a producer is 0"));
        }
        if bytes_max > BATCH_SIZE_MAX {
            return Err(Error::Invalid("a producer's batch may not exceed BATCH_SIZE_MAX"));
        }
        if self.first_sequence.is_some() && (self.id.is_none() || records_max != 1) {
            return Err(Error::Invalid(
                "a first sequence needs an id and batches of one message",
            ));
        }
        Ok(())
    }

    /// The metered size of a message that fits.
    pub(super) fn size_of(&self, message: &NewMessage<'_>) -> Result<u64> {
        let size = metered_size(message);
        let limit = self.limits.bytes_max.min(self.in_flight_max);
        let content_size = message.content_size();
        let (size, limit) = if size <= limit && content_size > MESSAGE_SIZE_MAX {
            (content_size, MESSAGE_SIZE_MAX)
        } else {
            (size, limit)
        };
        if size > limit {
            return Err(Error::TooLarge {
                index: Some(0),
                size,
                limit,
            });
        }
        Ok(size)
    }
}

impl Default for ProducerOptions {
    fn default() -> ProducerOptions {
        ProducerOptions::new()
    }
}
