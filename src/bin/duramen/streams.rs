//! The standard streams, read and written whether they block or not.
//!
//! Whoever starts the tool may have made its streams non-blocking, because a stream is shared with
//! the process at its other end, or at this one. A read or write that would block then waits with
//! `poll(2)` and goes on.

use std::fmt::Display;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How long a message to the user waits for a standard error that takes no more, if that is
/// non-blocking. Work goes on without the message then.
const TELL_MAX: Duration = Duration::from_secs(2);

/// What came of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// A read or write gets on, or fails.
    Ready,
    /// The deadline has passed.
    Late,
}

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// So many bytes; 0 at the end.
    Bytes(usize),
    /// Nothing came by the deadline.
    Nothing,
}

/// Waits until bytes can be read or the input has ended, and reads them into `block`. Without a
/// deadline it waits for ever; with one in the past, it takes what is there.
pub(crate) fn read(input: BorrowedFd<'_>, block: &mut [u8], deadline: Option<Instant>) -> Result<Got, Errno> {
    loop {
        match wait(input, PollFlags::IN, deadline)? {
            Waited::Ready => {}
            Waited::Late => return Ok(Got::Nothing),
        }
        match rustix::io::read(input, &mut *block) {
            // Another process that reads the same stream may have been faster.
            Err(Errno::AGAIN | Errno::INTR) => {}
            read => return read.map(Got::Bytes),
        }
    }
}

/// Waits until `stream` is ready for `events`, or has failed, which the next call on it tells.
fn wait(stream: BorrowedFd<'_>, events: PollFlags, deadline: Option<Instant>) -> Result<Waited, Errno> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // A time that cannot be expressed is as good as none.
        let limit = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::from_borrowed_fd(stream, events)], limit.as_ref()) {
            Ok(0) => return Ok(Waited::Late),
            Ok(_) => return Ok(Waited::Ready),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes a part of `bytes`, and waits until the stream takes one.
fn write(stream: BorrowedFd<'_>, bytes: &[u8], deadline: Option<Instant>) -> io::Result<usize> {
    loop {
        match rustix::io::write(stream, bytes) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                if wait(stream, PollFlags::OUT, deadline)? == Waited::Late {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            written => return Ok(written?),
        }
    }
}

/// The standard output, without a buffer.
#[derive(Debug)]
pub(crate) struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write(io::stdout().as_fd(), bytes, None)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The standard error, without a buffer, up to a deadline.
struct Stderr(Instant);

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write(io::stderr().as_fd(), bytes, Some(self.0))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Prints a message to the user, on a line of its own. If the standard error is closed or takes no
/// more, the message is lost without a panic, unlike with `eprintln!`.
pub(crate) fn tell(text: impl Display) {
    let _ = Stderr(Instant::now() + TELL_MAX).write_all(format!("{text}\n").as_bytes());
}
