use super::producers::{ProducerBatch, Producers};
use super::state::ControlState;
use crate::log::{Admission, Stamp, stamped};
use crate::{Ack, Control, Error, NewMessage, PublishOptions, Result, Timestamp, Token};

/// Decides what is published to a log. Under the lock of the log's writer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    admission: Admission,
    pub(crate) state: ControlState,
    pub(crate) producers: Producers,
    /// One past the last record that has changed the token or the seal, as far as this handle
    /// knows.
    changed_at: u64,
    /// The token that the log had when it was opened, and the fences since that may not be durable
    /// yet, each with the offset behind it.
    tokens: Vec<(u64, Token)>,
    /// Whether every publish has to be looked at, and not only those with options of their own.
    is_watchful: bool,
    /// Whether a publish without a token is refused.
    needs_token: bool,
}

/// A batch that was written, for the guard to take note of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noted {
    pub(crate) first: u64,
    /// How many records are messages.
    pub(crate) messages: u32,
    /// The times of its first and of its last record, and the latest.
    pub(crate) times: (i64, i64),
    pub(crate) time_max: i64,
}

impl Guard {
    /// The guard of a log in this state, which ends at `next_offset`.
    pub(crate) fn new(
        admission: Admission,
        state: ControlState,
        producers: Producers,
        next_offset: u64,
    ) -> Guard {
        let state = ControlState {
            has_producers: state.has_producers || !producers.is_empty(),
            // No record trims beyond itself.
            trim_to: state.trim_to.min(next_offset),
            ..state
        };
        let mut guard = Guard {
            admission,
            state,
            producers,
            changed_at: next_offset,
            tokens: vec![(0, state.token)],
            is_watchful: false,
            needs_token: false,
        };
        guard.look();
        guard
    }

    fn look(&mut self) {
        self.is_watchful = self.state.is_sealed || !self.keeps_times();
        self.needs_token = self.admission.require_token && !self.state.token.is_empty();
    }

    /// Whether every publish has to be [admitted](Guard::admit), and its records
    /// [stamped](Guard::stamp), or at least one that has no right token.
    #[inline]
    pub(crate) fn is_concerned(&self, how: &PublishOptions<'_>) -> bool {
        let has_no_right = match &how.token {
            Some(token) => *token != self.state.token,
            None => self.needs_token,
        };
        self.is_watchful || how.is_special || has_no_right
    }

    /// An answer that the token or the seal is the reason for holds once everything below this
    /// offset is on stable storage.
    pub(crate) fn changed_at(&self) -> u64 {
        self.changed_at
    }

    /// The token by the fences that lie in front of the offset `durable`. Forgets those that are no
    /// longer needed to tell.
    pub(crate) fn token_at(&mut self, durable: u64) -> Token {
        let known = self.tokens.partition_point(|(end, _)| *end <= durable);
        self.tokens.drain(..known.saturating_sub(1));
        self.tokens.first().map_or(Token::EMPTY, |(_, token)| *token)
    }

    /// One past the batch that has sealed the log; `u64::MAX` if it is not sealed.
    pub(crate) fn sealed_at(&self) -> u64 {
        if self.state.is_sealed {
            self.changed_at
        } else {
            u64::MAX
        }
    }

    /// Checks the conditions of a publish in the order of
    /// [`PublishOptions`]. Returns the ack of a batch that was
    /// published before. `last_of_key` finds the last message with a key.
    pub(crate) fn admit(
        &self,
        how: &PublishOptions<'_>,
        next_offset: u64,
        is_empty: bool,
        last_of_key: impl FnOnce(&[u8]) -> Result<Option<u64>>,
    ) -> Result<Option<Ack>> {
        if self.state.is_sealed {
            return Err(Error::Sealed);
        }
        self.check_token(how)?;
        check_offset(how, next_offset)?;
        if let Some((key, expected)) = how.expect_key {
            let actual = last_of_key(key)?;
            if actual != expected {
                return Err(Error::KeyMismatch { expected, actual });
            }
        }
        if is_empty {
            return Ok(None);
        }
        self.published(how, next_offset)
    }

