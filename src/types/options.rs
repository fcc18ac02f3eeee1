use super::control::CONTROLS_MAX;
use super::{Control, Token};
use crate::{Error, Result};

/// Options of one [`append`](crate::Log::append) or [`publish_with`](crate::Log::publish_with):
/// conditions, control records behind the messages, and a durability of its own.
///
/// The log checks under its writer's lock, in this order: that it is not sealed; the token; the
/// expected offset and the expected offset of a key; whether the producer has published this
/// before; the times. Then it takes the control records in order. All checks see the log before
/// the batch. After a check that failed nothing was written.
///
/// ```
/// use duramen::{Control, Error, Log, MemoryLog, NewMessage, PublishOptions};
///
/// # fn main() -> duramen::Result<()> {
/// let log = MemoryLog::new();
/// // This writer takes over, and publishes its first message in the same batch.
/// let (old, new) = ("a".parse()?, "b".parse()?);
/// let ack = log.append(
///     &[NewMessage::value(b"mine now")],
///     &PublishOptions::new().and(Control::Fence(new)),
/// )?;
/// assert_eq!((ack.start.offset, ack.end.offset), (0, 2));
/// // The other one finds out.
/// let fenced = log.append(&[NewMessage::value(b"late")], &PublishOptions::new().token(old));
/// assert!(matches!(fenced, Err(Error::Fenced { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishOptions<'a> {
    pub(crate) expect_next_offset: Option<u64>,
    pub(crate) sync: bool,
    pub(crate) token: Option<Token>,
    pub(crate) producer: Option<(u64, u64)>,
    /// Whether any field below is set.
    pub(crate) is_special: bool,
    pub(crate) expect_key: Option<(&'a [u8], Option<u64>)>,
    pub(crate) controls: [Option<Control>; CONTROLS_MAX],
    /// Whether there are more control records than fit.
    pub(crate) is_overfull: bool,
}

