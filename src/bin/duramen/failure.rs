//! Why a command failed, its error message, and the exit code.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use duramen::Error;

use crate::streams::tell;

/// Why a command did not complete.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Log(#[from] Error),

    /// The same, of a stream of a store.
    #[error(transparent)]
    Stream(Error),

    #[error("{}: there is no store here", dir.display())]
    NoStore { dir: PathBuf },

    #[error("{}: the store is open elsewhere", dir.display())]
    StoreLocked { dir: PathBuf },

    #[error("the stream {stream:?} has no work queue of a group {group:?}")]
    NoGroup { stream: String, group: String },

    /// Bytes of another program's log are damaged.
    #[error("{}: at position {position}: {what}", path.display())]
    Damaged {
        path: PathBuf,
        position: u64,
        what: &'static str,
    },

    /// The same, as a process that was killed leaves it.
    #[error("{}: at position {position}: {what}", path.display())]
    LeftByKill {
        path: PathBuf,
        position: u64,
        what: &'static str,
    },

    /// An index of klevdb says that other messages were written than those that are there.
    #[error("{}: at position {position}: {what}", path.display())]
    IndexDiffers {
        path: PathBuf,
        position: u64,
        what: &'static str,
    },

    #[error("{}: there is no log of klevdb here", dir.display())]
    NoKlevdb { dir: PathBuf },

    #[error("{}: the log of klevdb is open elsewhere for writing", dir.display())]
    KlevdbLocked { dir: PathBuf },

    #[error("{}: the log of klevdb has changed while it was read", dir.display())]
    KlevdbChanged { dir: PathBuf },

    #[error(
        "{}: at position {position}: the key and the value have {size} bytes, and more than 64 MiB cannot be imported",
        path.display()
    )]
    TooLargeToImport { path: PathBuf, position: u64, size: u64 },

    #[error("the log's next offset is {offset}, and klevdb has none of 2^63 or above")]
    EndNotHeld { offset: u64 },

    /// A log of klevdb cannot hold this.
    #[error("the log has {what} at offset {offset}, which klevdb cannot hold")]
    NotHeld { offset: u64, what: &'static str },

    /// A line of the input is not a message.
    #[error("line {number}: {reason}")]
    Line { number: u64, reason: String },

    #[error(
        "{program} is not installed: it comes with the package of that name (cargo install {program} --features cli)"
    )]
    Missing { program: &'static str },

    #[error("cannot {operation}: {source}")]
    Io {
        operation: &'static str,
        source: io::Error,
    },

    #[error("cannot {operation} {}: {source}", path.display())]
    Path {
        operation: &'static str,
        path: PathBuf,
        source: io::Error,
    },

    /// The arguments are well-formed but contradict each other.
    #[error("{0}")]
    Usage(String),

    /// The arguments are wrong, and the command has already said so.
    #[error("wrong usage")]
    UsageTold,

    /// A benchmark did not read back what it had written, or a producer did not publish again what
    /// it had published.
    #[error("{0}")]
    Mismatch(String),

    /// Corruption was found, and the command has already printed it on the standard output.
    #[error("corruption found")]
    CorruptionTold,

    /// The reader of the standard output has closed it (`duramen consume .. | head`), which is not
    /// an error.
    #[error("the standard output was closed")]
    OutputClosed,

    /// A signal has ended a command that goes on until then, which is not an error.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// The result of a call about this path.
    pub(crate) fn at<T>(operation: &'static str, path: &Path, done: io::Result<T>) -> Result<T, Failure> {
        done.map_err(|source| Failure::path(operation, path, source))
    }

    /// The failure of a call about this path.
    pub(crate) fn path(operation: &'static str, path: &Path, source: io::Error) -> Failure {
        Failure::Path {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    /// Another program's file is damaged.
    pub(crate) fn damaged(path: &Path, position: u64, what: &'static str) -> Failure {
        Failure::Damaged {
            path: path.to_owned(),
            position,
            what,
        }
    }

    /// Another program's file is as a process that was killed, or a power cut, leaves it.
    pub(crate) fn left_by_kill(path: &Path, position: u64, what: &'static str) -> Failure {
        Failure::LeftByKill {
            path: path.to_owned(),
            position,
            what,
        }
    }

    /// The failure of a command for a store.
    pub(crate) fn in_store(self) -> Failure {
        match self {
            Failure::Log(error) => Failure::Stream(error),
            other => other,
        }
    }

    /// The system does not let the process handle signals.
    pub(crate) fn of_signals(source: io::Error) -> Failure {
        Failure::Io {
            operation: "handle signals",
            source,
        }
    }

    /// Prints the failure on the standard error and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if !matches!(
            self,
            Failure::CorruptionTold | Failure::UsageTold | Failure::OutputClosed | Failure::Interrupted
        ) {
            tell(format_args!("duramen: {}", self.text()));
            if let Some(hint) = self.hint() {
                tell(format_args!("duramen: {hint}"));
            }
        }
        ExitCode::from(self.exit_code())
    }

    fn text(&self) -> String {
        match self {
            // What the library advises is nothing that can be typed here; the hint is.
            Failure::Log(Error::NoIndex {
                index,
                path: Some(path),
            })
            | Failure::Stream(Error::NoIndex {
                index,
                path: Some(path),
            }) => format!("{}: the log has no {index} index", path.display()),
            other => other.to_string(),
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Failure::OutputClosed | Failure::Interrupted => 0,
            Failure::Log(error) | Failure::Stream(error) => match error {
                Error::Invalid(_) => 2,
                Error::Corrupt { .. } => 3,
                Error::Unfinished { .. } => 4,
                _ => 1,
            },
            Failure::Usage(_) | Failure::UsageTold => 2,
            Failure::CorruptionTold
            | Failure::Damaged { .. }
            | Failure::LeftByKill { .. }
            | Failure::IndexDiffers { .. } => 3,
            _ => 1,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Failure::Log(Error::NoIndex { .. }) => {
                Some("`duramen publish DIR --key-index --time-index </dev/null` adds indexes to a log")
            }
            Failure::Log(Error::Locked { .. }) => {
                Some("one process at a time can write to a log; any number can read it meanwhile")
            }
            Failure::Log(Error::Sealed) => {
                Some("`duramen unseal DIR` opens a sealed log for publishing again")
            }
            Failure::NoStore { .. } => {
                Some("`duramen store DIR create NAME` makes a store, and a stream in it")
            }
            Failure::NoGroup { .. } => Some("`duramen queue DIR` prints the groups that there are"),
            Failure::StoreLocked { .. } => {
                Some("one process at a time can write to a store; any number can read it meanwhile")
            }
            Failure::LeftByKill { .. } => {
                Some("a kill of klevdb or a power cut leaves this; --recover takes the log without it")
            }
            Failure::IndexDiffers { .. } => Some(
                "messages were lost or changed, or the index is wrong; --ignore-indexes takes what is there",
            ),
            Failure::KlevdbLocked { .. } => Some("end the program that has it open, and try again"),
            Failure::NotHeld { .. } => Some("--lossy leaves out what klevdb cannot hold, and counts it"),
            Failure::Stream(error) => hint_in_store(error),
            _ => None,
        }
    }
}

fn hint_in_store(error: &Error) -> Option<&'static str> {
    match error {
        Error::NoStream { .. } => Some("`duramen store DIR list` prints the streams that there are"),
        Error::NoIndex { .. } => {
            Some("`duramen store DIR set NAME --key-index --time-index` adds indexes to a stream")
        }
        Error::Sealed => Some("`duramen store DIR unseal NAME` opens sealed partitions for publishing again"),
        Error::Paused { .. } => Some("`duramen store DIR resume NAME` lets it be read again"),
        _ => None,
    }
}