    /// Whether the batch may be one that its producer has [published](Guard::published) before.
    #[inline]
    pub(crate) fn may_repeat(&self, how: &PublishOptions<'_>) -> bool {
        how.producer
            .is_some_and(|(id, sequence)| !self.producers.is_new(id, sequence))
    }

    /// The ack of a producer's batch that was published before.
    pub(crate) fn published(&self, how: &PublishOptions<'_>, next_offset: u64) -> Result<Option<Ack>> {
        match how.producer {
            Some((id, sequence)) => self
                .producers
                .answer(id, sequence, self.state.end_at(next_offset)),
            None => Ok(None),
        }
    }

    fn check_token(&self, how: &PublishOptions<'_>) -> Result<()> {
        let actual = self.state.token;
        let expected = match how.token {
            Some(token) => token,
            // Anybody may fence the others off.
            None if self.needs_token && !how.fences() => Token::EMPTY,
            None => return Ok(()),
        };
        if expected == actual {
            return Ok(());
        }
        Err(Error::Fenced {
            expected: Box::new(expected),
            actual: Box::new(actual),
        })
    }

    /// Whether messages keep the times that they come with, or get the clock's.
    pub(crate) fn keeps_times(&self) -> bool {
        self.admission.timestamps.is_as_given()
    }

    /// The records of a batch, messages first, with the times that they get. No time stands for
    /// `now`.
    pub(crate) fn stamp<'a>(
        &self,
        messages: &[NewMessage<'a>],
        controls: &[NewMessage<'a>],
        now: Timestamp,
    ) -> Result<Vec<NewMessage<'a>>> {
        let stamp = Stamp {
            policy: self.admission.timestamps,
            now,
            max: Timestamp::from_micros(self.state.time_max),
        };
        stamped(messages, controls, stamp)
    }

    /// Takes note of a batch of messages.
    #[inline]
    pub(crate) fn note_times(&mut self, last: i64, max: i64) {
        self.state.last_time = last;
        self.state.time_max = self.state.time_max.max(max);
    }

    /// Takes note of a batch that was admitted.
    pub(crate) fn note(&mut self, batch: &Noted, controls: &[Control], producer: Option<(u64, u64)>) {
        self.note_times(batch.times.1, batch.time_max);
        let mut offset = batch.first + u64::from(batch.messages);
        for control in controls {
            self.state.note_control(offset, *control);
            offset += 1;
            if let Control::Fence(token) = control {
                self.tokens.push((offset, *token));
            }
        }
        // The end of the batch, and not of the record: nothing is visible or durable in between.
        if controls
            .iter()
            .any(|control| !matches!(control, Control::Trim(_)))
        {
            self.changed_at = offset;
        }
        if let Some(producer) = producer {
            self.note_produced(producer, batch.first, offset, batch.times);
        }
        self.look();
    }

    /// Takes over what another handle has published, up to the offset `end`.
    pub(crate) fn learn(&mut self, state: ControlState, end: u64) {
        *self = Guard::new(self.admission, state, Producers::default(), end);
    }

    /// Takes note of a producer's batch, by the offsets it begins and ends at, and its first and
    /// last time.
    pub(crate) fn note_produced(
        &mut self,
        (id, sequence): (u64, u64),
        first: u64,
        end: u64,
        times: (i64, i64),
    ) {
        self.state.has_producers = true;
        self.producers.note(ProducerBatch {
            id,
            sequence,
            first,
            #[expect(clippy::cast_possible_truncation, reason = "a batch plan counts them")]
            count: (end - first) as u32,
            times,
        });
    }
}

/// Checks the offset that a publisher expects.
#[inline]
pub(crate) fn check_offset(how: &PublishOptions<'_>, actual: u64) -> Result<()> {
    match how.expected_next_offset() {
        Some(expected) if expected != actual => Err(Error::OffsetMismatch { expected, actual }),
        _ => Ok(()),
    }
}
