//! An embedded, append-only log: like a single Kafka partition in a directory, linked into your
//! application.
//!
//! [`Options`] open a [`FileLog`], which implements the trait [`Log`]. Code that uses logs should
//! take any `Log`. Publish [`NewMessage`]s in atomic batches; read [`Message`]s in order, by
//! offset, by key or by time.
//!
//! ```
//! use duramen::{Log, NewMessage, Options, Start};
//!
//! # fn main() -> duramen::Result<()> {
//! # let scratch = tempfile::tempdir().unwrap();
//! # let dir = scratch.path().join("log");
//! let log = Options::new().create_dirs(true).key_index(true).open(&dir)?;
//! let next = log.publish(&[NewMessage::new(b"user-7", b"created")])?;
//! log.publish(&[NewMessage::new(b"user-7", b"renamed")])?;
//!
//! assert_eq!(log.get_by_key(b"user-7")?.offset, next);
//! assert_eq!(log.consume(Start::Oldest, 10)?.messages.len(), 2);
//! # log.close()
//! # }
//! ```
//!
//! | to | see |
//! |---|---|
//! | publish, unconditionally or under a condition | [`Log::publish`], [`Log::publish_with`] |
//! | fence off a writer that was replaced; publish once although it is sent twice | [`PublishOptions`], [`Token`] |
//! | seal a log, or trim it with a batch | [`Control`] |
//! | know where a batch is, and when it was published | [`Log::append`], [`Ack`], [`TimestampPolicy`] |
//! | choose which messages survive a power cut | [`Durability`], [`Log::sync`] |
//! | read in order | [`Log::consume`], [`Start`]; without copies [`FileLog::scan`] |
//! | read within limits, through a filter | [`Log::read`], [`ReadOptions`], [`Filter`] |
//! | wait for messages, follow a log | [`BlockingLog`], [`TBlockingLog`] |
//! | use keys and values of your own types | [`TLog`], [`Codec`], [`codec`] |
//! | iterate forwards or backwards, read the last message of each key | [`LogExt`] |
//! | store where a reader is, and find out whether the log is still the same | [`Log::position`], [`Log::resume`] |
//! | look up a message | [`Log::get`], [`Log::get_by_key`], [`Log::get_by_time`] |
//! | remove messages | [`Log::delete`], [`Log::trim`], [`trim`], [`Retention`] |
//! | remove superseded messages by key | [`mod@compact`] |
//! | handle errors | [`Error`], [`ErrorKind`] |
//! | check, repair, back up and restore a log | [`check`], [`recover`], [`backup`], [`restore`] |
//! | inspect a log | [`stat`], [`dump`] |
//! | test an application without files, with a clock of its own | [`MemoryLog`], [`Clock`] |
//! | test an implementation of `Log` | the module `testing`, behind the feature `testing` |
//! | understand how it works | [`design`], [`on_disk`] |

// First, because the modules below use its macro `forward_log!`.
#[macro_use]
mod log;

mod blocking;
mod chain;
pub mod compact;
mod control;
mod directory;
mod engine;
mod error;
mod format;
mod index;
mod log_ext;
mod maintenance;
mod memory;
mod scheduler;
mod segment;
mod sys;
pub mod trim;
mod typed;
mod types;

#[cfg(feature = "testing")]
pub mod testing;

/// A simulated disk in memory that loses data and fails on command, for crash tests, and records
/// that no public call writes. No part of the stable interface.
#[cfg(feature = "fault")]
#[doc(hidden)]
pub mod fault {
    pub use crate::engine::{append_controls, restore_to};
    pub use crate::sys::sim::{Call, CrashPlan, Errno, Fault, Lie, SimDisk, SyncPlace};
}

/// Entry points for the fuzz targets under `fuzz/`. No part of the stable interface.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
#[cfg(doctest)]
#[doc = include_str!("../docs/guide.md")]
struct Guide;

#[doc = include_str!("../docs/design.md")]
pub mod design {}

/// The format on disk: `docs/format.md` in the sources.
pub mod on_disk {
    #![doc = include_str!("../docs/format.md")]
}

#[cfg(feature = "stream")]
pub use blocking::LogStream;
pub use blocking::{Awaited, BlockingLog, Follow, StopHandle};
pub use engine::{BatchBuf, FileLog, Scan};
pub use error::{Error, Result};
pub use log::{
    Changes, Clock, Durability, Event, Log, ManualClock, Options, Retention, SystemClock, TimestampPolicy,
    Watch,
};
pub use log_ext::{Iter, LogExt, ReverseIter};
pub use maintenance::{
    CheckReport, Dropped, Problem, RecoverOptions, RecoverReport, backup, check, dump, recover, recover_with,
    restore, stat,
};
pub use memory::MemoryLog;
pub use typed::{Codec, TBatch, TBlockingLog, TFollow, TLog, TMessage, TNewMessage, TReadBatch, codec};
pub use types::{
    Ack, BATCH_SIZE_MAX, BackupReport, Batch, Control, ControlRecord, Corruption, DecodeError, Deleted,
    ErrorKind, Filter, Headers, IndexKind, LifeId, MESSAGE_SIZE_MAX, Message, MessagePart, MessageRef,
    NewMessage, ParsePositionError, ParseTimestampError, Place, Position, PublishOptions, ReadBatch,
    ReadOptions, Start, Stats, Stop, Timestamp, Token, Trimmed, metered_size,
};
