use std::fmt;
use std::iter::FusedIterator;

use crate::{Error, Log, Message, Result, Start};

/// The most messages to hold at a time. A stretch of this many offsets never holds more.
const STRETCH: u64 = 64;

/// The longest stretch, in offsets. Longer gaps take several steps.
const STRETCH_MAX: u64 = 1 << 20;

/// The messages of a log from the newest to the oldest: see
/// [`LogExt::reverse_iter`](crate::LogExt::reverse_iter).
pub struct ReverseIter<'a, L: ?Sized> {
    log: &'a L,
    /// Messages read and not returned yet, in offset order.
    stretch: Vec<Message>,
    /// All messages from this offset on were read. `None` before the first read and at the end.
    end: Option<u64>,
    /// The length of the next stretch, in offsets.
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

    /// Reads the next stretch that has messages. Returns false if there is none.
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
                // The log was trimmed meanwhile, so its start offset is read again.
                Err(error) if error.is_trimmed() => {}
                Err(error) => return Err(error),
                // The stretch grew over a gap, and holds too many messages before it.
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

    /// Reads the messages in `from..end`. Returns false if there are too many.
    fn read(&mut self, from: u64, end: u64) -> Result<bool> {
        self.stretch.clear();
        let mut at = from;
        while at < end {
            let batch = self.log.consume(Start::At(at), 64)?;
            if batch.next_offset <= at {
                return Err(Error::Invalid(
                    "the log did not return a higher offset at which to continue",
                ));
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
