//! Where a log ends, and what proves it.

use super::closed::Closed;
use super::contents::Chain;
use super::unclosed::Unclosed;
use crate::{Options, Result};

/// The end of a log, as its files prove it.
pub(crate) enum Verdict {
    /// The metadata says where the log ends. No segment was walked through, except the last one if
    /// the options ask for a check or for recovery.
    Closed(Closed),
    /// The end was found in the segments.
    Unclosed(Unclosed),
}

impl Chain {
    /// Finds out where the log ends, and changes nothing. Returns an error if messages that were
    /// durable are damaged or missing, unless the options ask to go on without them.
    pub(crate) fn verdict(&self, options: &Options) -> Result<Verdict> {
        Ok(match self.closed(options)? {
            Some(closed) => Verdict::Closed(closed),
            None => Verdict::Unclosed(self.unclosed(options)?),
        })
    }
}
