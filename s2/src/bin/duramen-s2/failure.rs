//! Why a command failed, and its exit code.

use std::io;
use std::process::ExitCode;

use duramen::{Error, ErrorKind};

/// Why a command did not complete.
#[derive(Debug)]
pub(crate) enum Failure {
    Log(Error),
    /// A signal came before all was done.
    Interrupted,
    NoToken,
    Io(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Log(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Io(error)
    }
}

impl Failure {
    /// Says why on the standard error, and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        let (text, code) = match self {
            Failure::Log(error) => (error.to_string(), code(error)),
            Failure::Interrupted => ("interrupted; run it again to go on".to_owned(), 1),
            Failure::NoToken => ("set S2_ACCESS_TOKEN to an access token of S2".to_owned(), 2),
            Failure::Io(error) => (error.to_string(), 1),
        };
        eprintln!("duramen: {text}");
        ExitCode::from(code)
    }
}

fn code(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::Usage if matches!(error, Error::Invalid(_)) => 2,
        ErrorKind::Corrupt => 3,
        ErrorKind::Unfinished => 4,
        _ => 1,
    }
}
