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
//! [`cookbook`] has complete programs to begin with: an audit trail, an event store, an outbox, a
//! queue.
//!
//! # What to take when
//!
//! **Which log.** The first three are a [`Log`]: code that takes any `Log` works with each, and
//! wrappers go around any of them.
//!
//! | take | when |
//! |---|---|
//! | [`FileLog`], opened by [`Options`] | messages have to outlive the process: nearly always |
//! | [`MemoryLog`] | in tests; on a platform without logs in files; for what may be gone with the process |
//! | [`BlockingLog`] around one of these | somebody waits for messages: a worker, a relay, a stream |
//! | a [`Producer`] for a log | messages come one by one, from many threads or tasks, and are to share batches |
//! | [`TLog`] around a log | keys and values have types of yours, which a [`codec`] turns to bytes and back |
//! | [`TBlockingLog`] | both: typed, and waiting |
//! | a [`Store`](store::Store) of such logs | there are many logs with names; keys are spread over several |
//!
//! **Which durability.** After the death of the process, each has everything that was acknowledged.
//! The difference is a power cut, or a crash of the system.
//!
//! | take | when | a publish takes |
//! |---|---|---|
//! | `EachPublish` | nobody may be told of what can be lost: orders, an audit trail | a sync of the disk |
//! | `Interval`, `Bytes` | the last moments may be lost, and you say how much: clicks | a copy to memory |
//! | `Os`, the default | all since the last [`sync`](Log::sync) may be lost: caches | a copy to memory |
//!
//! These are the modes of [`Durability`]. Concurrent publishers share a sync. In each mode,
//! [`PublishOptions::sync`] makes one publish wait for the disk.
//!
//! **Which indexes.** Reading in order, and by offset, needs none. An index costs each publish a
//! few percent, and some bytes of disk. It can be turned on later; then the log is read once.
//!
//! | turn on | for |
//! |---|---|
//! | [`Options::key_index`] | [`Log::get_by_key`], [`Log::consume_by_key`], [`PublishOptions::expect_key`] |
//! | [`Options::time_index`] | [`Log::get_by_time`], [`Start::Time`], restoring up to a time |
//!
//! # What there is
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
//! | send messages one by one, published in batches | [`Producer`], [`TProducer`] |
//! | use keys and values of your own types | [`TLog`], [`Codec`], [`codec`] |
//! | iterate forwards or backwards, read the last message of each key | [`LogExt`] |
//! | store where a reader is, and find out whether the log is still the same | [`Log::position`], [`Log::resume`] |
//! | look up a message | [`Log::get`], [`Log::get_by_key`], [`Log::get_by_time`] |
//! | remove messages | [`Log::delete`], [`Log::trim`], [`trim`], [`Retention`] |
//! | remove superseded messages by key | [`mod@compact`] |
//! | keep many logs in one directory, by name | [`mod@store`], [`Store`](store::Store) |
//! | share messages among workers, each done by one of them | [`mod@queue`], [`Queue`](queue::Queue) |
//! | spread messages over partitions by key | [`Stream`](store::Stream), [`Partitioner`](store::Partitioner) |
//! | handle errors | [`Error`], [`ErrorKind`] |
//! | check, repair, back up and restore a log | [`check`], [`recover`], [`backup`], [`restore`] |
//! | inspect a log, or what recovery cut off | [`stat`], [`dump`], [`messages_in`] |
//! | learn what happens behind the scenes | [`Options::on_event`], [`Event`]; the features `tracing` and `metrics` |
//! | test an application without files, with a clock of its own | [`MemoryLog`], [`Clock`] |
//! | test an implementation of `Log` | the module `testing`, behind the feature `testing` |
//! | understand how it works | [`design`], [`on_disk`] |

#![cfg_attr(docsrs, feature(doc_cfg))]

// First, because the modules below use its macro `forward_log!`.
#[macro_use]
mod log;

mod blocking;
mod chain;
pub mod compact;
mod consumer;
mod control;
mod cursor;
mod directory;
mod engine;
mod error;
mod format;
mod index;
mod letter;
mod log_ext;
mod maintenance;
mod memory;
mod producer;
pub mod queue;
mod scheduler;
mod segment;
pub mod store;
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
#[cfg(doctest)]
#[doc = include_str!("../docs/streams.md")]
struct Streams;
#[cfg(doctest)]
#[doc = include_str!("../docs/consuming.md")]
struct Consuming;
#[cfg(doctest)]
#[doc = include_str!("../docs/queue.md")]
struct Queues;

