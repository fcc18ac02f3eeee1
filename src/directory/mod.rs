//! L4: the opened directory of a log: its files by name, its metadata, and the right to write to
//! it.

mod bell;
mod durable_note;
mod files;
mod health;
mod home;
mod live_metadata;
mod metadata;
mod producers;
mod quarantine;

pub(crate) use durable_note::{NoteToReaders, SeenNote};
pub(crate) use files::{Directory, corrupt, header_error, offset_bound};
pub(crate) use health::Health;
pub(crate) use home::Home;
pub(crate) use live_metadata::LiveMetadata;
pub(crate) use metadata::{Copies, MetaStore, initialise};
