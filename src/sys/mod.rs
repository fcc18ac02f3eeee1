//! L1: the only module that accesses files, mappings and locks, and the only one with unsafe code.
//!
//! The engine opens a [`Dir`] of a [`Storage`], and in it [`File`]s and [`Map`]s. The real storage
//! is the operating system's file system. The feature `fault` adds a storage in memory that records
//! every operation, can lose unsynced data, and fails on command.
//!
//! What differs between operating systems is in the module that is called `os` here: [`unix`],
//! which has a part for Linux and one for the systems of BSD's family, or `elsewhere`, where no
//! directory can be opened.

mod atomic;
mod bell;
mod crc;
mod dir;
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_vendor = "apple"
)))]
mod elsewhere;
mod error;
mod file;
mod fork;
mod identity;
mod lock;
mod map;
mod mappings;
mod names;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod no_bell;
mod prefetch;
#[cfg(feature = "fault")]
pub(crate) mod sim;
mod storage;
mod sync;
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_vendor = "apple"
))]
mod unix;
mod window;

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_vendor = "apple"
)))]
use elsewhere as os;
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_vendor = "apple"
))]
use unix as os;

pub(crate) use atomic::raise;
pub(crate) use bell::{BELL_LEN, Bell};
pub(crate) use crc::{crc32c, crc32c_of_three};
pub(crate) use dir::Dir;
pub(crate) use error::{failed_read, found, is_out_of_mappings, is_out_of_space};
pub(crate) use file::{File, Open};
pub(crate) use fork::{PerProcess, Process};
pub(crate) use identity::{FileId, LOCK_NAME, UNKNOWN_BOOT};
pub(crate) use lock::DirLock;
pub(crate) use map::Map;
pub(crate) use mappings::mappings_max;
pub(crate) use names::{COARSE_NAMES_SETTLE_AFTER, Entry, NAMES_SETTLE_AFTER, NamesChangedAt};
pub(crate) use os::{coarse_time, open_files_max};
pub(crate) use storage::{Created, Os, Storage, find_dir};
pub(crate) use sync::{Condvar, Mutex, MutexGuard};
pub(crate) use window::Window;
