//! L0: the one error type.

use std::io;
use std::path::PathBuf;

use crate::types::{DecodeError, MessagePart};

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed. [`kind`](Error::kind) says what the caller can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such message, or no message that answers the question.
    #[error("no such message")]
    NotFound,

    /// The offset is below the start offset (see [`is_trimmed`](Error::is_trimmed)) or beyond the end.
    #[error("offset {offset} is outside the log, which goes from {start} to {next}")]
    OffsetOutOfRange {
        /// The offset asked for.
        offset: u64,
        /// The log's start offset.
        start: u64,
        /// The log's next offset.
        next: u64,
    },

    /// The log's next offset is not the one the publisher expected; nothing was written.
    #[error("expected to publish at offset {expected}, but the next offset is {actual}")]
    OffsetMismatch {
        /// The offset given to [`PublishOptions::expect_next_offset`](crate::PublishOptions::expect_next_offset).
        expected: u64,
        /// The offset the next message would have got.
        actual: u64,
    },

    /// A message is larger than [`MESSAGE_SIZE_MAX`](crate::MESSAGE_SIZE_MAX), 64 MiB, or a batch
    /// larger than [`BATCH_SIZE_MAX`](crate::BATCH_SIZE_MAX), 1 GiB. Nothing was written.
    ///
    /// These limits are on the bytes of keys, values and headers. The form in which a log stores
    /// messages may have limits of its own: the file log refuses a message whose headers are
    /// mostly empty and number in the tens of millions.
    #[error("{} takes {size} bytes, but may take {limit} at most", too_large_text(*index))]
    TooLarge {
        /// The message's position in the batch, counted from 0; `None` if the batch as a whole is
        /// too large.
        index: Option<usize>,
        /// The size of the message or batch, in bytes.
        size: u64,
        /// The largest size allowed, in bytes.
        limit: u64,
    },

    /// The log was opened without the index that the call needs.
    #[error("the log was opened without the index that this call needs")]
    NoIndex,

    /// Another handle, of this process or another, has the log open.
    #[error("{}: the log is open elsewhere", path.display())]
    Locked {
        /// The log's directory.
        path: PathBuf,
    },

    /// The handle was closed.
    #[error("the log is closed")]
    Closed,

    /// An earlier write or sync on this handle failed, or the process forked; the handle no longer writes. Closing it
    /// tells what failed. Open the log again.
    #[error("an earlier write or sync failed: the handle refuses writes until the log is opened again")]
    Poisoned,

    /// A sync failed: what it was to cover may or may not survive. The handle is poisoned.
    #[error("{}: sync failed, messages not yet synced may or may not survive", path.display())]
    SyncFailed {
        /// The file or directory that was to be synced.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The bytes on disk are not what was written there.
    #[error("{}: corrupt at position {position}{}: {kind}", path.display(), offset_text(*offset))]
    Corrupt {
        /// The file, also where that is what is missing.
        path: PathBuf,
        /// Where in the file, in bytes; 0 where it is not about a place in it.
        position: u64,
        /// The offset of the message that is hit, where it is known.
        offset: Option<u64>,
        /// What is wrong.
        kind: Corruption,
    },

    /// The files were written by a version of this crate that this one does not know; nothing was changed.
    #[error("{}: format version {version} is not one that this version of duramen reads", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version found there.
        version: u16,
    },

    /// The directory does not exist and [`Options::create_dirs`](crate::Options::create_dirs) is off, or there is no
    /// log in it and it is opened for reading only.
    #[error("{}: there is no log here", path.display())]
    NoLog {
        /// The directory.
        path: PathBuf,
    },

    /// The handle was opened for reading only.
    #[error("the log was opened for reading only")]
    ReadOnly,

    /// A key or value cannot be encoded by its codec; nothing was written.
    #[error("the {part} of message {index} of the batch cannot be encoded")]
    Encode {
        /// The message's place in the batch, from 0.
        index: usize,
        /// What cannot be encoded.
        part: MessagePart,
        /// What the codec said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A key or value cannot be decoded by its codec: the message was written by another, or is not one for this
    /// reader. It is kept in the error.
    #[error(transparent)]
    Decode(Box<DecodeError>),

    /// An option or argument makes no sense.
    #[error("{0}")]
    Invalid(&'static str),

    /// The file system is of a kind on which the log could not keep its promises.
    #[error("{}: {what}", path.display())]
    Unsupported {
        /// The directory.
        path: PathBuf,
        /// What is not supported.
        what: &'static str,
    },

    /// The operating system refused an operation; the log is as it was before the call.
    #[error("{}: cannot {operation}", path.display())]
    Io {
        /// What was to be done, such as "open".
        operation: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What a caller can do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The answer is "there is none": carry on.
    Absent,
    /// The argument or option is wrong: mend the program.
    Usage,
    /// Somebody else was first, or has the log open: look again, then decide.
    Conflict,
    /// The system refused; nothing was written: try again when space, descriptors or permissions are there.
    NotWritten,
    /// A write was not confirmed: it may or may not survive. Open the log again and look.
    Unknown,
    /// The handle is of no more use: open the log again.
    Unusable,
    /// A message is not in the form that the codec reads: step past it, or read it raw.
    Undecodable,
    /// Stored bytes are wrong: run `check`, then `recover` or restore a backup.
    Corrupt,
}

/// What is wrong with stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Corruption {
    /// The file's first bytes are not those of such a file.
    #[error("not a file of a duramen log")]
    Magic,
    /// A file header's checksum or fields are wrong.
    #[error("the file header is damaged")]
    Header,
    /// A batch header's checksum or fields are wrong.
    #[error("a batch header is damaged")]
    Batch,
    /// A record's checksum or fields are wrong.
    #[error("a record is damaged")]
    Record,
    /// The file ends before what it should hold.
    #[error("the file is shorter than what was written to it")]
    Short,
    /// There is something where nothing was written.
    #[error("there are bytes where nothing was written")]
    Trailing,
    /// A segment file does not belong to this log, or not at this place in it.
    #[error("the segment does not fit into the log here")]
    Foreign,
    /// A segment that should be here is missing.
    #[error("a segment is missing")]
    Missing,
    /// An index disagrees with its segment, or its checksum is wrong.
    #[error("the index is damaged")]
    Index,
    /// The metadata is damaged: both copies where an open says so, the one in this file in a
    /// [`check`](crate::check)'s report.
    #[error("the metadata is damaged")]
    Meta,
}

impl Error {
    /// What the caller can do.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::NotFound | Error::NoLog { .. } => ErrorKind::Absent,
            Error::OffsetOutOfRange { .. }
            | Error::TooLarge { .. }
            | Error::NoIndex
            | Error::ReadOnly
            | Error::Unsupported { .. }
            | Error::Encode { .. }
            | Error::Invalid(_) => ErrorKind::Usage,
            Error::OffsetMismatch { .. } | Error::Locked { .. } => ErrorKind::Conflict,
            Error::Io { .. } => ErrorKind::NotWritten,
            Error::SyncFailed { .. } => ErrorKind::Unknown,
            Error::Closed | Error::Poisoned => ErrorKind::Unusable,
            Error::Decode(_) => ErrorKind::Undecodable,
            Error::Corrupt { .. } | Error::Version { .. } => ErrorKind::Corrupt,
        }
    }

    /// Whether the offset asked for was trimmed, as opposed to not yet published.
    #[must_use]
    pub fn is_trimmed(&self) -> bool {
        matches!(self, Error::OffsetOutOfRange { offset, start, .. } if offset < start)
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Error {
        Error::Decode(Box::new(error))
    }
}

