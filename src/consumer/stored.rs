use std::fmt;

use super::handler::{BoxError, Handler};
use crate::{Cursors, Expect, Message, Result, Stored};

/// A handler whose next offset is a [stored cursor](Cursors): see [`Cursors::handler`].
pub struct StoredHandler<F> {
    cursors: Cursors,
    id: String,
    stream: String,
    partition: u32,
    every: u64,
    /// What is stored, as far as this knows.
    stored: Option<Stored>,
    /// One past the last message that was handled or passed.
    next_offset: u64,
    handle: F,
}

impl Cursors {
    /// A [`Handler`] that calls `handle` with each message, and stores the offset of the next one
    /// in this cursor. It begins at the cursor, or at the log's start if there is none.
    ///
    /// The cursor is stored after each message; [`every`](StoredHandler::every) says otherwise. If
    /// somebody else has changed it meanwhile, the handler fails with
    /// [`Error::CursorMismatch`](crate::Error::CursorMismatch), and goes on at the cursor as it is
    /// then.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use duramen::{BlockingLog, Consumer, Cursors, Log, MemoryLog, NewMessage, Options};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// let log = Arc::new(MemoryLog::new());
    /// log.publish(&[NewMessage::value(b"first"), NewMessage::value(b"second")])?;
    /// let cursors = Cursors::open(dir.path(), &Options::new())?.with_log("mails", &log);
    ///
    /// let consumer = Consumer::new(&BlockingLog::new(Arc::clone(&log)));
    /// let stopper = consumer.stopper();
    /// let mut send = cursors.handler("sender", "mails", 0, |message| {
    ///     if message.offset == 1 {
    ///         stopper.stop();
    ///     }
    ///     Ok(())
    /// });
    /// consumer.run(&mut send)?;
    /// assert_eq!(cursors.lag("sender", "mails", 0)?, Some(0));
    /// # Ok(())
    /// # }
    /// ```
    pub fn handler<F>(&self, id: &str, stream: &str, partition: u32, handle: F) -> StoredHandler<F>
    where
        F: FnMut(&Message) -> Result<(), BoxError>,
    {
        StoredHandler {
            cursors: self.clone(),
            id: id.to_owned(),
            stream: stream.to_owned(),
            partition,
            every: 1,
            stored: None,
            next_offset: 0,
            handle,
        }
    }
}

impl<F> StoredHandler<F> {
    /// Store the cursor when it is so many offsets behind, and when the consumer has come to the
    /// end of the log or stops. After a failure or a kill, up to as many messages are handled
    /// again. At least 1, which is the default.
    #[must_use]
    pub fn every(mut self, offsets: u64) -> StoredHandler<F> {
        self.every = offsets.max(1);
        self
    }

    /// Stores the cursor if it is behind by this many offsets.
    fn store_if(&mut self, behind: u64) -> Result<(), BoxError> {
        let at = self.stored.map_or(0, |stored| stored.position.offset);
        let is_stored = self.stored.is_some() && at == self.next_offset;
        if is_stored || self.next_offset.saturating_sub(at) < behind {
            return Ok(());
        }
        let expect = self
            .stored
            .map_or(Expect::Absent, |stored| Expect::Version(stored.version));
        let (id, stream) = (&self.id, &self.stream);
        let stored = self
            .cursors
            .set(id, stream, self.partition, self.next_offset, expect)?;
        self.stored = Some(stored);
        Ok(())
    }
}

impl<F: FnMut(&Message) -> Result<(), BoxError>> Handler for StoredHandler<F> {
    fn next_offset(&mut self) -> Result<u64, BoxError> {
        self.stored = self.cursors.get(&self.id, &self.stream, self.partition)?;
        self.next_offset = match self.stored {
            Some(stored) => stored.position.offset,
            None => self.cursors.start_of(&self.stream, self.partition)?,
        };
        Ok(self.next_offset)
    }

    fn handle(&mut self, _expected: u64, message: &Message) -> Result<(), BoxError> {
        if let Err(error) = (self.handle)(message) {
            // What is in front of it need not be handled again.
            self.store_if(1)?;
            return Err(error);
        }
        self.next_offset = message.offset + 1;
        self.store_if(self.every)
    }

    fn skipped(&mut self, _expected: u64, next_offset: u64) -> Result<u64, BoxError> {
        self.next_offset = next_offset;
        self.store_if(self.every)?;
        Ok(next_offset)
    }

    fn idle(&mut self) -> Result<(), BoxError> {
        self.store_if(1)
    }
}

impl<F> fmt::Debug for StoredHandler<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredHandler")
            .field("id", &self.id)
            .field("stream", &self.stream)
            .field("partition", &self.partition)
            .field("next_offset", &self.next_offset)
            .finish_non_exhaustive()
    }
}
