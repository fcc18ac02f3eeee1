//! Why a command failed, its error message, and the exit code.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use duramen::Error;

/// Why a command did not complete.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Log(#[from] Error),

    /// A line of the input is not a message.
    #[error("line {number}: {reason}")]
    Line { number: u64, reason: String },

    #[error("cannot {operation}: {source}")]
    Io {
        operation: &'static str,
        source: io::Error,
    },

    /// The arguments are well-formed but contradict each other.
    #[error("{0}")]
    Usage(String),

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
}

impl Failure {
    /// Prints the failure on the standard error and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if !matches!(self, Failure::CorruptionTold | Failure::OutputClosed) {
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
            }) => format!("{}: the log has no {index} index", path.display()),
            other => other.to_string(),
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Failure::OutputClosed => 0,
            Failure::Usage(_) | Failure::Log(Error::Invalid(_)) => 2,
            Failure::CorruptionTold | Failure::Log(Error::Corrupt { .. }) => 3,
            Failure::Log(Error::Unfinished { .. }) => 4,
            _ => 1,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Failure::Log(Error::NoIndex { .. }) => {
                Some("`duramen publish DIR --key-index --time-index </dev/null` adds indexes to a log")
            }
            Failure::Log(Error::Locked { .. }) => {
                Some("only one process can have a log open for publishing, and none can read it meanwhile")
            }
            Failure::Log(Error::Sealed) => {
                Some("`duramen unseal DIR` opens a sealed log for publishing again")
            }
            _ => None,
        }
    }
}

/// Prints a message to the user. If the standard error is closed, the message is lost without a
/// panic, unlike with `eprintln!`.
pub(crate) fn tell(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
