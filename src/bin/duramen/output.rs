//! The standard output: exactly data, buffered, and quiet when its reader goes away.

use std::fmt::Display;
use std::io::{self, BufWriter, StdoutLock, Write};

use serde::Serialize;

use duramen::Message;

use crate::failure::Failure;
use crate::format::Format;

/// Where data goes.
pub(crate) struct Output {
    out: BufWriter<StdoutLock<'static>>,
}

impl Output {
    pub(crate) fn stdout() -> Output {
        Output {
            out: BufWriter::with_capacity(64 << 10, io::stdout().lock()),
        }
    }

    pub(crate) fn message(&mut self, message: &Message, format: Format) -> Result<(), Failure> {
        format.write(&mut self.out, message).map_err(failure)
    }

    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        writeln!(self.out, "{line}").map_err(failure)
    }

    /// `value` as JSON on a line of its own.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.out, value).map_err(|error| failure(error.into()))?;
        self.out.write_all(b"\n").map_err(failure)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).map_err(failure)
    }

    /// For those who write by themselves.
    pub(crate) fn writer(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Hands everything to the operating system. To be called at the end: dropping would hide a failure.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(failure)
    }
}

fn failure(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Failure::OutputClosed
    } else {
        Failure::Io {
            operation: "write to the standard output",
            source: error,
        }
    }
}
