//! A cursor whose keys and values have types.

use std::fmt;
use std::time::Duration;

use super::reading::Cursor;
use crate::typed::Codecs;
use crate::{Codec, Log, Message, Result, TMessage};

/// A [`Cursor`] whose keys and values have types of the application: one [`Codec`] for keys and one
/// for values, as in a [`TLog`](crate::TLog).
///
/// ```
/// use duramen::{Filter, MemoryLog, Start, TBlockingLog, TCursor, TNewMessage, codec};
///
/// # fn main() -> duramen::Result<()> {
/// let log = TBlockingLog::new(MemoryLog::new(), codec::U64, codec::Utf8);
/// log.publish(&[TNewMessage::new(&7, &"Ada".to_owned())])?;
///
/// let cursor = log.raw().cursor(Start::Oldest, Filter::any())?;
/// let mut cursor = TCursor::new(cursor, codec::U64, codec::Utf8);
/// let message = cursor.next()?;
/// assert_eq!((message.key, message.value.as_deref()), (Some(7), Some("Ada")));
/// # Ok(())
/// # }
/// ```
pub struct TCursor<KC, VC, L: Log> {
    cursor: Cursor<L>,
    codecs: Codecs<KC, VC>,
}

impl<KC: Codec, VC: Codec, L: Log> TCursor<KC, VC, L> {
    /// Wraps a cursor. Its filter is of the bytes.
    pub fn new(cursor: Cursor<L>, keys: KC, values: VC) -> TCursor<KC, VC, L> {
        let codecs = Codecs { keys, values };
        TCursor { cursor, codecs }
    }

    /// The wrapped cursor.
    pub fn raw(&self) -> &Cursor<L> {
        &self.cursor
    }

    /// See [`Cursor::next`].
    ///
    /// # Errors
    ///
    /// As [`Cursor::next`], and [`Error::Decode`](crate::Error::Decode) for a message that cannot
    /// be decoded. The cursor is past it.
    #[expect(
        clippy::should_implement_trait,
        reason = "an error does not end it as an iterator would"
    )]
    pub fn next(&mut self) -> Result<TMessage<KC::Item, VC::Item>> {
        let message = self.cursor.next()?;
        self.decode(message)
    }

    /// See [`Cursor::next_timeout`].
    ///
    /// # Errors
    ///
    /// As [`next`](TCursor::next).
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<TMessage<KC::Item, VC::Item>>> {
        let message = self.cursor.next_timeout(timeout)?;
        message.map(|message| self.decode(message)).transpose()
    }

    /// See [`Cursor::next_offset`].
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.cursor.next_offset()
    }

    fn decode(&self, message: Message) -> Result<TMessage<KC::Item, VC::Item>> {
        Ok(self.codecs.decode(message)?)
    }
}

impl<KC, VC, L: Log> fmt::Debug for TCursor<KC, VC, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TCursor").field(&self.cursor).finish()
    }
}
