//! L4: the opened directory of a log: its files by name, its metadata, and the right to write to
//! it.

mod files;
mod health;
mod live_metadata;
mod metadata;
mod place;
mod quarantine;

pub(crate) use files::{Directory, corrupt, header_error, offset_bound};
pub(crate) use health::Health;
pub(crate) use live_metadata::LiveMetadata;
pub(crate) use metadata::{Copies, MetaStore, initialise};
pub(crate) use place::Place;
