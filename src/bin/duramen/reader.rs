//! Reading a log in steps.

use duramen::{Batch, FileLog, Log as _, Start};

use crate::failure::Failure;

/// Messages asked for at a time.
const BATCH_LEN_MAX: u64 = 4096;

/// How far the reading has come.
pub(crate) struct Reader<'a> {
    from: Start,
    /// Messages still wanted.
    left: u64,
    key: Option<&'a [u8]>,
}

impl<'a> Reader<'a> {
    /// Reads `limit` messages at most, all of this key if there is one.
    pub(crate) fn new(from: Start, limit: u64, key: Option<&'a [u8]>) -> Reader<'a> {
        Reader {
            from,
            left: limit,
            key,
        }
    }

    /// Whether all messages that were wanted have been read.
    pub(crate) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// How many messages there are to read at most, where that can be told.
    pub(crate) fn count_max(&self, log: &FileLog) -> Result<Option<u64>, Failure> {
        if self.key.is_some() {
            return Ok(None);
        }
        let begin = log.consume(self.from, 0)?.next_offset;
        Ok(Some(log.next_offset()?.saturating_sub(begin).min(self.left)))
    }

    /// The next messages, perhaps none; `None` at the end of the log, or of what is wanted.
    pub(crate) fn read(&mut self, log: &FileLog) -> Result<Option<Batch>, Failure> {
        if self.is_done() {
            return Ok(None);
        }
        let count_max = usize::try_from(self.left.min(BATCH_LEN_MAX)).unwrap_or(usize::MAX);
        let batch = match self.key {
            Some(key) => log.consume_by_key(key, self.from, count_max)?,
            None => log.consume(self.from, count_max)?,
        };
        // Without messages, only the very end returns the offset asked for.
        let is_end = batch.messages.is_empty() && self.from == Start::At(batch.next_offset);
        self.from = Start::At(batch.next_offset);
        self.left -= batch.messages.len() as u64;
        Ok((!is_end).then_some(batch))
    }
}
