//! Summaries that more than one command prints.

use serde::Serialize;

use duramen::Deleted;

use crate::failure::Failure;
use crate::output::Output;

pub(crate) const SUMMARY_HELP: &str = "\
The summary is {\"deleted\":N,\"size\":N}: the number of messages removed, and the bytes of storage \
freed. In a dry run, size is the size of those messages.";

/// How many messages were removed, and their size.
#[derive(Serialize)]
pub(crate) struct Summary {
    deleted: u64,
    size: u64,
}

impl From<Deleted> for Summary {
    fn from(deleted: Deleted) -> Summary {
        Summary {
            deleted: deleted.messages,
            size: deleted.size,
        }
    }
}

impl Summary {
    pub(crate) fn print(&self) -> Result<(), Failure> {
        print(self)
    }
}

/// The help for [`End`], for commands that append something.
pub(crate) const END_HELP: &str = "\
The summary is {\"next_offset\":N}: the offset of the next message to be published.";

/// Where the log ends now.
#[derive(Serialize)]
pub(crate) struct End {
    next_offset: u64,
}

impl End {
    pub(crate) fn new(next_offset: u64) -> End {
        End { next_offset }
    }

    pub(crate) fn print(&self) -> Result<(), Failure> {
        print(self)
    }
}

/// Prints a summary as one JSON line.
pub(crate) fn print(summary: &impl Serialize) -> Result<(), Failure> {
    let mut output = Output::stdout();
    output.json(summary)?;
    output.flush()
}
