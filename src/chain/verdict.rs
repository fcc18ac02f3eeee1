//! Where a log ends, and who proves it.

use super::closed::Closed;
use super::contents::Chain;
use super::unclosed::Unclosed;
use crate::{Options, Result};

/// What the files of a log prove about its end.
pub(crate) enum Verdict {
    /// The metadata says where the log ends. No segment was walked through, unless that was asked
    /// for.
    Closed(Closed),
    /// The end was found in the segments.
    Unclosed(Unclosed),
}

impl Chain {
    /// Says where the log ends. Changes nothing. An error if messages that were durable are damaged
    /// or missing, unless the options ask for going on without them.
    pub(crate) fn verdict(&self, options: &Options) -> Result<Verdict> {
        Ok(match self.closed(options)? {
            Some(closed) => Verdict::Closed(closed),
            None => Verdict::Unclosed(self.unclosed(options)?),
        })
    }
}
