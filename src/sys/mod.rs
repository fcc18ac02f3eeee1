//! L2: the only place that touches files, mappings and locks, and the only one with unsafe code.
//!
//! The engine sees a [`Storage`] and the [`File`]s and [`Map`]s it gets from it. The real one is the operating
//! system's; the feature `fault` adds one in memory that records every operation, can lose what was not synced, and
//! fails on command.

mod error;
mod file;
mod fork;
mod lock;
mod map;
mod os;
#[cfg(feature = "fault")]
pub(crate) mod sim;
mod storage;

pub(crate) use file::File;
pub(crate) use fork::is_forked;
pub(crate) use lock::{DirLock, LOCK_NAME};
pub(crate) use map::Map;
pub(crate) use os::Os;
pub(crate) use storage::{Open, Storage, found};