fn too_large_text(index: Option<usize>) -> String {
    index.map_or_else(
        || "the batch".to_owned(),
        |index| format!("message {index} of the batch"),
    )
}

fn offset_text(offset: Option<u64>) -> String {
    offset.map_or_else(String::new, |offset| format!(" (offset {offset})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_small_and_can_cross_threads() {
        fn crosses<T: Send + Sync + 'static>() {}
        crosses::<Error>();
        assert!(size_of::<Error>() <= 64, "{}", size_of::<Error>());
    }

    #[test]
    fn too_large_says_what_is_too_large() {
        let error = |index| Error::TooLarge {
            index,
            size: 11,
            limit: 10,
        };
        assert_eq!(
            error(Some(3)).to_string(),
            "message 3 of the batch takes 11 bytes, but may take 10 at most"
        );
        assert_eq!(
            error(None).to_string(),
            "the batch takes 11 bytes, but may take 10 at most"
        );
    }

    #[test]
    fn trimmed_is_told_from_not_yet_published() {
        assert!(
            Error::OffsetOutOfRange {
                offset: 3,
                start: 4,
                next: 9
            }
            .is_trimmed()
        );
        assert!(
            !Error::OffsetOutOfRange {
                offset: 10,
                start: 4,
                next: 9
            }
            .is_trimmed()
        );
    }
}
