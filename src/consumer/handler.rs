use crate::Message;

/// Any error of a handler.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Deals with messages, and knows where to go on: see [`Consumer::run`](crate::Consumer::run). The
/// idea is that of Dogma's projections.
///
/// A handler that stores its offset in the same transaction as what it makes of a message deals
/// with each message exactly once. It compares `expected` with what it has stored, and stores one
/// past the message's offset; if somebody else was faster, it fails, and is asked again.
pub trait Handler {
    /// The offset of the next message: 0, or what was stored last. It is asked at the beginning and
    /// after each failure.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from knowing. It is asked again after a while.
    fn next_offset(&mut self) -> Result<u64, BoxError>;

    /// Deals with a message. `expected` is the next offset that the handler has said or stored
    /// last. It is less than the message's offset after messages that were left out by the filter,
    /// trimmed or deleted. When this returns `Ok`, the next offset is one past the message's.
    ///
    /// # Errors
    ///
    /// Whatever is wrong. After a while the handler is asked for the next offset, and given the
    /// message there again. A panic is an error, too.
    fn handle(&mut self, expected: u64, message: &Message) -> Result<(), BoxError>;

    /// Messages in front of `next_offset` will not be given: they were left out by the filter at
    /// the end of the log, trimmed, or buried as a dead letter. A handler that stores that returns
    /// `next_offset`, and the messages are not read again after a restart; by default it returns
    /// what was `expected`, and they are.
    ///
    /// # Errors
    ///
    /// As [`handle`](Handler::handle).
    fn skipped(&mut self, expected: u64, next_offset: u64) -> Result<u64, BoxError> {
        let _ = next_offset;
        Ok(expected)
    }

    /// The consumer has come to the end of the log and is about to wait there, or stops. By default
    /// this does nothing. A handler that stores its offset only now and then stores it here.
    ///
    /// # Errors
    ///
    /// As [`handle`](Handler::handle). When the consumer stops, the run ends with it.
    fn idle(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}
