//! The list of segments, and how readers find messages in it.

mod by_key;
mod by_time;
mod current;
mod list;
mod mappings;
mod reader;
mod scan;

pub(crate) use current::Segments;
pub(crate) use list::SegmentList;
pub(crate) use reader::{FromEnd, Reader};
pub use scan::{MessageRef, Scan};
