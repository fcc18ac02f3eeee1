use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::{Ack, Error, Place, Result, Timestamp};

/// How many producers a log knows. Who has published nothing for the longest is forgotten first.
const PRODUCERS_MAX: usize = 4096;

/// How many batches of a producer a log knows.
const BATCHES_MAX: usize = 64;

/// Bytes of a batch as it is stored.
const STORED_LEN: usize = 48;

/// The most bytes that batches take as they are stored.
pub(crate) const STORED_LEN_MAX: usize = PRODUCERS_MAX * BATCHES_MAX * STORED_LEN;

/// A batch that a producer has published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerBatch {
    pub(crate) id: u64,
    pub(crate) sequence: u64,
    /// The offset of its first record.
    pub(crate) first: u64,
    pub(crate) count: u32,
    /// The times of its first and of its last record.
    pub(crate) times: (i64, i64),
}

impl ProducerBatch {
    pub(crate) fn end(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count))
    }

    fn ack(&self, tail: Place) -> Ack {
        let place = |offset, time| Place {
            offset,
            time: Timestamp::from_micros(time),
        };
        Ack::new(
            place(self.first, self.times.0),
            place(self.end(), self.times.1),
            tail,
        )
        .duplicate()
    }
}

/// The last batches of each producer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Producers {
    /// A producer's batches, oldest first, of which there is at least one.
    all: Vec<VecDeque<ProducerBatch>>,
    /// Where the batches of the producer with this id are.
    by_id: FxHashMap<u64, usize>,
    /// Where those of the last one that has published are: mostly the next one is the same.
    recent: usize,
}

impl Producers {
    /// How many producers are known.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Bytes of the batches as they are stored.
    pub(crate) fn encoded_len(&self) -> u64 {
        let batches: usize = self.all.iter().map(VecDeque::len).sum();
        (batches * STORED_LEN) as u64
    }

    /// The batches of the producer with this id.
    #[inline]
    fn batches(&self, id: u64) -> Option<&VecDeque<ProducerBatch>> {
        let recent = self.all.get(self.recent);
        recent
            .filter(|batches| batches.back().is_some_and(|last| last.id == id))
            .or_else(|| self.all.get(*self.by_id.get(&id)?))
    }

    /// Whether this is a sequence behind all of the producer with this id.
    #[inline]
    pub(crate) fn is_new(&self, id: u64, sequence: u64) -> bool {
        let last = self.batches(id).and_then(VecDeque::back);
        last.is_none_or(|last| sequence > last.sequence)
    }

    /// The answer to a producer who publishes this sequence again; `None` if it is a new one.
    pub(crate) fn answer(&self, id: u64, sequence: u64, tail: Place) -> Result<Option<Ack>> {
        let Some(batches) = self.batches(id) else {
            return Ok(None);
        };
        let last = match batches.back() {
            Some(last) if sequence <= last.sequence => last.sequence,
            _ => return Ok(None),
        };
        match batches.binary_search_by_key(&sequence, |batch| batch.sequence) {
            Ok(at) => Ok(batches.get(at).map(|batch| batch.ack(tail))),
            Err(_) => Err(Error::OutOfSequence {
                producer: id,
                sequence,
                last,
            }),
        }
    }

    /// Takes a batch, which lies behind all others. One that is known already changes nothing.
    #[inline]
    pub(crate) fn note(&mut self, batch: ProducerBatch) {
        let is_recent = |last: &ProducerBatch| last.id == batch.id;
        if !self
            .all
            .get(self.recent)
            .and_then(VecDeque::back)
            .is_some_and(is_recent)
        {
            match self.by_id.get(&batch.id) {
                Some(at) => self.recent = *at,
                None => return self.note_first(batch),
            }
        }
        let Some(batches) = self.all.get_mut(self.recent) else {
            return;
        };
        if batches.back().is_some_and(|last| batch.sequence <= last.sequence) {
            return;
        }
        if batches.len() == BATCHES_MAX {
            batches.pop_front();
        }
        batches.push_back(batch);
    }

    /// Takes the first batch of a producer.
    #[cold]
    fn note_first(&mut self, batch: ProducerBatch) {
        if self.all.len() == PRODUCERS_MAX {
            self.forget_oldest();
        }
        self.recent = self.all.len();
        self.by_id.insert(batch.id, self.recent);
        self.all.push(VecDeque::from([batch]));
    }

    fn forget_oldest(&mut self) {
        let last = |batches: &VecDeque<ProducerBatch>| batches.back().map(|batch| batch.first);
        let oldest = self.all.iter().enumerate();
        let Some((at, _)) = oldest.min_by_key(|(_, batches)| last(batches)) else {
            return;
        };
        let id_of = |batches: &VecDeque<ProducerBatch>| batches.back().map(|batch| batch.id);
        if let Some(id) = id_of(&self.all.swap_remove(at)) {
            self.by_id.remove(&id);
        }
        // The last one has taken its place.
        if let Some(id) = self.all.get(at).and_then(id_of) {
            self.by_id.insert(id, at);
        }
    }

