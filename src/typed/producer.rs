use std::fmt;
use std::future::poll_fn;
use std::slice;
use std::task::Poll;
use std::time::Duration;

use super::codec::Codec;
use super::codecs::Codecs;
use super::handle::TLog;
use super::message::TNewMessage;
use crate::{Error, Log, NewMessage, Producer, ProducerOptions, Result, Ticket};

/// A [`Producer`] for a [`TLog`]: it sends messages with keys and values of the application's
/// types.
///
/// Each message is encoded when it is sent. One that cannot be encoded fails with
/// [`Error::Encode`], is not sent, and harms no other.
///
/// ```
/// use std::sync::Arc;
/// use duramen::{MemoryLog, ProducerOptions, TLog, TNewMessage, TProducer, codec};
///
/// # fn main() -> duramen::Result<()> {
/// let log = Arc::new(MemoryLog::new());
/// let names = TLog::new(Arc::clone(&log), codec::U64, codec::Utf8);
/// let producer = TProducer::new(names.clone(), ProducerOptions::new())?;
/// let (offset, _) = producer.send(TNewMessage::new(&7, &"Ada".to_owned()))?.wait()?;
/// assert_eq!(names.get_by_key(&7)?.offset, offset);
/// # producer.close()
/// # }
/// ```
pub struct TProducer<KC, VC, L: Log> {
    producer: Producer<L>,
    codecs: Codecs<KC, VC>,
}

impl<KC: Codec, VC: Codec, L: Log> TProducer<KC, VC, L> {
    /// A producer for this log, with a thread of its own. To keep using the log directly, give a
    /// `TLog` of an [`Arc`](std::sync::Arc).
    ///
    /// # Errors
    ///
    /// As [`Producer::new`].
    pub fn new(log: TLog<KC, VC, L>, options: ProducerOptions) -> Result<TProducer<KC, VC, L>>
    where
        L: 'static,
    {
        let (log, codecs) = log.into_parts();
        Ok(TProducer {
            producer: Producer::new(log, options)?,
            codecs,
        })
    }

    /// The producer, to send bytes.
    pub fn raw(&self) -> &Producer<L> {
        &self.producer
    }

    /// Sends a message, and waits for room: see [`Producer::send`].
    ///
    /// # Errors
    ///
    /// As [`Producer::send`], and [`Error::Encode`].
    pub fn send(&self, message: TNewMessage<'_, KC::Item, VC::Item>) -> Result<Ticket> {
        self.encoded(&message, |message| self.producer.send(message))
    }

    /// As [`send`](TProducer::send), but does not wait: see [`Producer::try_send`].
    ///
    /// # Errors
    ///
    /// As [`Producer::try_send`], and [`Error::Encode`].
    pub fn try_send(&self, message: TNewMessage<'_, KC::Item, VC::Item>) -> Result<Ticket> {
        self.encoded(&message, |message| self.producer.try_send(message))
    }

    /// As [`send`](TProducer::send), but waits no longer than `timeout`: see
    /// [`Producer::send_timeout`].
    ///
    /// # Errors
    ///
    /// As [`Producer::send_timeout`], and [`Error::Encode`].
    pub fn send_timeout(
        &self,
        message: TNewMessage<'_, KC::Item, VC::Item>,
        timeout: Duration,
    ) -> Result<Ticket> {
        self.encoded(&message, |message| self.producer.send_timeout(message, timeout))
    }

    /// As [`send`](TProducer::send), in any async runtime: see [`Producer::send_async`]. The
    /// message is encoded again each time when there may be room.
    ///
    /// # Errors
    ///
    /// As [`Producer::send_async`], and [`Error::Encode`].
    pub async fn send_async(&self, message: TNewMessage<'_, KC::Item, VC::Item>) -> Result<Ticket> {
        let mut waiting = self.producer.waiting();
        poll_fn(move |context| {
            let polled = self.encoded(&message, |message| Ok(waiting.poll_send(&message, context)));
            polled.unwrap_or_else(|error| Poll::Ready(Err(error)))
        })
        .await
    }

    /// See [`Producer::flush`].
    ///
    /// # Errors
    ///
    /// As [`Producer::flush`].
    pub fn flush(&self) -> Result<()> {
        self.producer.flush()
    }

    /// See [`Producer::close`].
    ///
    /// # Errors
    ///
    /// As [`Producer::close`].
    pub fn close(self) -> Result<()> {
        self.producer.close()
    }

    fn encoded<T>(
        &self,
        message: &TNewMessage<'_, KC::Item, VC::Item>,
        send: impl FnOnce(NewMessage<'_>) -> Result<T>,
    ) -> Result<T> {
        self.codecs
            .encoded(slice::from_ref(message), |encoded| match encoded {
                [message] => send(*message),
                _ => Err(Error::Invalid("one message was encoded as several")),
            })
    }
}

impl<KC, VC, L: Log + fmt::Debug> fmt::Debug for TProducer<KC, VC, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TProducer").field(&self.producer).finish()
    }
}
