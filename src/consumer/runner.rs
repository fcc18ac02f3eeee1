use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::handler::{BoxError, Handler};
use super::settings::{Consumer, DeadLetters, OnTrimmed};
use crate::letter::{self, About};
use crate::{Cursor, Error, ErrorKind, LifeId, Log, Message, PublishOptions, Result, Start};

/// Why consuming has come to an end.
enum End {
    Stopped,
    /// Nothing more will come.
    Sealed,
    /// To be begun again where the handler says.
    Again,
    /// To be tried again after a while.
    Failed(Failure),
    /// Not to be tried again.
    Fatal(Error),
}

/// What has failed.
struct Failure {
    why: BoxError,
    /// The message that the handler was at.
    message: Option<Message>,
}

/// The failures since a message was last handled behind which nothing has failed.
#[derive(Default)]
struct Failures {
    in_a_row: u32,
    /// The messages that were tried in vain and that the handler has not passed yet. It may be
    /// given those in front of them again in between.
    tried: BTreeMap<u64, Tried>,
}

/// What has become of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tried {
    Times(u32),
    Buried,
}

type Step<T> = Result<T, End>;

impl<L: Log + 'static> Consumer<L> {
    /// Hands messages to the handler until it is stopped or the log is sealed and read.
    ///
    /// - The handler is asked where to go on. It is given the messages from there on that pass the
    ///   filter, in order, each with the next offset that it has said or stored last.
    /// - After an error or a panic of the handler this waits, by the [`Backoff`](crate::Backoff),
    ///   and asks it again. A success resets the backoff. So is an error of the log that may pass,
    ///   which is one of the kind [`NotWritten`](ErrorKind::NotWritten).
    /// - Stopping wins everywhere: at the end of the log, while waiting for a permit, and after an
    ///   error. A handler that is at a message finishes it.
    ///
    /// Each message is delivered at least once: a handler that fails after it has done something,
    /// or is killed before it has stored its offset, is given the message again.
    ///
    /// # Errors
    ///
    /// - [`Error::Handler`] when a message has reached its limit of attempts and there is nowhere
    ///   to bury it, or when [`Handler::idle`] fails while it stops;
    /// - [`Error::OffsetOutOfRange`] ([`is_trimmed`](Error::is_trimmed)) if the next message was
    ///   trimmed, with [`OnTrimmed::Fail`];
    /// - [`Error::Closed`], [`Error::Poisoned`], [`Error::Corrupt`] and what else reading the log
    ///   fails with;
    /// - an [`Error`] with which [`Handler::next_offset`], [`skipped`](Handler::skipped) or
    ///   [`idle`](Handler::idle) fails and which does not pass by itself, such as
    ///   [`Error::EpochChanged`] of a stored cursor. Of those that may, [`Error::CursorMismatch`]
    ///   and the kind `NotWritten` are tried again.
    pub fn run<H: Handler + ?Sized>(&self, handler: &mut H) -> Result<()> {
        let mut failures = Failures::default();
        loop {
            let failure = match self.consume(handler, &mut failures) {
                End::Stopped | End::Sealed => {
                    let idle = guarded(|| handler.idle());
                    return idle.map_err(|source| handler_failed(None, 0, source));
                }
                End::Fatal(error) => return Err(error),
                End::Again => continue,
                End::Failed(failure) => failure,
            };
            let attempts = failures.note(failure.message.as_ref());
            if let Some(message) = &failure.message
                && self.attempts_max.is_some_and(|max| attempts >= max)
            {
                let Some(dead) = &self.dead else {
                    return Err(handler_failed(Some(message.offset), attempts, failure.why));
                };
                dead.bury(&self.log, message, attempts, &failure.why)?;
                failures.is_buried(message.offset);
            } else if self.stopper.wait(self.delay(&failures)) {
                return Ok(());
            }
        }
    }

    fn delay(&self, failures: &Failures) -> Duration {
        self.backoff.delay(failures.in_a_row.saturating_sub(1))
    }

    fn consume<H: Handler + ?Sized>(&self, handler: &mut H, failures: &mut Failures) -> End {
        match self.consume_from_handler(handler, failures) {
            Ok(end) | Err(end) => end,
        }
    }

    fn consume_from_handler<H: Handler + ?Sized>(
        &self,
        handler: &mut H,
        failures: &mut Failures,
    ) -> Step<End> {
        if self.stopper.is_stopped() {
            return Ok(End::Stopped);
        }
        let mut expected = guarded(|| handler.next_offset()).map_err(failed)?;
        failures.has_passed(expected);
        let (mut cursor, skipped_to) = self.open(expected)?;
        let _woken = {
            let closer = cursor.closer();
            self.stopper.wake_by(move || drop(closer.close()))
        };
        if skipped_to > expected {
            expected = guarded(|| handler.skipped(expected, skipped_to)).map_err(failed)?;
        }
        loop {
            let Some(message) = self.next(handler, &mut cursor, &mut expected)? else {
                return Ok(End::Stopped);
            };
            if failures.was_buried(message.offset) {
                let next = message.offset + 1;
                expected = guarded(|| handler.skipped(expected, next)).map_err(failed)?;
                continue;
            }
            let permit = match &self.permits {
                Some(permits) => match permits.take(&self.stopper) {
                    None => return Ok(End::Stopped),
                    permit => permit,
                },
                None => None,
            };
            let done = guarded(|| handler.handle(expected, &message));
            drop(permit);
            if let Err(why) = done {
                let message = Some(message);
                return Err(End::Failed(Failure { why, message }));
            }
            failures.is_handled(message.offset);
            expected = message.offset + 1;
        }
    }

    /// A cursor where the handler wants to go on, or where it has to.
    fn open(&self, offset: u64) -> Step<(Cursor<L>, u64)> {
        let at = |offset| self.log.cursor(Start::At(offset), self.filter.clone());
        let opened = match at(offset) {
            Err(error) if error.is_trimmed() && self.on_trimmed == OnTrimmed::Skip => {
                self.log.cursor(Start::AtOrOldest(offset), self.filter.clone())
            }
            opened => opened,
        };
        let cursor = opened.map_err(of_log)?;
        let from = cursor.next_offset();
        Ok((cursor, from))
    }

    /// The next message; `None` once it is stopped.
    fn next<H: Handler + ?Sized>(
        &self,
        handler: &mut H,
        cursor: &mut Cursor<L>,
        expected: &mut u64,
    ) -> Step<Option<Message>> {
        let next = match cursor.next_timeout(Duration::ZERO) {
            Ok(None) => {
                if cursor.next_offset() > *expected {
                    let next = cursor.next_offset();
                    *expected = guarded(|| handler.skipped(*expected, next)).map_err(failed)?;
                }
                guarded(|| handler.idle()).map_err(failed)?;
                cursor.next().map(Some)
            }
            next => next,
        };
        match next {
            Err(Error::CursorClosed) => Ok(None),
            Err(Error::Sealed) => Err(End::Sealed),
            Err(error) if error.is_trimmed() && self.on_trimmed == OnTrimmed::Skip => Err(End::Again),
            next => next.map_err(of_log),
        }
    }
}

