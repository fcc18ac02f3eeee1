use std::fmt;
use std::task::{Context, Poll};

use super::BlockingLog;
use crate::{Error, Log, Watch};

/// How many messages a stream returns in a row before it lets other tasks run.
const TURN: u32 = 256;

/// A reader that waits at the end of a log.
pub(crate) trait Tailing {
    type Log: Log;
    type Next;

    fn log(&self) -> &BlockingLog<Self::Log>;

    /// What comes next; `None` if it has to wait.
    fn poll(&mut self) -> Option<Self::Next>;

    /// What comes next where it cannot wait.
    fn fail(&mut self, error: Error) -> Self::Next;
}

/// Polls a reader for a task, and has the task woken.
pub(crate) struct Turns<R: Tailing> {
    pub(crate) reader: R,
    watch: Watch,
    /// Messages returned since other tasks could run.
    in_a_row: u32,
}

impl<R: Tailing> Turns<R> {
    pub(crate) fn of(reader: R) -> Turns<R> {
        Turns {
            reader,
            watch: Watch::new(),
            in_a_row: 0,
        }
    }

    pub(crate) fn poll(&mut self, context: &Context<'_>) -> Poll<R::Next> {
        if self.in_a_row == TURN {
            self.in_a_row = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = match self.reader.poll() {
            Some(next) => Poll::Ready(next),
            None => self.wait(context),
        };
        self.in_a_row = if polled.is_ready() { self.in_a_row + 1 } else { 0 };
        polled
    }

    fn wait(&mut self, context: &Context<'_>) -> Poll<R::Next> {
        let log = self.reader.log().clone();
        match log.changes() {
            Some(changes) => changes.poll_until(&self.watch, context, || self.reader.poll()),
            None => Poll::Ready(self.reader.fail(Error::Invalid(
                "a stream cannot wait for a log that does not announce its changes",
            ))),
        }
    }
}

impl<R: Tailing> Drop for Turns<R> {
    fn drop(&mut self) {
        let log = self.reader.log();
        // In a fork, a thread of its parent may have held the lock that this takes.
        let is_forked = matches!(log.next_offset(), Err(Error::Forked));
        if let Some(changes) = log.changes().filter(|_| !is_forked) {
            changes.forget(&self.watch);
        }
    }
}

impl<R: Tailing + fmt::Debug> fmt::Debug for Turns<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reader.fmt(f)
    }
}
