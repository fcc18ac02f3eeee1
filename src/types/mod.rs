//! L0: the types that users and the engine share. No I/O, no unsafe.

mod backup;
mod headers;
mod message;
mod options;
mod position;
mod removed;
mod start;
mod stats;
mod timestamp;
mod undecoded;

pub use backup::BackupReport;
pub use headers::Headers;
pub use message::{Batch, Message, NewMessage};
pub use options::PublishOptions;
pub use position::{LifeId, ParsePositionError, Position};
pub use removed::{Deleted, Trimmed};
pub use start::Start;
pub use stats::Stats;
pub use timestamp::{ParseTimestampError, Timestamp};
pub use undecoded::{DecodeError, MessagePart};

/// The largest message, in bytes of key, value and headers together: 64 MiB.
pub const MESSAGE_SIZE_MAX: u64 = 64 << 20;

/// The largest batch, in bytes of keys, values and headers of all its messages: 1 GiB.
pub const BATCH_SIZE_MAX: u64 = 1 << 30;
