//! L0: the types that users and the engine share. No I/O, no unsafe.

mod ack;
mod backoff;
mod backup;
mod control;
mod corruption;
mod cursor;
mod error_kind;
mod headers;
mod index_kind;
mod mapped_files;
mod message;
mod message_ref;
mod options;
mod position;
mod read;
mod removed;
mod start;
mod stats;
mod stream_id;
mod timestamp;
mod token;
mod token_text;
mod undecoded;

pub use ack::{Ack, Place, metered_size};
pub use backoff::Backoff;
pub use backup::BackupReport;
pub use control::{Control, ControlRecord};
pub use corruption::Corruption;
pub use cursor::{Expect, Stored, StoredCursor};
pub use error_kind::ErrorKind;
pub use headers::Headers;
pub use index_kind::IndexKind;
pub use mapped_files::MappedFiles;
pub use message::{Batch, Message, NewMessage};
pub use message_ref::MessageRef;
pub use options::PublishOptions;
pub use position::{LifeId, ParsePositionError, Position};
pub use read::{Filter, ReadBatch, ReadOptions, Stop};
pub use removed::{Deleted, Trimmed};
pub use start::Start;
pub use stats::Stats;
pub use stream_id::StreamId;
pub use timestamp::{ParseTimestampError, Timestamp};
pub use token::Token;
pub use undecoded::{DecodeError, MessagePart};

pub(crate) use ack::metered;
pub(crate) use control::ControlContent;
pub(crate) use message::emptied;
pub(crate) use message_ref::first_header;

/// The largest message, in bytes of key, value and headers together: 64 MiB.
pub const MESSAGE_SIZE_MAX: u64 = 64 << 20;

/// The largest batch, in bytes of keys, values and headers of all its messages: 1 GiB.
pub const BATCH_SIZE_MAX: u64 = 1 << 30;