impl Failures {
    /// Notes a failure; returns how many attempts there were at the message.
    fn note(&mut self, message: Option<&Message>) -> u32 {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let Some(message) = message else {
            return 0;
        };
        let attempts = match self.tried.get(&message.offset) {
            Some(Tried::Times(attempts)) => attempts.saturating_add(1),
            _ => 1,
        };
        self.tried.insert(message.offset, Tried::Times(attempts));
        attempts
    }

    /// The handler goes on here.
    fn has_passed(&mut self, next_offset: u64) {
        self.tried = self.tried.split_off(&next_offset);
    }

    fn is_handled(&mut self, offset: u64) {
        self.tried.remove(&offset);
        let open = |tried: &Tried| matches!(tried, Tried::Times(_));
        if !self.tried.values().any(open) {
            self.in_a_row = 0;
        }
    }

    fn is_buried(&mut self, offset: u64) {
        self.in_a_row = 0;
        self.tried.insert(offset, Tried::Buried);
    }

    fn was_buried(&self, offset: u64) -> bool {
        self.tried.get(&offset) == Some(&Tried::Buried)
    }
}

impl DeadLetters {
    /// Publishes a message as a dead letter, if it is not there yet.
    fn bury(&self, from: &impl Log, message: &Message, attempts: u32, why: &BoxError) -> Result<()> {
        let life = from
            .position_at(message.offset)
            .map(|position| position.life)
            .ok();
        let next_offset = message.offset.saturating_add(1);
        let (offset, attempts) = (message.offset.to_string(), attempts.to_string());
        let reason = why.to_string();
        let about: [About<'_>; 4] = [
            (b"dead.consumer", self.consumer.as_bytes()),
            (b"dead.offset", offset.as_bytes()),
            (b"dead.attempts", attempts.as_bytes()),
            (b"dead.reason", reason.as_bytes()),
        ];
        let publish = |how| letter::publish(&*self.log, message, &about, how);
        // Sequences go up by offsets, because a consumer goes on in their order. Without a life,
        // the offset may be that of another log.
        let how = PublishOptions::new().sync(true);
        let once = life.map_or(how, |life| how.producer(self.producer(life), next_offset));
        match publish(&once) {
            // It has gone back further than the log knows what it has. Twice is better than never.
            Err(Error::OutOfSequence { .. }) => publish(&how).map(|_| ()),
            done => done.map(|_| ()),
        }
    }

    fn producer(&self, life: LifeId) -> u64 {
        xxh3_64(&[&life.to_bytes(), self.consumer.as_bytes()].concat())
    }
}

/// Calls the handler; a panic is an error.
fn guarded<T>(call: impl FnOnce() -> Result<T, BoxError>) -> Result<T, BoxError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| Err(panic_text(&*panic).into()))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!(
        "the handler has panicked: {}",
        text.unwrap_or("for no known reason")
    )
}

/// The end after an error of the handler that is about no message. One of this crate that does not
/// pass by itself, such as `EpochChanged` of a stored cursor, is for the caller to see.
fn failed(why: BoxError) -> End {
    match why.downcast::<Error>() {
        Ok(error) if !may_pass(&error) => End::Fatal(*error),
        Ok(error) => End::Failed(Failure {
            why: error,
            message: None,
        }),
        Err(why) => End::Failed(Failure { why, message: None }),
    }
}

fn may_pass(error: &Error) -> bool {
    let is_late = matches!(error, Error::CursorMismatch { .. } | Error::CursorBehind { .. });
    is_late || error.kind() == ErrorKind::NotWritten
}

/// The end after an error of the log.
fn of_log(error: Error) -> End {
    failed(Box::new(error))
}

fn handler_failed(offset: Option<u64>, attempts: u32, source: BoxError) -> Error {
    Error::Handler {
        offset,
        attempts,
        source,
    }
}
