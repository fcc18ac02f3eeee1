//! duramen: an embedded, append-only log.

mod error;
mod format;
mod index;
mod log;
mod maintenance;
mod segment;
mod sys;
mod types;

#[cfg(feature = "testing")]
pub mod testing;

/// A disk in memory that loses and fails on command, for crash tests. No part of the stable interface.
#[cfg(feature = "fault")]
#[doc(hidden)]
pub mod fault {
    pub use crate::sys::sim::{Call, CrashPlan, Errno, Fault, Lie, SimDisk};
}

/// Entry points for the fuzz targets under `fuzz/`. No part of the stable interface.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

pub use error::{Corruption, Error, ErrorKind, Result};
pub use log::{Durability, FileLog, Log, MemoryLog, MessageRef, Options, Scan};
pub use maintenance::{CheckReport, Problem, check, dump, stat};
pub use types::{
    BATCH_SIZE_MAX, Batch, Headers, MESSAGE_SIZE_MAX, Message, NewMessage, ParseTimestampError,
    PublishOptions, Start, Stats, Timestamp,
};
