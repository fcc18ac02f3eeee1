//! What a log must hold, over all its lives.

use std::collections::HashMap;

use duramen::{FileLog, Log, Start, Timestamp};
use fastrand::Rng;

use super::Ack;
use super::message::{Id, KEYS};

/// What is known to be in the log, over all its lives.
pub(super) struct Known {
    pub(super) ids: Vec<Id>,
    /// For each life and writer, how many messages of its are in the log.
    pub(super) published: HashMap<(u64, u64), u64>,
    pub(super) random: Rng,
    pub(super) epoch: u64,
}

impl Known {
    /// Reads what is new, and some of the old or all of it; returns where the log ends.
    pub(super) fn read(&mut self, log: &FileLog, everything: bool) {
        let end = log.next_offset().expect("an offset");
        assert!(
            end >= self.ids.len() as u64,
            "ends at {end}, and went to {} before",
            self.ids.len()
        );
        for _ in 0..20_u64.min(self.ids.len() as u64) {
            let offset = self.random.u64(..self.ids.len() as u64);
            let id = Id::of(
                &log.get(Start::At(offset))
                    .expect("a message that was there before"),
            );
            assert_eq!(
                id,
                self.ids[usize::try_from(offset).expect("small")],
                "offset {offset}: changed"
            );
        }
        let mut next = if everything { 0 } else { self.ids.len() as u64 };
        while next < end {
            let batch = log.consume(Start::At(next), 1000).expect("messages");
            assert!(!batch.messages.is_empty(), "nothing at {next} of {end}");
            for message in &batch {
                assert_eq!(message.offset, next, "a gap");
                self.note(next, Id::of(message));
                next += 1;
            }
        }
        let last = self.ids.last();
        assert!(
            last.is_none_or(|last| last.place + 1 == last.count),
            "ends inside a batch: {last:?}"
        );
        let epoch = log.stat().expect("stat").epoch;
        assert!(epoch >= self.epoch, "epoch {epoch} after {}", self.epoch);
        self.epoch = epoch;
    }

    /// Notes a message: each writer's are there in order, once, batches in one piece.
    fn note(&mut self, offset: u64, id: Id) {
        if let Some(known) = self.ids.get(usize::try_from(offset).expect("small")) {
            assert_eq!(id, *known, "offset {offset}: changed");
            return;
        }
        let published = self.published.entry((id.life, id.writer)).or_default();
        assert_eq!(
            id.sequence, *published,
            "offset {offset}: {id:?} is lost, or there twice, or out of order"
        );
        *published += 1;
        let follows = match self.ids.last() {
            Some(last) if last.place + 1 < last.count => {
                (last.life, last.writer, last.place + 1) == (id.life, id.writer, id.place)
            }
            _ => id.place == 0,
        };
        assert!(follows, "offset {offset}: {id:?} after {:?}", self.ids.last());
        self.ids.push(id);
    }

    pub(super) fn check_acks(&self, life: u64, acks: &[Ack]) {
        for ack in acks {
            for place in 0..ack.count {
                let offset = ack.next - ack.count + place;
                let expected = Id {
                    life,
                    writer: ack.writer,
                    sequence: ack.sequence + place,
                    place,
                    count: ack.count,
                };
                let found = self.ids.get(usize::try_from(offset).expect("small"));
                assert_eq!(found, Some(&expected), "offset {offset} was acknowledged");
            }
        }
    }

    /// Compares lookups by key and by time with a search through everything.
    pub(super) fn look_up(&mut self, log: &FileLog) {
        for key in 0..KEYS {
            let newest = self
                .ids
                .iter()
                .rposition(|id| id.key() == key)
                .map(|at| at as u64);
            assert_eq!(log.offset_by_key(&key.to_le_bytes()).ok(), newest, "key {key}");
        }
        let end = self
            .ids
            .iter()
            .map(|id| id.time())
            .max()
            .unwrap_or_default()
            .as_micros()
            .unsigned_abs();
        for _ in 0..200 {
            let time = Timestamp::from_micros(i64::try_from(self.random.u64(..end + 20)).expect("small"));
            let first = self
                .ids
                .iter()
                .position(|id| id.time() >= time)
                .map(|at| at as u64);
            assert_eq!(
                log.offset_by_time(time).ok().map(|(offset, _)| offset),
                first,
                "time {time}"
            );
        }
    }
}
