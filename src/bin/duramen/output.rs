//! The standard output. It is buffered, and it is no error when its reader goes away.

use std::fmt::Display;
use std::io::{self, BufWriter, Write};

use serde::Serialize;

use duramen::{ControlRecord, Message};

use crate::failure::Failure;
use crate::format::Format;
use crate::streams::Stdout;

/// The destination of all data.
pub(crate) struct Output {
    out: BufWriter<Stdout>,
}

impl Output {
    pub(crate) fn stdout() -> Output {
        Output {
            out: BufWriter::with_capacity(64 << 10, Stdout),
        }
    }

    pub(crate) fn message(&mut self, message: &Message, format: Format) -> Result<(), Failure> {
        format.write(&mut self.out, message).map_err(failure)
    }

    pub(crate) fn control(&mut self, record: &ControlRecord, format: Format) -> Result<(), Failure> {
        format.write_control(&mut self.out, record).map_err(failure)
    }

    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        writeln!(self.out, "{line}").map_err(failure)
    }

    /// Writes `value` as JSON on one line.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.out, value).map_err(|error| failure(error.into()))?;
        self.out.write_all(b"\n").map_err(failure)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).map_err(failure)
    }

    /// The writer itself, for callers that format their own output.
    pub(crate) fn writer(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Passes all buffered bytes to the operating system. Call this at the end, because dropping
    /// the buffer would hide a failure.
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
