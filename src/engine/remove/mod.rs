//! Removing messages: trimming, retention, deleting, merging, and the space that deleting needs on
//! a full disk.

mod age;
mod copy_kept;
mod copy_queue;
mod delete;
mod merge;
mod removal;
mod replace;
mod retention;
mod space;
mod to_copy;
mod trim;

pub(crate) use copy_kept::copy_kept;
pub(crate) use copy_queue::CopyQueue;
pub(crate) use removal::Remove;
pub(crate) use space::{Lease, Space};
