//! What batches leave behind besides their messages: the token, the seal, the offset trimmed to, and what producers
//! have published. At any offset it is exactly what the batches in front of it make of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use duramen::{Control, Error, FileLog, Log, NewMessage, Place, PublishOptions, Start, Timestamp, Token};

use super::examine::Found;
use super::history::Expected;
use super::oracle::told;
use crate::verdict::{Verdict, ensure};

/// So many batches of each producer are known.
const BATCHES_MAX: usize = 64;

/// A batch that has control records, or comes from a producer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Mark {
    pub(crate) first: u64,
    pub(crate) end: u64,
    /// Its last records.
    pub(crate) controls: Vec<Control>,
    pub(crate) producer: Option<(u64, u64)>,
    /// Of its first and of its last record, if it comes from a producer.
    pub(crate) times: (i64, i64),
}

pub(crate) type Marks = Vec<Arc<Mark>>;

impl Mark {
    /// Where its control records are.
    pub(crate) fn control_offsets(&self) -> std::ops::Range<u64> {
        self.end - self.controls.len() as u64..self.end
    }

    /// What is left of it in a log that ends at `end`.
    pub(crate) fn cut_at(&self, end: u64) -> Option<Mark> {
        let kept = self.control_offsets().filter(|offset| *offset < end).count();
        match self.first {
            _ if self.end <= end => Some(self.clone()),
            first if first >= end => None,
            first => Some(Mark {
                first,
                end,
                controls: self.controls[..kept].to_vec(),
                producer: None,
                times: (0, 0),
            }),
        }
    }
}

/// A batch of a producer: its sequence, and the mark.
type Produced = (u64, Arc<Mark>);

/// What a log has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) token: Token,
    pub(crate) is_sealed: bool,
    pub(crate) trim_to: u64,
    producers: BTreeMap<u64, Vec<Produced>>,
}

impl State {
    /// What these batches make of a log, one after the other.
    pub(crate) fn of(marks: &[Arc<Mark>]) -> State {
        let mut state = State::default();
        for mark in marks {
            for (offset, control) in mark.control_offsets().zip(&mark.controls) {
                match control {
                    Control::Fence(token) => state.token = *token,
                    Control::Trim(before) => state.trim_to = state.trim_to.max((offset + 1).min(*before)),
                    Control::Seal => state.is_sealed = true,
                    Control::Unseal => state.is_sealed = false,
                    other => panic!("{other:?} is not known here"),
                }
            }
            if let Some((id, sequence)) = mark.producer {
                state
                    .producers
                    .entry(id)
                    .or_default()
                    .push((sequence, Arc::clone(mark)));
            }
        }
        state
    }

    /// The last sequence of a producer.
    pub(crate) fn last_sequence(&self, id: u64) -> Option<u64> {
        Some(self.producers.get(&id)?.last()?.0)
    }

    /// Whether a producer has published more batches than are known.
    pub(crate) fn has_forgotten(&self) -> bool {
        self.producers.values().any(|batches| batches.len() > BATCHES_MAX)
    }

    /// That the log is in this state.
    fn is_of(&self, log: &FileLog) -> Verdict<()> {
        let failed = |what: &str, error: &Error| format!("G1: {what}: {}", told(error));
        let token = log.token().map_err(|error| failed("token", &error))?;
        let is_sealed = log.is_sealed().map_err(|error| failed("is_sealed", &error))?;
        let stats = log.stat().map_err(|error| failed("stat", &error))?;
        ensure!(
            token == self.token,
            "G1: the token is {token}, not {}",
            self.token
        );
        ensure!(
            is_sealed == self.is_sealed,
            "G1: sealed is {is_sealed}, not {}",
            self.is_sealed
        );
        ensure!(
            (stats.token, stats.is_sealed) == (token, is_sealed),
            "G1: stat says {:?}, sealed {}",
            stats.token,
            stats.is_sealed
        );
        // What could not be made durable counts here.
        let is_poisoned = matches!(
            log.append(&[], &PublishOptions::new()),
            Err(Error::Poisoned { .. })
        );
        ensure!(
            is_poisoned || stats.producers == self.producers.len() as u64,
            "G1: {} producers are known, not {}",
            stats.producers,
            self.producers.len()
        );
        self.is_enforced(log)
    }

    /// That who publishes is told so. Nothing is written by that.
    fn is_enforced(&self, log: &FileLog) -> Verdict<()> {
        let how = PublishOptions::new();
        let before = log.next_offset().map_err(|error| told(&error))?;
        let other = if self.token.is_empty() { "other" } else { "" };
        let other = other.parse().expect("a token");
        match log.append(&[], &how.token(other)) {
            // It cannot be published to for other reasons.
            Err(Error::ReadOnly | Error::Poisoned { .. }) => return Ok(()),
            Err(Error::Sealed) if self.is_sealed => return Ok(()),
            Err(Error::Fenced { expected, actual }) if (*expected, *actual) == (other, self.token) => {}
            answer => return Err(format!("G1: with another token: {answer:?}")),
        }
        let answer = log.append(&[], &how.token(self.token));
        ensure!(answer.is_ok(), "G1: with the token: {answer:?}");
        for (id, batches) in &self.producers {
            let known_from = batches.len().saturating_sub(BATCHES_MAX);
            for (index, (sequence, mark)) in batches.iter().enumerate() {
                let again = [NewMessage::value(b"again")];
                let place = |offset, time| Place {
                    offset,
                    time: Timestamp::from_micros(time),
                };
                match log.append(&again, &how.producer(*id, *sequence)) {
                    Ok(ack)
                        if index >= known_from
                            && ack.is_duplicate
                            && ack.start == place(mark.first, mark.times.0)
                            && ack.end == place(mark.end, mark.times.1)
                            && ack.tail.offset == before => {}
                    Err(Error::OutOfSequence { .. }) if index < known_from => {}
                    answer => return Err(format!("G1: {mark:?} was published, again it is {answer:?}")),
                }
            }
        }
        let after = log.next_offset().map_err(|error| told(&error))?;
        ensure!(
            before == after,
            "G1: a duplicate was written: {before} is now {after}"
        );
        Ok(())
    }
}

/// That the log is what the batches in front of its end make of it; returns how many of the marks lie there.
pub(crate) fn state_is_right(log: &FileLog, expected: &Expected<'_>, found: &Found) -> Verdict<usize> {
    let mut wrong = String::new();
    for known in expected.known_at(found.next, found.start) {
        match State::of(&expected.marks[..known]).is_of(log) {
            Ok(()) => return Ok(known),
            Err(text) => wrong = format!("{text}, from {:?}", &expected.marks[..known]),
        }
    }
    Err(wrong)
}

/// That control records are passed over at the end, too.
pub(crate) fn the_newest_is_a_message(log: &FileLog, offsets: &[u64]) -> Verdict<()> {
    let newest = log.get(Start::Newest).map(|message| message.offset);
    match (offsets.last(), newest) {
        (Some(last), Ok(newest)) if newest == *last => Ok(()),
        (None, Err(Error::NotFound)) => Ok(()),
        (last, newest) => Err(format!("G1: the newest is {newest:?}, not {last:?}")),
    }
}
