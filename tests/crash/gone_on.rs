//! Publishing to a log that was opened after a crash: unsealed if need be, and with what was lost of producers, which
//! the log has to take as new.

use std::sync::Arc;

use duramen::{Control, Error, FileLog, Log, PublishOptions};

use super::content::{Content, as_new};
use super::examine::Found;
use super::history::{Expected, Published};
use super::marks::{Mark, Marks, State};
use super::oracle::told;
use crate::verdict::{Verdict, ensure};

/// Of what was lost of producers, so many batches are published again.
const AGAIN_MAX: usize = 2;

/// What was published since.
pub(crate) struct GoneOn {
    /// All messages.
    pub(crate) messages: Vec<Published>,
    pub(crate) marks: Marks,
    /// Where its batches end.
    pub(crate) ends: Vec<u64>,
    /// Offsets without messages.
    pub(crate) controls: Vec<u64>,
}

impl GoneOn {
    /// Goes on in a log that was found so, and of which nothing else was expected.
    pub(crate) fn new(log: &FileLog, found: &Found, expected: &Expected<'_>) -> Verdict<GoneOn> {
        let mut gone_on = GoneOn {
            messages: expected.messages[..found.next as usize].to_vec(),
            marks: expected.marks.clone(),
            ends: Vec::new(),
            controls: Vec::new(),
        };
        let state = State::of(&gone_on.marks);
        if state.is_sealed {
            gone_on.unseal(log)?;
        }
        let lost = expected.lost.iter().filter_map(|mark| mark.producer);
        let mut lost: Vec<(u64, u64)> = lost.take(AGAIN_MAX).collect();
        // One that was sent in vain, too.
        let is_new = |one: &(u64, u64)| state.last_sequence(one.0) < Some(one.1);
        lost.retain(is_new);
        // In front, so that they come to lie elsewhere than before.
        gone_on.publish(log, None)?;
        lost.into_iter()
            .try_for_each(|producer| gone_on.publish(log, Some(producer)))?;
        Ok(gone_on)
    }

    pub(crate) fn next(&self) -> u64 {
        self.messages.len() as u64
    }

    fn publish(&mut self, log: &FileLog, producer: Option<(u64, u64)>) -> Verdict<()> {
        let first = self.next();
        let more = Content::new(u64::MAX, first, 30);
        let time = more.time;
        let published = as_new(std::slice::from_ref(&more), |messages| match producer {
            None => log.publish(messages).map(|next| (next, false)),
            Some((id, sequence)) => {
                let ack = log.append(messages, &PublishOptions::new().producer(id, sequence));
                ack.map(|ack| (ack.end.offset, ack.is_duplicate))
            }
        });
        let published = published.map_err(|error| format!("G1: does not go on: {}", told(&error)))?;
        ensure!(
            published == (first + 1, false),
            "G3: published at {first}, {producer:?}: next offset and duplicate: {published:?}"
        );
        self.messages.push(Arc::new(more));
        if producer.is_some() {
            self.marks.push(Arc::new(Mark {
                first,
                end: first + 1,
                controls: Vec::new(),
                producer,
                times: (time, time),
            }));
        }
        self.ends.push(first + 1);
        Ok(())
    }

    fn unseal(&mut self, log: &FileLog) -> Verdict<()> {
        let first = self.next();
        let refused = as_new(&[Content::new(u64::MAX, first, 30)], |messages| {
            log.publish(messages)
        });
        ensure!(
            matches!(refused, Err(Error::Sealed)),
            "G1: published to a sealed log: {refused:?}"
        );
        log.unseal()
            .map_err(|error| format!("G1: does not unseal: {}", told(&error)))?;
        let next = log.next_offset().map_err(|error| told(&error))?;
        ensure!(
            next == first + 1,
            "G3: unsealed at {first}, then the next is {next}"
        );
        self.messages.push(Arc::new(Content::of_control()));
        self.marks.push(Arc::new(Mark {
            first,
            end: next,
            controls: vec![Control::Unseal],
            ..Mark::default()
        }));
        self.ends.push(next);
        self.controls.push(first);
        Ok(())
    }
}