/// Complete programs to begin with, of at most 60 lines. Each is an example in the sources too:
/// `cargo run --example audit_trail`.
pub mod cookbook {
    /// An audit trail: who did what and when.
    ///
    /// - With [`EachPublish`](crate::Durability::EachPublish), an entry is on stable storage when
    ///   the call returns, so the deed can follow.
    /// - With [`Arrival`](crate::TimestampPolicy::Arrival), the log's clock gives the times, in
    ///   order. Nobody can date an entry back.
    /// - The key is the person, so that [`consume_by_key`](crate::Log::consume_by_key) has the
    ///   entries of one; a time index finds those since a time.
    /// - Retention drops what is older than it has to be. Nothing else removes an entry.
    /// - Checksums find accidents. They do not stop somebody who can write the files: keep a
    ///   [`backup`](crate::Log::backup) where the writer cannot.
    ///
    /// ```
    #[doc = include_str!("../examples/audit_trail.rs")]
    /// ```
    pub mod audit_trail {}

    /// An event-sourced store: the state of a thing is the sum of its events.
    ///
    /// - The key is the thing, and [`consume_by_key`](crate::Log::consume_by_key) reads its events.
    /// - Whoever decides on a state publishes with
    ///   [`expect_key`](crate::PublishOptions::expect_key): if another event of the same thing has
    ///   come in between, nothing is written, and the decision is made anew. Writers of different
    ///   things never meet. No lock is held meanwhile.
    /// - Take [`EachPublish`](crate::Durability::EachPublish) where the answer to a command is a
    ///   promise. Then events are visible, and seen by `catch_up`, once they are on stable storage.
    /// - Long histories: now and then publish the state itself under another key, with the offset
    ///   up to which it holds, and begin there.
    ///
    /// ```
    #[doc = include_str!("../examples/event_sourced_store.rs")]
    /// ```
    pub mod event_store {}

    /// An outbox: what others have to be told is durable at once, and told later.
    ///
    /// - The application publishes and goes on. It never waits for the other system.
    /// - A relay tells in order, and then [trims](crate::Log::trim) what was told. The oldest
    ///   message is the next one, so the relay stores no position.
    /// - If the relay dies in between, it tells some messages again. The other system knows them by
    ///   their offsets. If that system is a log, a [`producer`](crate::PublishOptions::producer)
    ///   does that.
    /// - A [`BlockingLog`](crate::BlockingLog) lets the relay wait for more.
    ///
    /// ```
    #[doc = include_str!("../examples/outbox.rs")]
    /// ```
    pub mod outbox {}

    /// A queue of jobs for several workers.
    ///
    /// - Each job is given to one worker of a [queue](crate::queue::Queue), which says what has
    ///   become of it. With [`by_key`](crate::queue::QueueOptions::by_key), the jobs of one
    ///   customer stay in order.
    /// - A job that fails is tried again, and given up in the end: then it is a dead letter.
    /// - After a restart the queue goes on where it was. A job may be done twice; let that do no
    ///   harm.
    /// - Remove what is settled with [`trim`](crate::Log::trim), or set a retention.
    ///
    /// ```
    #[doc = include_str!("../examples/work_queue.rs")]
    /// ```
    pub mod queue {}
}

#[doc = include_str!("../docs/design.md")]
pub mod design {}

/// The format on disk: `docs/format.md` in the sources.
pub mod on_disk {
    #![doc = include_str!("../docs/format.md")]
}

#[cfg(feature = "stream")]
pub use blocking::LogStream;
pub use blocking::{Awaited, BlockingLog, Follow, StopHandle};
pub use consumer::{
    BoxError, Consumer, Handler, OnTrimmed, Permits, Stopper, StoredHandler, TConsumer, THandler,
};
#[cfg(feature = "stream")]
pub use cursor::CursorStream;
pub use cursor::{Cursor, CursorCloser, Cursors, TCursor};
pub use engine::{BatchBuf, FileLog, Import, ImportReport, Scan};
pub use error::{Error, Result};
pub use log::{
    Changes, Clock, Durability, Event, Job, Log, ManualClock, Options, Retention, RetentionFloor,
    SystemClock, TimestampPolicy, Watch,
};
pub use log_ext::{Iter, LogExt, ReverseIter};
pub use maintenance::{
    CheckReport, Dropped, Problem, RecoverOptions, RecoverReport, backup, check, dump, messages_in, recover,
    recover_with, restore, stat,
};
pub use memory::MemoryLog;
pub use producer::{AckMode, Producer, ProducerOptions, Ticket};
pub use typed::{
    Codec, TBatch, TBlockingLog, TFollow, TLog, TMessage, TNewMessage, TProducer, TReadBatch, codec,
};
pub use types::{
    Ack, BATCH_SIZE_MAX, Backoff, BackupReport, Batch, Control, ControlRecord, Corruption, DecodeError,
    Deleted, ErrorKind, Expect, Filter, Headers, IndexKind, LifeId, MESSAGE_SIZE_MAX, MappedFiles, Message,
    MessagePart, MessageRef, NewMessage, ParsePositionError, ParseTimestampError, Place, Position,
    PublishOptions, ReadBatch, ReadOptions, Start, Stats, Stop, Stored, StoredCursor, Timestamp, Token,
    Trimmed, metered_size,
};
