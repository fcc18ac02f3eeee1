use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::outcome::Outcome;
use crate::sys::Process;
use crate::{Ack, Error, Result, Watch};

/// What becomes of a batch.
pub(super) type Sent = Outcome<Result<Ack, Failure>>;

/// Why a batch was not published.
#[derive(Clone)]
pub(super) struct Failure {
    pub(super) source: Arc<Error>,
    /// Whether it is a batch in front of this one that failed.
    pub(super) is_behind: bool,
}

impl From<Failure> for Error {
    fn from(Failure { source, is_behind }: Failure) -> Error {
        Error::ProducerFailed { is_behind, source }
    }
}

/// The promise of a [`Producer`](crate::Producer) to say where a message was published.
///
/// Wait for it with [`wait`](Ticket::wait), or `.await` it in any async runtime. Tickets are
/// resolved in the order in which their messages were sent. One that is dropped takes nothing back.
///
/// The result is the offset of the message, and the [`Ack`] of its batch. How long it takes depends
/// on the producer's [`linger`](crate::ProducerOptions::linger), and what it says on its
/// [`AckMode`](crate::AckMode).
///
/// # Errors
///
/// - [`ProducerFailed`](Error::ProducerFailed): the message's batch could not be published, or one
///   in front of it, which `is_behind` tells apart.
/// - [`Forked`](Error::Forked) in a fork of the process that has the producer.
pub struct Ticket {
    /// The message's batch, and its place in it. `None` if nobody is to know.
    batch: Option<(Arc<Sent>, usize)>,
    process: Process,
    /// The task that waits.
    watch: Option<Watch>,
}

impl Ticket {
    /// The offset in the result of a ticket that was resolved before the message had one: see
    /// [`AckMode::None`](crate::AckMode::None). No message has this offset.
    pub const OFFSET_UNKNOWN: u64 = u64::MAX;

    pub(super) fn new(batch: Option<(Arc<Sent>, usize)>, process: Process) -> Ticket {
        Ticket {
            batch,
            process,
            watch: None,
        }
    }

    /// Waits until the ticket is resolved.
    ///
    /// # Errors
    ///
    /// See [`Ticket`].
    pub fn wait(self) -> Result<(u64, Ack)> {
        let resolved = self.resolved(|batch| batch.wait(None))?;
        resolved.ok_or(Error::Invalid("a wait without an end has ended"))
    }

    /// As [`wait`](Ticket::wait), but no longer than `timeout`: `None` if it has passed. With
    /// [`Duration::ZERO`] this only looks.
    ///
    /// # Errors
    ///
    /// See [`Ticket`].
    pub fn wait_timeout(&self, timeout: Duration) -> Result<Option<(u64, Ack)>> {
        // A deadline that cannot be represented is none.
        let deadline = Instant::now().checked_add(timeout);
        self.resolved(|batch| batch.wait(deadline))
    }

    fn resolved(
        &self,
        find: impl FnOnce(&Sent) -> Option<Result<Ack, Failure>>,
    ) -> Result<Option<(u64, Ack)>> {
        // In a fork, a thread of its parent may have held the lock that this takes.
        if !self.process.is_current() {
            return Err(Error::Forked);
        }
        let Some((batch, index)) = &self.batch else {
            return Ok(Some((Ticket::OFFSET_UNKNOWN, Ack::default())));
        };
        match find(batch) {
            Some(Ok(ack)) => Ok(Some((ack.start.offset + *index as u64, ack))),
            Some(Err(failure)) => Err(failure.into()),
            None => Ok(None),
        }
    }
}

impl Future for Ticket {
    type Output = Result<(u64, Ack)>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(u64, Ack)>> {
        let watch = self.watch.take().unwrap_or_default();
        let resolved = self.resolved(|batch| match batch.poll(&watch, context) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        });
        self.watch = Some(watch);
        match resolved.transpose() {
            Some(resolved) => Poll::Ready(resolved),
            None => Poll::Pending,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let (Some(watch), Some((batch, _))) = (&self.watch, &self.batch)
            && self.process.is_current()
        {
            batch.forget(watch);
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").finish_non_exhaustive()
    }
}