impl<'a> PublishOptions<'a> {
    /// The options of [`publish`](crate::Log::publish): no condition, and the log's durability.
    #[must_use]
    #[inline]
    pub const fn new() -> PublishOptions<'a> {
        PublishOptions {
            expect_next_offset: None,
            sync: false,
            token: None,
            producer: None,
            is_special: false,
            expect_key: None,
            controls: [None; CONTROLS_MAX],
            is_overfull: false,
        }
    }

    /// Publish only if the batch would begin at `offset`: optimistic concurrency.
    ///
    /// Otherwise nothing is written and the call returns
    /// [`Error::OffsetMismatch`](crate::Error::OffsetMismatch). The comparison counts offsets that
    /// are assigned but not visible yet. So of two racing publishers that expect the same offset,
    /// at most one succeeds.
    #[must_use]
    #[inline]
    pub const fn expect_next_offset(mut self, offset: u64) -> PublishOptions<'a> {
        self.expect_next_offset = Some(offset);
        self
    }

    /// Return only once the batch is on stable storage, whatever the log's
    /// [`Durability`](crate::Durability).
    #[must_use]
    #[inline]
    pub const fn sync(mut self, sync: bool) -> PublishOptions<'a> {
        self.sync = sync;
        self
    }

    /// Publish only if this is the log's token, else fail with
    /// [`Error::Fenced`](crate::Error::Fenced). The empty token is a token too; without this
    /// option nothing is checked, unless the log
    /// [requires a token](crate::Options::require_token).
    #[must_use]
    #[inline]
    pub const fn token(mut self, token: Token) -> PublishOptions<'a> {
        self.token = Some(token);
        self
    }

    /// Publish this control record behind the messages, as part of the same atomic batch. The
    /// batch need not have messages.
    ///
    /// May be called up to four times; the records are taken in order. With more, publishing fails
    /// with [`Error::Invalid`](crate::Error::Invalid).
    #[must_use]
    #[inline]
    pub const fn and(mut self, control: Control) -> PublishOptions<'a> {
        self.is_special = true;
        let mut at = 0;
        while at < CONTROLS_MAX {
            if self.controls[at].is_none() {
                self.controls[at] = Some(control);
                return self;
            }
            at += 1;
        }
        self.is_overfull = true;
        self
    }

    /// Publish this batch once: it is the one that the producer `id` numbers `sequence`.
    ///
    /// A producer's sequences have to go up and may have gaps. If one is published again, nothing
    /// is written: the call returns the first [`Ack`](crate::Ack), marked as duplicate, or
    /// [`Error::OutOfSequence`](crate::Error::OutOfSequence) if 64 batches or more of the producer
    /// came after it. So does a lower sequence that was never published. Contents are not compared:
    /// another batch with a sequence that is known is not written. An empty batch has no sequence
    /// and is not noted.
    ///
    /// A seal, the token and what the publisher expects are checked first. So publish again without
    /// [`expect_next_offset`](PublishOptions::expect_next_offset) and
    /// [`expect_key`](PublishOptions::expect_key), and with the token that the log has now.
    ///
    /// A log knows 4,096 producers; who has not published for the longest is forgotten first, and
    /// is a new one then: old batches of its would be written again. The table survives reopens,
    /// kills and trims.
    ///
    /// After a power cut, the log knows the batches that it still has.
    #[must_use]
    #[inline]
    pub const fn producer(mut self, id: u64, sequence: u64) -> PublishOptions<'a> {
        self.producer = Some((id, sequence));
        self
    }

    /// Publish only if `last` is the offset of the last message with this key, or, for `None`, if
    /// no message has it: optimistic concurrency by key. Else the call fails with
    /// [`Error::KeyMismatch`](crate::Error::KeyMismatch).
    ///
    /// The comparison counts messages that are not visible yet, but none that was trimmed or
    /// deleted. With [`EachPublish`](crate::Durability::EachPublish), who has lost may so be ahead
    /// of what can be read: [`wait_synced`](crate::Log::wait_synced) waits until the winner's
    /// message, whose offset is in the error, is visible. It needs the key index: without, the call
    /// fails with [`Error::NoIndex`](crate::Error::NoIndex).
    #[must_use]
    #[inline]
    pub const fn expect_key(mut self, key: &'a [u8], last: Option<u64>) -> PublishOptions<'a> {
        self.expect_key = Some((key, last));
        self.is_special = true;
        self
    }

    /// The offset set by [`expect_next_offset`](PublishOptions::expect_next_offset). For
    /// implementations of [`Log`](crate::Log).
    #[must_use]
    #[inline]
    pub const fn expected_next_offset(&self) -> Option<u64> {
        self.expect_next_offset
    }

    /// Whether [`sync`](PublishOptions::sync) is set. For implementations of [`Log`](crate::Log).
    #[must_use]
    #[inline]
    pub const fn is_sync(&self) -> bool {
        self.sync
    }

    /// The token set by [`token`](PublishOptions::token). For implementations of
    /// [`Log`](crate::Log).
    #[must_use]
    #[inline]
    pub const fn expected_token(&self) -> Option<Token> {
        self.token
    }

    /// The key and the offset set by [`expect_key`](PublishOptions::expect_key). For
    /// implementations of [`Log`](crate::Log).
    #[must_use]
    #[inline]
    pub const fn expected_key(&self) -> Option<(&'a [u8], Option<u64>)> {
        self.expect_key
    }

    /// The id and the sequence set by [`producer`](PublishOptions::producer). For implementations
    /// of [`Log`](crate::Log).
    #[must_use]
    #[inline]
    pub const fn producer_sequence(&self) -> Option<(u64, u64)> {
        self.producer
    }

    /// Fails if anything is asked for but `expect_next_offset` and `sync`. For implementations of
    /// [`Log`](crate::Log) that know neither tokens nor producers nor control records: they must
    /// not publish as if nothing had been asked.
    ///
    /// # Errors
    ///
    /// [`Error::NotSupported`](crate::Error::NotSupported).
    pub const fn check_plain(&self) -> Result<()> {
        if self.is_special || self.token.is_some() || self.producer.is_some() {
            return Err(Error::NotSupported(
                "tokens, control records, producers and expected keys",
            ));
        }
        Ok(())
    }

    /// Whether the batch sets a token.
    pub(crate) fn fences(&self) -> bool {
        let mut controls = self.controls.iter().flatten();
        controls.any(|control| matches!(control, Control::Fence(_)))
    }

    /// The control records, in the order in which [`and`](PublishOptions::and) was called. For
    /// implementations of [`Log`](crate::Log).
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for more than four, and for one that is not published.
    pub fn control_records(&self) -> Result<impl Iterator<Item = Control>> {
        if self.is_overfull {
            return Err(Error::Invalid("a batch has at most four control records"));
        }
        if self.controls.contains(&Some(Control::Unseal)) {
            return Err(Error::Invalid("a log is unsealed by the call of that name"));
        }
        Ok(self.controls.into_iter().flatten())
    }
}
