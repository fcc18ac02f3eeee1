//! duramen: an embedded, append-only log.

mod error;
mod format;
mod index;
mod log;
mod sys;
mod types;

pub use error::{Corruption, Error, ErrorKind, Result};
pub use log::{Durability, Log, Options};
pub use types::{
    BATCH_SIZE_MAX, Batch, Headers, MESSAGE_SIZE_MAX, Message, NewMessage, ParseTimestampError,
    PublishOptions, Start, Stats, Timestamp,
};
