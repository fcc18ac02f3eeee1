//! The list of segments, and how readers find messages in it.

mod batch_buf;
mod by_key;
mod by_time;
mod current;
mod list;
mod mappings;
mod message_ref;
mod reader;
mod scan;

pub use batch_buf::BatchBuf;
pub(crate) use current::{Look, Segments};
pub(crate) use list::SegmentList;
pub(crate) use reader::{FromEnd, Reader};
pub use scan::Scan;
