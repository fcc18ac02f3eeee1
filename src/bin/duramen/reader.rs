//! Reading a log in steps.

use duramen::{Batch, FileLog, Log as _, Start};

use crate::failure::Failure;

/// The number of messages requested at a time.
const BATCH_LEN_MAX: u64 = 4096;

/// Reads messages from a position on, up to a limit.
pub(crate) struct Reader<'a> {
    from: Start,
    /// The number of messages still to read.
    left: u64,
    key: Option<&'a [u8]>,
}

impl<'a> Reader<'a> {
    /// A reader of at most `limit` messages, of all keys or of the one given.
    pub(crate) fn new(from: Start, limit: u64, key: Option<&'a [u8]>) -> Reader<'a> {
        Reader {
            from,
            left: limit,
            key,
        }
    }

    /// Whether the limit is reached.
    pub(crate) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// An upper bound of the messages to read, if one is known.
    pub(crate) fn count_max(&self, log: &FileLog) -> Result<Option<u64>, Failure> {
        if self.key.is_some() {
            return Ok(None);
        }
        let begin = log.consume(self.from, 0)?.next_offset;
        Ok(Some(log.next_offset()?.saturating_sub(begin).min(self.left)))
    }

    /// Reads the next messages, perhaps none. Returns `None` at the end of the log or at the limit.
    pub(crate) fn read(&mut self, log: &FileLog) -> Result<Option<Batch>, Failure> {
        if self.is_done() {
            return Ok(None);
        }
        let count_max = usize::try_from(self.left.min(BATCH_LEN_MAX)).unwrap_or(usize::MAX);
        let batch = match self.key {
            Some(key) => log.consume_by_key(key, self.from, count_max)?,
            None => log.consume(self.from, count_max)?,
        };
        // Only at the end of the log does an empty batch return the offset that was asked for.
        let is_end = batch.messages.is_empty() && self.from == Start::At(batch.next_offset);
        self.from = Start::At(batch.next_offset);
        self.left -= batch.messages.len() as u64;
        Ok((!is_end).then_some(batch))
    }
}
