//! duramen: an embedded, append-only log.

mod error;
mod format;
mod index;
mod log;
mod maintenance;
mod segment;
mod sys;
mod types;

pub use error::{Corruption, Error, ErrorKind, Result};
pub use log::{Durability, FileLog, Log, MessageRef, Options, Scan};
pub use maintenance::{CheckReport, Problem, check, dump, stat};
pub use types::{
    BATCH_SIZE_MAX, Batch, Headers, MESSAGE_SIZE_MAX, Message, NewMessage, ParseTimestampError,
    PublishOptions, Start, Stats, Timestamp,
};
