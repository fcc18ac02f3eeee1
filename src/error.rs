//! L0: the one error type.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::types::{Corruption, DecodeError, ErrorKind, IndexKind, MessagePart, Position, Token};

use text::{
    at_text, batch_text, handler_text, offset_text, parted_text, place_text, too_large_text, version_text,
};

mod kind;
mod text;

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed. [`kind`](Error::kind) says what the caller can do about it.
///
/// The text of an error is one line and includes that of its cause, which
/// [`source`](std::error::Error::source) returns, too.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No message matches the request.
    #[error("no such message")]
    NotFound,

    /// The offset is below the start offset (see [`is_trimmed`](Error::is_trimmed)) or beyond the
    /// next offset.
    #[error("offset {offset} is outside the log, which goes from {start} to {next}")]
    OffsetOutOfRange {
        /// The offset asked for.
        offset: u64,
        /// The log's start offset.
        start: u64,
        /// The log's next offset.
        next: u64,
    },

    /// The log's next offset is not the one that the publisher expected, or an
    /// [`Import`](crate::Import) was given an offset below its next one. Nothing was written.
    #[error("expected to publish at offset {expected}, but the next offset is {actual}")]
    OffsetMismatch {
        /// The offset given to
        /// [`PublishOptions::expect_next_offset`](crate::PublishOptions::expect_next_offset), or to
        /// the import.
        expected: u64,
        /// The log's next offset.
        actual: u64,
    },

    /// The log has another token than the publisher: a newer writer has taken over. Nothing was
    /// written. With [`EachPublish`](crate::Durability::EachPublish) the fence is on stable
    /// storage.
    #[error("fenced: the publisher's token is {:?}, the log's is {:?}", expected.as_str(), actual.as_str())]
    Fenced {
        /// The token given to [`PublishOptions::token`](crate::PublishOptions::token); the empty
        /// one if none was given to a log that [requires one](crate::Options::require_token).
        expected: Box<Token>,
        /// The log's token.
        actual: Box<Token>,
    },

    /// The log is sealed: nothing more is published to it. Nothing was written. With
    /// [`EachPublish`](crate::Durability::EachPublish), the seal is on stable storage.
    #[error("the log is sealed")]
    Sealed,

    /// The last message with the key is not the one that the publisher expected. Nothing was
    /// written.
    #[error("expected the key's last message {}, but it is {}", at_text(*expected), at_text(*actual))]
    KeyMismatch {
        /// The offset given to [`PublishOptions::expect_key`](crate::PublishOptions::expect_key).
        expected: Option<u64>,
        /// The offset of the last message with the key; `None` if there is none.
        actual: Option<u64>,
    },

    /// The stored cursor is not the one that was expected: somebody else has changed it. Nothing
    /// was written.
    #[error("expected the stored cursor {}, but it is {}", version_text(*expected), version_text(*actual))]
    CursorMismatch {
        /// The version that was expected; `None` if there was to be no such cursor.
        expected: Option<u64>,
        /// The version of the cursor; `None` if there is none.
        actual: Option<u64>,
    },

    /// A stored cursor does not go back, but by [`Cursors::reset`](crate::Cursors::reset). Nothing
    /// was written.
    #[error("the stored cursor is at offset {stored}, and does not go back to {next_offset}")]
    CursorBehind {
        /// The offset to which it was to be set.
        next_offset: u64,
        /// The offset at which it is.
        stored: u64,
    },

    /// The producer has gone on, and what it published under this sequence, if anything, is no
    /// longer known. Nothing was written.
    #[error("producer {producer} is at sequence {last}, and cannot publish {sequence}")]
    OutOfSequence {
        /// The id given to [`PublishOptions::producer`](crate::PublishOptions::producer).
        producer: u64,
        /// The sequence given with it.
        sequence: u64,
        /// The highest sequence that the log has of this producer.
        last: u64,
    },

    /// A message has no time, and the log takes its publishers' times only
    /// ([`TimestampPolicy::ClientRequire`](crate::TimestampPolicy)). Nothing was written.
    #[error("message {index} of the batch has no time, and the log requires one")]
    TimeRequired {
        /// The message's position in the batch, counted from 0.
        index: usize,
    },

    /// The log does not go on as it did when the position was read: it was restored to an earlier
    /// point, is another copy, or lost messages. Reading at the position's offset could skip
    /// messages, or give the same ones again.
    #[error("position {position} is not in this log{}", parted_text(*parted_at))]
    EpochChanged {
        /// The position that was given to [`Log::resume`](crate::Log::resume).
        position: Position,
        /// The first offset at which the messages of this log may be others than those that were
        /// read, if it is known: all messages below it are the same.
        parted_at: Option<u64>,
    },

    /// A message is larger than [`MESSAGE_SIZE_MAX`](crate::MESSAGE_SIZE_MAX), 64 MiB, or a batch
    /// larger than [`BATCH_SIZE_MAX`](crate::BATCH_SIZE_MAX), 1 GiB. Nothing was written.
    ///
    /// A [`Producer`](crate::Producer) has limits of its own, on the metered size of a message.
    ///
    /// The others are on the bytes of keys, values and headers. The form in which a log stores
    /// messages may have limits of its own: the file log refuses a message whose headers are mostly
    /// empty and number in the tens of millions.
    #[error("{}", too_large_text(*index, *size, *limit))]
    TooLarge {
        /// The message's position in the batch, counted from 0; `None` if the batch as a whole is
        /// too large.
        index: Option<usize>,
        /// The size of the message or batch, in bytes.
        size: u64,
        /// The largest size allowed, in bytes.
        limit: u64,
    },

    /// The call needs an index that the log was opened without. Open it with that index:
    /// [`Options::key_index`](crate::Options::key_index) or
    /// [`time_index`](crate::Options::time_index).
    #[error("{}the log has no {index} index; open it with `Options::{index}_index(true)`", place_text(path.as_deref()))]
    NoIndex {
        /// The index that is missing.
        index: IndexKind,
        /// The log's directory; `None` if the log has none.
        path: Option<PathBuf>,
    },

    /// Another handle has the log open for writing, in this process or another one.
    #[error("{}: the log is open elsewhere", path.display())]
    Locked {
        /// The log's directory.
        path: PathBuf,
    },

    /// The handle is closed.
    #[error("the log is closed")]
    Closed,

    /// The [`Cursor`](crate::Cursor) is closed. Nothing is wrong with its log.
    #[error("the cursor is closed")]
    CursorClosed,

    /// The handle no longer writes, because an earlier write or sync failed.
    /// [`close`](crate::Log::close) returns the original error. Open the log again.
    #[error(
        "{}an earlier write or sync failed, so the handle no longer writes; open the log again: {source}",
        place_text(path.as_deref())
    )]
    Poisoned {
        /// The file or directory that was to be written or synced first; `None` if that is not
        /// known.
        path: Option<PathBuf>,
        /// What was wrong.
        source: io::Error,
    },

    /// The handle was made by another process, of which this one is a fork. It belongs to that
    /// process, and is refused here in every call. A log that this process opens itself works as
    /// usual, but not the one that the other process has open: that is
    /// [`Locked`](Error::Locked).
    #[error("the log was opened before this process was forked: open it again here")]
    Forked,

    /// A sync failed, and the handle is poisoned. The messages that the sync was to cover may or
    /// may not survive a crash.
    #[error("{}: sync failed, messages not yet synced may or may not survive: {source}", path.display())]
    SyncFailed {
        /// The file or directory that could not be synced.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },

    /// The bytes on disk are not the bytes that were written.
    #[error("{}: corrupt at position {position}{}: {kind}", path.display(), offset_text(*offset))]
    Corrupt {
        /// The damaged or missing file.
        path: PathBuf,
        /// The position in the file, in bytes; 0 if the damage has no position.
        position: u64,
        /// The offset of the damaged message, if it is known.
        offset: Option<u64>,
        /// The kind of damage.
        kind: Corruption,
    },

    /// The files have a format version that this version of the crate does not know. Nothing was
    /// changed.
    #[error("{}: this version of duramen does not read format version {version}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The format version in the file.
        version: u16,
    },

    /// There is no log to open: the directory is missing and
    /// [`Options::create_dirs`](crate::Options::create_dirs) is off, or the directory holds no log
    /// and is opened for reading only.
    #[error("{}: there is no log here", path.display())]
    NoLog {
        /// The directory.
        path: PathBuf,
    },

    /// A backup, restore or [import](crate::Import) to this directory was interrupted. What is here
    /// is no log, neither for reading nor for [`recover`](crate::recover), until the same backup or
    /// restore, or an import, is run again. Nothing was changed.
    #[error(
        "{}: a backup, restore or import to this directory was interrupted; run it again to finish it", path.display())]
    Unfinished {
        /// The directory.
        path: PathBuf,
    },

    /// The handle is open for reading only.
    #[error("the log was opened for reading only")]
    ReadOnly,

    /// A codec cannot encode a key or value. Nothing was written.
    #[error("the {part} of message {index} of the batch cannot be encoded: {source}")]
    Encode {
        /// The message's position in the batch, counted from 0.
        index: usize,
        /// The part that cannot be encoded.
        part: MessagePart,
        /// The codec's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A codec cannot decode a key or value: the message was encoded in another form. The error
    /// holds the message.
    #[error(transparent)]
    Decode(Box<DecodeError>),

    /// The handler of a [`Consumer`](crate::Consumer) has failed, and is not tried again.
    #[error("{}the handler failed: {source}", handler_text(*offset, *attempts))]
    Handler {
        /// The offset of the message that it was at, if it was at one.
        offset: Option<u64>,
        /// How often it was given the message.
        attempts: u32,
        /// The handler's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// An option or argument is not allowed.
    #[error("{0}")]
    Invalid(&'static str),

    /// The write may have happened, or will: it is not known yet, or not done yet. Each call says
    /// what that means for it.
    #[error("it is not known whether this was written: {source}")]
    Unconfirmed {
        /// Why.
        source: Box<Error>,
    },

    /// The store has no stream of this name.
    #[error("there is no stream {name:?}")]
    NoStream {
        /// The name.
        name: Box<str>,
    },

    /// The store has a stream of this name already.
    #[error("there is a stream {name:?} already")]
    StreamExists {
        /// The name.
        name: Box<str>,
    },

    /// The stream was deleted, and is being removed.
    #[error("the stream {name:?} is being deleted")]
    StreamDeleting {
        /// The name.
        name: Box<str>,
    },

    /// The partition is paused. Publishing to it, and
    /// [`Stream::resume`](crate::store::Stream::resume), resume it.
    #[error("partition {partition} of the stream {name:?} is paused")]
    Paused {
        /// The name of the stream.
        name: Box<str>,
        /// The partition.
        partition: u32,
    },

    /// The lease is over: the message was given to somebody else, or its partition was, or it is
    /// being buried. What the one who is late says about it does not count.
    #[error("the lease of the message at offset {offset} is over, and somebody else has it")]
    LeaseLost {
        /// The offset of the message.
        offset: u64,
    },

    /// A [`Producer`](crate::Producer) has no room for the message now: as much is in flight as it
    /// allows. Nothing was sent. Try again later, or call
    /// [`send`](crate::Producer::send), which waits.
    #[error("the producer has no room for the message")]
    QueueFull,

    /// A batch of a [`Producer`](crate::Producer) could not be published, and with it has failed
    /// everything that was sent behind it. The producer sends nothing more.
    #[error("{}: {source}", batch_text(*is_behind))]
    ProducerFailed {
        /// Whether the message was sent behind the batch that failed. Then it was certainly not
        /// written. `false` for a message of that batch itself: `source` says what became of it.
        is_behind: bool,
        /// Why the batch failed. All that failed with it have the same error.
        source: Arc<Error>,
    },

    /// This kind of log cannot do what the call asks for. Nothing was done.
    #[error("this log does not support {0}")]
    NotSupported(&'static str),

    /// The file system, or the operating system, lacks something that the log needs to keep its
    /// guarantees. Where logs are not kept in files at all, each call that opens a directory fails
    /// with this.
    #[error("{}: {what}", path.display())]
    Unsupported {
        /// The directory, or the file in it that could not be locked.
        path: PathBuf,
        /// The missing support.
        what: &'static str,
    },

    /// The server that keeps the log refused, or could not be reached. A write that may have
    /// happened all the same is [`Unconfirmed`](Error::Unconfirmed).
    #[error("cannot {operation} on the server: {source}")]
    Remote {
        /// The operation, such as "append".
        operation: &'static str,
        /// What the caller can do about it: what [`kind`](Error::kind) returns.
        kind: ErrorKind,
        /// The error of the server, or of the way to it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The operating system refused an operation. The log is as it was before the call.
    #[error("{}: cannot {operation}: {source}", path.display())]
    Io {
        /// The operation, such as "open".
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

impl Error {
    /// The error for a log that is poisoned, or is to be, without a file that the system refused.
    #[cold]
    pub(crate) fn poisoned(why: &'static str) -> Error {
        Error::Poisoned {
            path: None,
            source: io::Error::other(why),
        }
    }

    /// Whether the error is [`OffsetOutOfRange`](Error::OffsetOutOfRange) for an offset that was
    /// trimmed, as opposed to one that is not published yet.
    #[must_use]
    pub fn is_trimmed(&self) -> bool {
        matches!(self, Error::OffsetOutOfRange { offset, start, .. } if offset < start)
    }

    /// Whether the error is [`OffsetOutOfRange`](Error::OffsetOutOfRange) for an offset that is not
    /// published yet.
    pub(crate) fn is_beyond_end(&self) -> bool {
        matches!(self, Error::OffsetOutOfRange { offset, start, .. } if offset >= start)
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Error {
        Error::Decode(Box::new(error))
    }
}

#[cfg(test)]
mod tests;
