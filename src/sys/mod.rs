//! L1: the only module that accesses files, mappings and locks, and the only one with unsafe code.
//!
//! The engine opens a [`Dir`] of a [`Storage`], and in it [`File`]s and [`Map`]s. The real storage
//! is the operating system's file system. The feature `fault` adds a storage in memory that records
//! every operation, can lose unsynced data, and fails on command.

mod atomic;
mod crc;
mod dir;
mod error;
mod file;
mod fork;
mod identity;
mod in_order;
mod lock;
mod map;
mod mappings;
mod names;
mod os;
mod overlay;
mod owner;
mod pages;
mod prefetch;
mod refused;
#[cfg(feature = "fault")]
pub(crate) mod sim;
mod storage;
mod sync;
mod time;
mod window;

pub(crate) use atomic::raise;
pub(crate) use crc::{crc32c, crc32c_of_three};
pub(crate) use dir::Dir;
pub(crate) use error::{found, is_out_of_mappings, is_out_of_space};
pub(crate) use file::{File, Open};
pub(crate) use fork::{PerProcess, Process};
pub(crate) use identity::{FileId, UNKNOWN_BOOT};
pub(crate) use lock::{DirLock, LOCK_NAME};
pub(crate) use map::Map;
pub(crate) use mappings::mappings_max;
pub(crate) use names::{Entry, NamesChangedAt};
pub(crate) use storage::{Created, Os, Storage, find_dir};
pub(crate) use sync::{Condvar, Mutex, MutexGuard};
pub(crate) use time::coarse_time;
pub(crate) use window::Window;
