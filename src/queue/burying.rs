//! Burying: publishing messages to the dead letters, once each; and publishing letters again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::group::NO_LIFE;
use super::inner::Inner;
use super::letters::{GROUP, NO_LETTERS, OFFSET, PARTITION, STREAM};
use super::options::DebugLog;
use super::state::{life_of, message_at};
use crate::letter::{CUT, without_about};
use crate::{
    Error, Filter, LifeId, Log, Message, NewMessage, Position, PublishOptions, ReadOptions, Result, Start,
    Stop,
};

/// How many letters are published again at a time. A log recognises so many batches of a producer.
const KICKED_AT_A_TIME: usize = 64;

impl<L: Log> Inner<L> {
    /// Does all that is left to bury, in order.
    pub(super) fn finish_burying(&self) -> Result<()> {
        let _alone = self.letters.alone.lock();
        let finished = self.finish_each();
        self.letters.is_owed.store(finished.is_err(), Ordering::Release);
        self.changes.notify();
        finished
    }

    fn finish_each(&self) -> Result<()> {
        loop {
            let (burying, log) = {
                let state = self.state.lock();
                let first = state.burying.first_key_value();
                let Some((_, burying)) = first else { return Ok(()) };
                (burying.clone(), Arc::clone(&state.journal.log))
            };
            // The number of the letter has to outlast a power cut that the letter outlasts.
            log.sync()?;
            let part = burying.partition as usize;
            let source = self.sources.get(part).ok_or(NO_LETTERS)?;
            // What was deleted meanwhile is not to be buried any more.
            if let Some(message) = message_at(source, burying.offset)? {
                self.letters.publish(&message, &burying)?;
            }
            self.state.lock().buried(part, burying.offset)?;
        }
    }

    /// See [`Queue::kick`](super::Queue::kick).
    pub(super) fn kick(&self, max_count: usize) -> Result<usize> {
        self.check_writable()?;
        if self.letters.is_none() {
            return Err(NO_LETTERS);
        }
        let _alone = self.letters.alone.lock();
        let mut kicked = 0;
        for (index, log) in self.letters.logs.iter().enumerate() {
            let mut next = self.kicked_to(index, &**log)?;
            while kicked < max_count {
                let at_a_time = KICKED_AT_A_TIME.min(max_count - kicked);
                let mine = Filter::header(GROUP, self.letters.group.as_bytes());
                let how = ReadOptions::new().max_count(at_a_time).filter(mine);
                let batch = log.read(Start::AtOrOldest(next.offset), &how)?;
                kicked += self.publish_again(index, next.life, &batch.messages)?;
                if batch.next_offset > next.offset {
                    next.offset = batch.next_offset;
                    self.state.lock().kicked(index, next)?;
                }
                if matches!(batch.stopped, Stop::AtEnd | Stop::Sealed) {
                    break;
                }
            }
        }
        Ok(kicked)
    }

    /// Where kicking the letters of a partition goes on.
    fn kicked_to(&self, index: usize, log: &dyn DebugLog) -> Result<Position> {
        let kicked = self.state.lock().kicked[index];
        let life = life_of(log)?;
        if kicked.life == NO_LIFE || life == NO_LIFE {
            return Ok(Position { life, ..kicked });
        }
        match log.resume(kicked) {
            Ok(_) => Ok(Position { life, ..kicked }),
            Err(Error::EpochChanged { parted_at, .. }) if self.options.follow_epoch => {
                let offset = parted_at.unwrap_or(0).min(kicked.offset);
                Ok(Position { life, offset })
            }
            Err(error) => Err(error),
        }
    }

    /// Publishes the messages of letters to where they came from; returns how many those were. They
    /// are on stable storage then.
    fn publish_again(&self, index: usize, life: LifeId, letters: &[Message]) -> Result<usize> {
        let kicker = self.state.lock().kicker(index, life);
        let stream = self.letters.stream.as_bytes();
        let mut published = 0;
        let mut touched = vec![false; self.sources.len()];
        for letter in letters {
            if letter.headers.get(STREAM) != Some(stream) {
                continue;
            }
            let number = letter.headers.get(PARTITION).unwrap_or_default();
            let number = std::str::from_utf8(number)
                .ok()
                .and_then(|text| text.parse().ok());
            let part = number.unwrap_or(0) % self.sources.len();
            let Some(whole) = self.whole(part, letter)? else {
                continue;
            };
            let message = NewMessage {
                headers: &without_about(&whole),
                ..whole.as_new()
            };
            let once = PublishOptions::new().producer(kicker, letter.offset);
            match self.sources[part].append(&[message], &once) {
                // It was published before a crash, and others after it.
                Ok(_) | Err(Error::OutOfSequence { .. }) => {}
                Err(error) => return Err(error),
            }
            touched[part] = true;
            published += 1;
        }
        for (source, _) in self.sources.iter().zip(touched).filter(|(_, touched)| *touched) {
            source.sync()?;
        }
        Ok(published)
    }

    /// The message of a letter. One that was too large for a letter is where it came from, if it
    /// still is.
    fn whole(&self, part: usize, letter: &Message) -> Result<Option<Message>> {
        if letter.headers.get(CUT).is_none() {
            return Ok(Some(letter.clone()));
        }
        let offset = letter.headers.get(OFFSET).unwrap_or_default();
        let offset = std::str::from_utf8(offset)
            .ok()
            .and_then(|text| text.parse().ok());
        match offset {
            Some(offset) => message_at(&self.sources[part], offset),
            None => Ok(None),
        }
    }
}
