use crate::{Batch, Changes, Error, Log, Result, Start};

/// A reader's position in a log. It moves forward as the log is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    pub(super) at: Start,
    /// Whether reading may begin with the oldest message and nothing was read yet. Then a trim
    /// loses nothing that the reader expects.
    from_oldest: bool,
}

impl Cursor {
    pub(super) fn new(from: Start) -> Cursor {
        Cursor {
            at: from,
            from_oldest: is_from_oldest(from),
        }
    }

    /// Reads on: messages or an error, or an empty batch at the end of a sealed log. `None` at the
    /// end of the log, where more messages may come.
    pub(super) fn poll(
        &mut self,
        log: &impl Log,
        changes: &Changes,
        read: impl Fn(Start) -> Result<Batch>,
    ) -> Option<Result<Batch>> {
        // Read before the log, so that messages that became visible before the poisoning are
        // returned first.
        let is_poisoned = changes.is_poisoned();
        let mut was_sealed = false;
        loop {
            match read(self.at) {
                Ok(batch) if !batch.messages.is_empty() => {
                    self.from_oldest = false;
                    self.at = Start::At(batch.next_offset);
                    return Some(Ok(batch));
                }
                Ok(batch) if self.at != Start::At(batch.next_offset) => {
                    self.at = Start::At(batch.next_offset);
                }
                // What was published before the log was sealed is read first.
                Ok(batch) if was_sealed => return Some(Ok(batch)),
                // Unless reading has opened it again.
                Ok(_) if is_poisoned && changes.is_poisoned() => return Some(Err(poisoned(log))),
                Ok(_) => match log.is_sealed() {
                    Ok(true) => was_sealed = true,
                    Ok(false) => return None,
                    Err(error) => return Some(Err(error)),
                },
                Err(error) => match start_if_trimmed(&error) {
                    Some(start) if self.from_oldest => self.at = Start::At(start),
                    _ => return Some(Err(error)),
                },
            }
        }
    }
}

/// Whether a reader that starts at `from` expects no message in particular.
pub(super) fn is_from_oldest(from: Start) -> bool {
    matches!(from, Start::Oldest | Start::AtOrOldest(_))
}

/// Why the poisoned log is poisoned: it tells whoever publishes, even nothing at all.
#[cold]
pub(crate) fn poisoned(log: &impl Log) -> Error {
    match log.publish(&[]) {
        Err(error @ Error::Poisoned { .. }) => error,
        _ => Error::poisoned("the log does not say what failed"),
    }
}

/// The log's start offset, if the error says that the requested offset was trimmed.
pub(crate) fn start_if_trimmed(error: &Error) -> Option<u64> {
    match error {
        Error::OffsetOutOfRange { start, .. } if error.is_trimmed() => Some(*start),
        _ => None,
    }
}

/// The offset at which a reader that starts at `from` begins.
pub(super) fn begin(from: Start, consume: impl Fn(Start, usize) -> Result<Batch>) -> Result<u64> {
    Ok(consume(from, 0)?.next_offset)
}
