//! The standard output. It is buffered, and it is no error when its reader goes away.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

use duramen::{ControlRecord, Message};

use crate::failure::Failure;
use crate::format::Format;
use crate::streams::{self, Stdout, Waited};

/// The buffer is written when it holds this many bytes.
const BUFFER_LEN: usize = 64 << 10;

/// The destination of all data.
pub(crate) struct Output {
    buffer: Vec<u8>,
    /// Whether a signal ends the writing where the reader keeps it waiting.
    ends_by_signal: bool,
}

impl Output {
    pub(crate) fn stdout() -> Output {
        Output {
            buffer: Vec::new(),
            ends_by_signal: false,
        }
    }

    /// For a command that goes on until a signal ends it.
    pub(crate) fn until_signal() -> Output {
        Output {
            ends_by_signal: true,
            ..Output::stdout()
        }
    }

    pub(crate) fn message(&mut self, message: &Message, format: Format<'_>) -> Result<(), Failure> {
        format.write(&mut self.buffer, message).map_err(failure)?;
        self.flush_if_full()
    }

    pub(crate) fn control(&mut self, record: &ControlRecord, format: Format<'_>) -> Result<(), Failure> {
        format.write_control(&mut self.buffer, record).map_err(failure)?;
        self.flush_if_full()
    }

    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        writeln!(self.buffer, "{line}").map_err(failure)?;
        self.flush_if_full()
    }

    /// Writes `value` as JSON on one line.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.buffer, value).map_err(|error| failure(error.into()))?;
        self.bytes(b"\n")
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.buffer.extend_from_slice(bytes);
        self.flush_if_full()
    }

    /// The writer itself, for callers that format their own output.
    pub(crate) fn writer(&mut self) -> &mut dyn Write {
        self
    }

    fn flush_if_full(&mut self) -> Result<(), Failure> {
        if self.buffer.len() < BUFFER_LEN {
            return Ok(());
        }
        self.flush()
    }

    /// Passes all buffered bytes to the operating system. Call this at the end, because dropping
    /// the buffer would lose them.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        if self.ends_by_signal {
            if streams::write_until_signal(&self.buffer).map_err(failure)? == Waited::Interrupted {
                return Err(Failure::Interrupted);
            }
        } else {
            Stdout.write_all(&self.buffer).map_err(failure)?;
        }
        self.buffer.clear();
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_LEN {
            Stdout.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Stdout.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
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
