//! What `duramen delete` and `duramen compact` print.

use serde::Serialize;

use duramen::Deleted;

use crate::failure::Failure;
use crate::output::Output;

pub(crate) const SUMMARY_HELP: &str = "\
The summary is {\"deleted\":N,\"size\":N}: messages removed, and bytes of storage freed; in a dry run, what those \
messages take.";

/// Messages that were removed.
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
