use super::Error;
use crate::types::ErrorKind;

impl Error {
    /// What the caller can do about the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::NotFound | Error::NoLog { .. } | Error::NoStream { .. } => ErrorKind::Absent,
            Error::OffsetOutOfRange { .. }
            | Error::TooLarge { .. }
            | Error::NoIndex { .. }
            | Error::ReadOnly
            | Error::Unsupported { .. }
            | Error::Encode { .. }
            | Error::TimeRequired { .. }
            | Error::NotSupported(_)
            | Error::Invalid(_) => ErrorKind::Usage,
            Error::OffsetMismatch { .. }
            | Error::Fenced { .. }
            | Error::Sealed
            | Error::StreamExists { .. }
            | Error::StreamDeleting { .. }
            | Error::Paused { .. }
            | Error::KeyMismatch { .. }
            | Error::CursorMismatch { .. }
            | Error::CursorBehind { .. }
            | Error::OutOfSequence { .. }
            | Error::Locked { .. }
            | Error::LeaseLost { .. }
            | Error::EpochChanged { .. } => ErrorKind::Conflict,
            Error::Io { .. } | Error::QueueFull => ErrorKind::NotWritten,
            Error::ProducerFailed {
                is_behind: false,
                source,
            } => source.kind(),
            Error::SyncFailed { .. } | Error::Unconfirmed { .. } => ErrorKind::Unknown,
            Error::Closed
            | Error::CursorClosed
            | Error::Poisoned { .. }
            | Error::Forked
            | Error::ProducerFailed { .. } => ErrorKind::Unusable,
            Error::Decode(_) => ErrorKind::Undecodable,
            Error::Handler { .. } => ErrorKind::Handler,
            Error::Unfinished { .. } => ErrorKind::Unfinished,
            Error::Remote { kind, .. } => *kind,
            Error::Corrupt { .. } | Error::Version { .. } => ErrorKind::Corrupt,
        }
    }
}
