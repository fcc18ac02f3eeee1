//! A consumer whose keys and values have types.

use std::fmt;

use super::handler::{BoxError, Handler};
use super::settings::Consumer;
use crate::typed::Codecs;
use crate::{Codec, Log, Message, Result, TMessage};

/// A [`Handler`] of messages whose keys and values have types. Each method is that of the same name
/// there.
pub trait THandler<K, V> {
    /// See [`Handler::next_offset`].
    ///
    /// # Errors
    ///
    /// As there.
    fn next_offset(&mut self) -> Result<u64, BoxError>;

    /// See [`Handler::handle`].
    ///
    /// # Errors
    ///
    /// As there.
    fn handle(&mut self, expected: u64, message: TMessage<K, V>) -> Result<(), BoxError>;

    /// See [`Handler::skipped`].
    ///
    /// # Errors
    ///
    /// As there.
    fn skipped(&mut self, expected: u64, next_offset: u64) -> Result<u64, BoxError> {
        let _ = next_offset;
        Ok(expected)
    }

    /// See [`Handler::idle`].
    ///
    /// # Errors
    ///
    /// As there.
    fn idle(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}

/// A [`Consumer`] whose keys and values have types of the application: one [`Codec`] for keys and
/// one for values, as in a [`TLog`](crate::TLog).
///
/// A message that cannot be decoded is an error as if the handler had failed with it: it is tried
/// again, and buried if the consumer has dead letters.
///
/// ```
/// use std::sync::Arc;
/// use duramen::{Consumer, Cursors, MemoryLog, Options};
/// use duramen::{TBlockingLog, TConsumer, TNewMessage, codec};
///
/// # fn main() -> duramen::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// let raw = Arc::new(MemoryLog::new());
/// let log = TBlockingLog::new(Arc::clone(&raw), codec::U64, codec::Utf8);
/// log.publish(&[TNewMessage::new(&7, &"Ada".to_owned())])?;
/// let cursors = Cursors::open(dir.path(), &Options::new())?.with_log("names", &raw);
///
/// let consumer = TConsumer::new(Consumer::new(log.raw()), codec::U64, codec::Utf8);
/// let stopper = consumer.raw().stopper();
/// let greet = consumer.decoding(|message| {
///     println!("Hello {}", message.value.unwrap_or_default());
///     stopper.stop();
///     Ok(())
/// });
/// consumer.raw().run(&mut cursors.handler("greeter", "names", 0, greet))?;
/// assert_eq!(cursors.lag("greeter", "names", 0)?, Some(0));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct TConsumer<KC, VC, L: Log> {
    consumer: Consumer<L>,
    codecs: Codecs<KC, VC>,
}

impl<KC: Codec, VC: Codec, L: Log + 'static> TConsumer<KC, VC, L> {
    /// Wraps a consumer with all its settings.
    pub fn new(consumer: Consumer<L>, keys: KC, values: VC) -> TConsumer<KC, VC, L> {
        let codecs = Codecs { keys, values };
        TConsumer { consumer, codecs }
    }

    /// The wrapped consumer.
    pub fn raw(&self) -> &Consumer<L> {
        &self.consumer
    }

    /// See [`Consumer::run`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn run<H>(&self, handler: &mut H) -> Result<()>
    where
        H: THandler<KC::Item, VC::Item> + ?Sized,
    {
        let codecs = &self.codecs;
        self.consumer.run(&mut Decoding { codecs, handler })
    }

    /// A function that decodes each message for `handle`, as
    /// [`Cursors::handler`](crate::Cursors::handler) takes it.
    pub fn decoding<F>(&self, mut handle: F) -> impl FnMut(&Message) -> Result<(), BoxError>
    where
        F: FnMut(TMessage<KC::Item, VC::Item>) -> Result<(), BoxError>,
    {
        move |message| handle(self.codecs.decode(message.clone())?)
    }
}

struct Decoding<'a, KC, VC, H: ?Sized> {
    codecs: &'a Codecs<KC, VC>,
    handler: &'a mut H,
}

impl<KC: Codec, VC: Codec, H> Handler for Decoding<'_, KC, VC, H>
where
    H: THandler<KC::Item, VC::Item> + ?Sized,
{
    fn next_offset(&mut self) -> Result<u64, BoxError> {
        self.handler.next_offset()
    }

    fn handle(&mut self, expected: u64, message: &Message) -> Result<(), BoxError> {
        self.handler
            .handle(expected, self.codecs.decode(message.clone())?)
    }

    fn skipped(&mut self, expected: u64, next_offset: u64) -> Result<u64, BoxError> {
        self.handler.skipped(expected, next_offset)
    }

    fn idle(&mut self) -> Result<(), BoxError> {
        self.handler.idle()
    }
}

impl<KC, VC, L: Log> fmt::Debug for TConsumer<KC, VC, L>
where
    Consumer<L>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TConsumer").field(&self.consumer).finish()
    }
}
