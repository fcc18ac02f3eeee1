//! The directories of klevdb, a library for Go that keeps a log of messages in segments.
//!
//! | name | content |
//! |---|---|
//! | `00000000000000000000.log` | a segment, named by the offset of its first message in 20 digits |
//! | `00000000000000000000.index` | its index: derived, may be missing |
//! | `.lock` | locked by whoever has the log open: shared for reading, exclusively for writing |
//!
//! Numbers are big-endian. Each segment has one of two formats, for itself; see [`format`].

mod detect;
mod file;
mod format;
mod index;
mod message;
mod segment;
mod source;
mod staging;
mod tail;
mod writer;

pub(crate) use detect::kinds_of;
pub(crate) use format::{OFFSET_MAX, Version};
pub(crate) use index::{Beginning, Comparison, Said};
pub(crate) use message::Message;
pub(crate) use segment::{Next, Segment};
pub(crate) use source::Source;
pub(crate) use staging::Staging;
pub(crate) use tail::is_torn;
pub(crate) use writer::Writer;

/// The indexes that a log has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds {
    pub(crate) times: bool,
    pub(crate) keys: bool,
}
