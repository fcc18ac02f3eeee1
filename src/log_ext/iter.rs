use std::fmt;

use crate::{Log, Message, Result, Start};

/// How many messages are read at a time.
const READ_AHEAD: usize = 256;

/// The messages of a log in order, up to its end: see [`LogExt::iter`](crate::LogExt::iter).
pub struct Iter<'a, L: ?Sized> {
    log: &'a L,
    at: Start,
    batch: std::vec::IntoIter<Message>,
    is_failed: bool,
}

impl<'a, L: Log + ?Sized> Iter<'a, L> {
    pub(super) fn new(log: &'a L, from: Start) -> Iter<'a, L> {
        Iter {
            log,
            at: from,
            batch: Vec::new().into_iter(),
            is_failed: false,
        }
    }
}

impl<L: Log + ?Sized> Iterator for Iter<'_, L> {
    type Item = Result<Message>;

    fn next(&mut self) -> Option<Result<Message>> {
        loop {
            if let Some(message) = self.batch.next() {
                return Some(Ok(message));
            }
            if self.is_failed {
                return None;
            }
            let batch = match self.log.consume(self.at, READ_AHEAD) {
                Ok(batch) => batch,
                Err(error) => {
                    self.is_failed = true;
                    return Some(Err(error));
                }
            };
            let before = std::mem::replace(&mut self.at, Start::At(batch.next_offset));
            if batch.messages.is_empty() && before == self.at {
                return None;
            }
            self.batch = batch.into_iter();
        }
    }
}

impl<L: ?Sized> fmt::Debug for Iter<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter")
            .field("at", &self.at)
            .field("read_ahead", &self.batch.len())
            .finish_non_exhaustive()
    }
}
