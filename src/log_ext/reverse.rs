use std::fmt;
use std::iter::FusedIterator;

use crate::{Error, Log, Message, Result, Start};

/// A stretch of so many offsets holds few enough messages to be read at once.
const STRETCH: u64 = 64;

/// A stretch is never longer: longer gaps are passed in several steps.
const STRETCH_MAX: u64 = 1 << 20;

/// Messages of a log from the newest to the oldest: see [`LogExt::reverse_iter`](crate::LogExt::reverse_iter).
pub struct ReverseIter<'a, L: ?Sized> {
    log: &'a L,
    /// Read and not yet handed out, in offset order.
    stretch: Vec<Message>,
    /// Everything from here on was read; `None` before the first look, and when there is nothing left.
    end: Option<u64>,
    len: u64,
    is_begun: bool,
}

impl<'a, L: Log + ?Sized> ReverseIter<'a, L> {
    pub(super) fn new(log: &'a L) -> ReverseIter<'a, L> {
        ReverseIter {
            log,
            stretch: Vec::new(),
            end: None,
            len: STRETCH,
            is_begun: false,
        }
    }

    /// Reads the next stretch that has messages; false if there is none.
    fn read_back(&mut self) -> Result<bool> {
        if !self.is_begun {
            self.is_begun = true;
            self.end = Some(self.log.next_offset()?);
        }
        while let Some(end) = self.end {
            let start = self.log.start_offset()?;
            if end <= start {
                break;
            }
            let from = end.saturating_sub(self.len).max(start);
            match self.read(from, end) {
                // Trimmed since: what is left begins later.
                Err(error) if error.is_trimmed() => {}
                Err(error) => return Err(error),
                // Too many for one stretch: behind a gap stands a dense piece.
                Ok(false) => self.len = (self.len / 2).max(STRETCH),
                Ok(true) if self.stretch.is_empty() => {
                    self.end = Some(from);
                    self.len = (self.len * 2).min(STRETCH_MAX);
                }
                Ok(true) => {
                    self.end = Some(from);
                    return Ok(true);
                }
            }
        }
        self.end = None;
        Ok(false)
    }

    /// Reads the messages in `from..end`; false if they are too many.
    fn read(&mut self, from: u64, end: u64) -> Result<bool> {
        self.stretch.clear();
        let mut at = from;
        while at < end {
            let batch = self.log.consume(Start::At(at), 64)?;
            if batch.next_offset <= at {
                return Err(Error::Invalid("the log does not read on"));
            }
            at = batch.next_offset;
            let within = batch.into_iter().take_while(|message| message.offset < end);
            self.stretch.extend(within);
            if self.stretch.len() as u64 > STRETCH {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl<L: Log + ?Sized> Iterator for ReverseIter<'_, L> {
    type Item = Result<Message>;

    fn next(&mut self) -> Option<Result<Message>> {
        if let Some(message) = self.stretch.pop() {
            return Some(Ok(message));
        }
        match self.read_back() {
            Ok(true) => self.stretch.pop().map(Ok),
            Ok(false) => None,
            Err(error) => {
                self.end = None;
                self.stretch.clear();
                Some(Err(error))
            }
        }
    }
}

impl<L: Log + ?Sized> FusedIterator for ReverseIter<'_, L> {}

impl<L: ?Sized> fmt::Debug for ReverseIter<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReverseIter")
            .field("end", &self.end)
            .field("read_ahead", &self.stretch.len())
            .finish_non_exhaustive()
    }
}
