//! L2: the only module that accesses files, mappings and locks, and the only one with unsafe code.
//!
//! The engine uses a [`Storage`] and the [`File`]s and [`Map`]s that it opens. The real storage is
//! the operating system's file system. The feature `fault` adds a storage in memory that records
//! every operation, can lose unsynced data, and fails on command.

mod atomic;
mod error;
mod file;
mod fork;
mod lock;
mod map;
mod os;
#[cfg(feature = "fault")]
pub(crate) mod sim;
mod storage;

pub(crate) use atomic::raise;
pub(crate) use file::File;
pub(crate) use fork::is_forked;
pub(crate) use lock::{DirLock, LOCK_NAME};
pub(crate) use map::Map;
pub(crate) use os::Os;
pub(crate) use storage::{Open, Storage, found};
