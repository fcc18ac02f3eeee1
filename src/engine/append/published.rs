use super::due::Due;
use crate::Ack;

/// What came of a publish, and what is left to do. Filled in by whoever finds it out: a
/// large result that is handed up from call to call is copied by each, and the copies wait for the
/// stores before them.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// The ack, if the call succeeds.
    pub(crate) ack: Ack,
    /// Whether the caller has to wait until the batch is durable.
    pub(crate) waits: bool,
    /// Framed bytes that are not durable yet.
    pub(crate) backlog_len: u64,
    /// Where a control record of the batch trims the log to, once the batch is durable.
    pub(crate) trim_to: Option<u64>,
    pub(crate) due: Option<Box<Due>>,
}