    /// The last of the batches that are known here or there and end at or below `end`.
    pub(crate) fn up_to(&self, end: u64, others: &Producers) -> Producers {
        let all = self.all.iter().chain(&others.all);
        let mut all: Vec<ProducerBatch> = all.flatten().copied().collect();
        all.retain(|batch| batch.end() <= end);
        all.sort_unstable_by_key(|batch| batch.first);
        let mut producers = Producers::default();
        for batch in all {
            producers.note(batch);
        }
        producers
    }

    /// The batches as they are stored, in the order of their offsets.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut batches: Vec<&ProducerBatch> = self.all.iter().flatten().collect();
        batches.sort_unstable_by_key(|batch| batch.first);
        let mut bytes = Vec::with_capacity(batches.len() * STORED_LEN);
        for batch in batches {
            for number in [batch.id, batch.sequence, batch.first] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            for time in [batch.times.0, batch.times.1] {
                bytes.extend_from_slice(&time.to_le_bytes());
            }
            bytes.extend_from_slice(&u64::from(batch.count).to_le_bytes());
        }
        bytes
    }

    /// The batches that were stored so, all of which end at or below `end`.
    pub(crate) fn decode(bytes: &[u8], end: u64) -> Option<Producers> {
        let mut producers = Producers::default();
        if bytes.len() > STORED_LEN_MAX {
            return None;
        }
        let stored = bytes.chunks_exact(STORED_LEN);
        if !stored.remainder().is_empty() {
            return None;
        }
        for stored in stored {
            let (numbers, _) = stored.as_chunks::<8>();
            let [id, sequence, first, begin, last, count] = *numbers else {
                return None;
            };
            let batch = ProducerBatch {
                id: u64::from_le_bytes(id),
                sequence: u64::from_le_bytes(sequence),
                first: u64::from_le_bytes(first),
                count: u32::try_from(u64::from_le_bytes(count)).ok()?,
                times: (i64::from_le_bytes(begin), i64::from_le_bytes(last)),
            };
            let is_full = producers.count() == PRODUCERS_MAX && !producers.by_id.contains_key(&batch.id);
            let behind = batch.first.checked_add(u64::from(batch.count))?;
            if is_full || behind > end {
                return None;
            }
            producers.note(batch);
        }
        Some(producers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(id: u64, sequence: u64, first: u64) -> ProducerBatch {
        ProducerBatch {
            id,
            sequence,
            first,
            count: 2,
            times: (first.cast_signed(), -5),
        }
    }

    fn answer(producers: &Producers, id: u64, sequence: u64) -> Result<Option<Ack>> {
        producers.answer(id, sequence, Place::default())
    }

    #[test]
    fn the_last_64_batches_of_a_producer_are_known() {
        let mut producers = Producers::default();
        for sequence in 0..100 {
            producers.note(batch(7, 10 * sequence, 2 * sequence));
        }
        let first = answer(&producers, 7, 360).expect("known").expect("published");
        assert_eq!((first.start.offset, first.end.offset), (72, 74));
        assert!(first.is_duplicate);
        for unknown in [350, 365, 0] {
            assert!(matches!(
                answer(&producers, 7, unknown),
                Err(Error::OutOfSequence { last: 990, .. })
            ));
        }
        assert_eq!(answer(&producers, 7, 991).expect("new"), None);
        assert_eq!(answer(&producers, 8, 0).expect("new"), None);
    }

    #[test]
    fn of_too_many_producers_the_one_silent_for_the_longest_is_forgotten() {
        let mut producers = Producers::default();
        for id in 0..PRODUCERS_MAX as u64 {
            producers.note(batch(id, 0, 2 * id));
        }
        producers.note(batch(0, 1, 10_000));
        producers.note(batch(1 << 60, 0, 10_002));
        assert_eq!(producers.count(), PRODUCERS_MAX);
        assert_eq!(answer(&producers, 1, 0).expect("forgotten"), None);
        // All others are, whichever has moved to the place of the one that was forgotten.
        for id in (2..PRODUCERS_MAX as u64).chain([1 << 60]) {
            assert!(answer(&producers, id, 0).expect("known").is_some(), "{id}");
        }
        assert!(answer(&producers, 0, 1).expect("known").is_some());
    }

    #[test]
    fn batches_are_read_back_and_can_be_cut() {
        let mut producers = Producers::default();
        for number in 0..10 {
            producers.note(batch(number % 3, number, 2 * number));
        }
        let bytes = producers.encode();
        assert_eq!(bytes.len(), 10 * STORED_LEN);
        let read = Producers::decode(&bytes, 20).expect("whole");
        assert_eq!((read.encode(), read.count()), (bytes.clone(), 3));
        assert!(Producers::decode(&bytes[1..], 20).is_none() && Producers::decode(&bytes, 19).is_none());
        let mut others = Producers::default();
        for other in [batch(1, 1, 2), batch(4, 0, 4), batch(4, 1, 30)] {
            others.note(other);
        }
        let read = read.up_to(6, &others);
        assert_eq!(read.count(), 4);
        assert_eq!(answer(&read, 4, 1).expect("behind the end"), None);
        let read = read.up_to(5, &Producers::default());
        assert_eq!(read.count(), 2);
        assert!(answer(&read, 1, 1).expect("known").is_some());
        assert_eq!(answer(&read, 1, 4).expect("cut"), None);
    }
}
