//! The list of segments, and how readers find messages in it.

mod key_runs;
mod list;
mod reader;
mod scan;

pub(crate) use key_runs::{KeyRun, damaged_runs, runs_among};
pub(crate) use list::SegmentList;
pub(crate) use reader::Reader;
pub use scan::{MessageRef, Scan};
