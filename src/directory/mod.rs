//! L4: the opened directory of a log: its files by name, its metadata, and the right to write to it.

mod failure;
mod metadata;
mod opened;
mod quarantine;

pub(crate) use failure::Failure;
pub(crate) use metadata::{Copies, MetaStore, initialise};
pub(crate) use opened::{Directory, copy_range, corrupt, create_anew, header_error, offset_bound};
