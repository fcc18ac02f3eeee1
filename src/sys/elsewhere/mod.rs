//! Systems on which no log is kept in files, because nobody has worked out yet how to give its
//! guarantees there.
//!
//! No directory can be opened, so none of these types has a value. What needs no files works.

mod dir;
#[cfg(feature = "fault")]
mod errno;
mod file;
mod lock;
mod mapping;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub(crate) use crate::sys::no_bell::Bell;
pub(super) use dir::OsDir;
#[cfg(feature = "fault")]
pub(super) use errno::Errno;
pub(super) use file::OsFile;
pub(crate) use file::open_files_max;
pub(super) use lock::OsLock;
pub(super) use mapping::{Mapping, Twin};

/// The time on a monotonic clock.
pub(crate) fn coarse_time() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// There are no forks.
pub(super) fn process_number() -> u64 {
    1
}
