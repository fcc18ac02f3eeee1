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

use crate::signals;

/// POSIX: a write of at most this many bytes to a pipe is atomic.
const PIPE_BUF: usize = 4096;

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
    /// A signal has come, and nothing else.
    Interrupted,
}

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// So many bytes; 0 at the end.
    Bytes(usize),
    /// Nothing came by the deadline.
    Nothing,
    /// A signal has come. Nothing more is read.
    Signal,
}

/// Waits until bytes can be read or the input has ended, and reads them into `block`. Without a
/// deadline it waits for ever; with one in the past, it takes what is there.
pub(crate) fn read(input: BorrowedFd<'_>, block: &mut [u8], deadline: Option<Instant>) -> Result<Got, Errno> {
    loop {
        let waited = wait(Some(input), PollFlags::IN, deadline)?;
        if signals::came() {
            return Ok(Got::Signal);
        }
        match waited {
            Waited::Ready => {}
            Waited::Late => return Ok(Got::Nothing),
            Waited::Interrupted => return Ok(Got::Signal),
        }
        match rustix::io::read(input, &mut *block) {
            // Another process that reads the same stream may have been faster.
            Err(Errno::AGAIN | Errno::INTR) => {}
            read => return read.map(Got::Bytes),
        }
    }
}

/// Waits for so long, or until a signal comes.
pub(crate) fn sleep(time: Duration) {
    // If the system cannot wait, there is nothing to wait with.
    let _ = wait(None, PollFlags::empty(), Some(Instant::now() + time));
}

/// Waits until `stream` is ready for `events`, or has failed, which the next call on it tells.
/// Signals end the waiting if they are caught.
fn wait(
    stream: Option<BorrowedFd<'_>>,
    events: PollFlags,
    deadline: Option<Instant>,
) -> Result<Waited, Errno> {
    let wanted = stream.map(|stream| PollFd::from_borrowed_fd(stream, events));
    let wake = signals::wake().map(|wake| PollFd::from_borrowed_fd(wake, PollFlags::IN));
    let mut all: Vec<PollFd<'_>> = wanted.into_iter().chain(wake).collect();
    if poll_until(&mut all, deadline)? == 0 {
        return Ok(Waited::Late);
    }
    let is_ready = stream.is_some() && all.first().is_some_and(|first| !first.revents().is_empty());
    Ok(if is_ready {
        Waited::Ready
    } else {
        Waited::Interrupted
    })
}

/// As `poll(2)`, with a deadline, and going on after signals.
fn poll_until(all: &mut [PollFd<'_>], deadline: Option<Instant>) -> Result<usize, Errno> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // A time that cannot be expressed is as good as none.
        let limit = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(all, limit.as_ref()) {
            Err(Errno::INTR) => {}
            polled => return polled,
        }
    }
}

/// Writes a part of `bytes`, and waits until the stream takes one.
fn write(stream: BorrowedFd<'_>, bytes: &[u8], deadline: Option<Instant>) -> io::Result<usize> {
    loop {
        match rustix::io::write(stream, bytes) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                // Whatever signal comes.
                let mut room = [PollFd::from_borrowed_fd(stream, PollFlags::OUT)];
                if poll_until(&mut room, deadline)? == 0 {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            written => return Ok(written?),
        }
    }
}

/// Writes all of `bytes`, unless a signal comes while the standard output takes no more. Lines that
/// fit into `PIPE_BUF` are written whole or not at all.
pub(crate) fn write_until_signal(mut bytes: &[u8]) -> io::Result<Waited> {
    let stdout = io::stdout();
    while !bytes.is_empty() {
        if wait(Some(stdout.as_fd()), PollFlags::OUT, None)? == Waited::Interrupted {
            return Ok(Waited::Interrupted);
        }
        // A pipe that is ready takes this much at once, whether it blocks or not.
        let head = bytes.get(..PIPE_BUF).unwrap_or(bytes);
        let end = head.iter().rposition(|byte| *byte == b'\n');
        let head = end.and_then(|end| head.get(..=end)).unwrap_or(head);
        match rustix::io::write(&stdout, head) {
            Ok(len) => bytes = bytes.get(len..).unwrap_or_default(),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Waited::Ready)
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
