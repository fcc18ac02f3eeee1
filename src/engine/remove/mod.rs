//! Removing messages: trimming, retention, deleting, merging, and the space that deleting needs on
//! a full disk.

mod delete;
mod merge;
mod removal;
mod replace;
mod retention;
mod source;
mod space;
mod trim;

pub(crate) use removal::Remove;
pub(crate) use source::{copy, source_of};
pub(crate) use space::{Lease, Space};
