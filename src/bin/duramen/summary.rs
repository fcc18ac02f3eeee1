//! The summary that `duramen delete` and `duramen compact` print.

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
        let mut output = Output::stdout();
        output.json(self)?;
        output.flush()
    }
}
