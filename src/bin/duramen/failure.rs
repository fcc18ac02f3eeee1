//! Why a command failed, what it says about it, and the exit code.

use std::error::Error as _;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use duramen::Error;

/// Why a command did not do all it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Log(#[from] Error),

    /// A line of the input is not a message.
    #[error("line {number}: {reason}")]
    Line { number: u64, reason: String },

    #[error("cannot {operation}")]
    Io {
        operation: &'static str,
        source: io::Error,
    },

    /// The arguments are well-formed, but make no sense together.
    #[error("{0}")]
    Usage(String),

    /// A benchmark read back something else than it had written.
    #[error("{0}")]
    Mismatch(String),

    /// Corruption was found, and has been told on the standard output already.
    #[error("corruption found")]
    CorruptionTold,

    /// Whoever read the standard output has had enough (`duramen consume .. | head`): nothing is wrong.
    #[error("the standard output was closed")]
    OutputClosed,
}

impl Failure {
    /// Tells the failure on the standard error and turns it into the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if !matches!(self, Failure::CorruptionTold | Failure::OutputClosed) {
            let mut text = format!("duramen: {self}");
            let mut cause = self.source();
            while let Some(error) = cause {
                text.push_str(": ");
                text.push_str(&error.to_string());
                cause = error.source();
            }
            tell(text);
            if let Some(hint) = self.hint() {
                tell(format_args!("duramen: {hint}"));
            }
        }
        ExitCode::from(self.exit_code())
    }

    fn exit_code(&self) -> u8 {
        match self {
            Failure::OutputClosed => 0,
            Failure::Usage(_) | Failure::Log(Error::Invalid(_)) => 2,
            Failure::CorruptionTold | Failure::Log(Error::Corrupt { .. }) => 3,
            _ => 1,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Failure::Log(Error::NoIndex) => {
                Some("`duramen publish DIR --key-index --time-index </dev/null` adds indexes to a log")
            }
            Failure::Log(Error::Locked { .. }) => {
                Some("a log is open for publishing once, or for reading any number of times")
            }
            _ => None,
        }
    }
}

/// Says something to the person at the terminal. That nobody can hear it, which `eprintln!` would panic about, is no
/// failure of the work.
pub(crate) fn tell(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
