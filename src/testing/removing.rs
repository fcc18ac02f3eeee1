//! Deleting and trimming while other threads publish, read, delete and trim. Also random calls of
//! all kinds, compared with a vector.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::support::{
    Random, all, check_batch, delete, drain, drain_by_key, in_threads, number, offsets, us,
};
use super::threads::{on_all_threads, publish_batch, while_publishing};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, Message, NewMessage, Result, Start};

pub(super) const CASES: &[Case] = case::list![
    delete_while_others_publish_removes_every_named_message,
    delete_of_the_newest_while_others_publish_gives_no_offset_out_twice,
    threads_that_delete_the_same_messages_count_each_once,
    a_reader_over_deletes_misses_nothing_that_stays,
    a_key_lookup_during_deletes_of_earlier_ones_finds_the_last,
    trim_while_others_publish_keeps_what_is_above,
    a_reader_over_trims_is_told_and_can_go_on,
    threads_that_trim_never_move_the_start_offset_back,
    deletes_and_trims_at_once_remove_what_both_name,
    random_calls_agree_with_a_vector,
];

/// The numbers in a batch of `publish_batch`.
fn numbers_of(batch: u64) -> Range<u64> {
    batch * 7..batch * 7 + 7
}

fn delete_while_others_publish_removes_every_named_message(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let mut random = Random::new(1);
    let mut deleted = BTreeSet::new();
    let remove = || {
        let end = log.next_offset().unwrap();
        let named: Vec<u64> = (0..5)
            .map(|_| random.below(end))
            .chain(end.checked_sub(1))
            .collect();
        let named: Vec<u64> = named.into_iter().filter(|offset| *offset < end).collect();
        let fresh: BTreeSet<u64> = named
            .iter()
            .copied()
            .filter(|offset| !deleted.contains(offset))
            .collect();
        assert_eq!(
            delete(&log, &named).messages,
            fresh.len() as u64,
            "of {named:?} below {end}"
        );
        for offset in named {
            assert!(
                matches!(log.get(Start::At(offset)), Err(Error::NotFound)),
                "{offset} is there"
            );
        }
        deleted.extend(fresh);
    };
    let batches = while_publishing(|batch| publish_batch(&log, batch), remove);
    let left = all(&log);
    let expected: Vec<u64> = (0..batches * 7)
        .filter(|offset| !deleted.contains(offset))
        .collect();
    assert_eq!(offsets(&left), expected);
    assert!(left.iter().all(|m| number(m) == m.offset));
    assert_eq!(log.stat().unwrap().messages, expected.len() as u64);
}

fn delete_of_the_newest_while_others_publish_gives_no_offset_out_twice(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let given: Vec<AtomicU64> = std::iter::repeat_with(AtomicU64::default)
        .take(4 * 50 * 3)
        .collect();
    on_all_threads(|_, batch| {
        let count = 1 + batch % 3;
        let messages = vec![NewMessage::value(b"value"); usize::try_from(count).unwrap_or(1)];
        let next_offset = log.publish(&messages).unwrap();
        for offset in next_offset - count..next_offset {
            let slot = &given[usize::try_from(offset).unwrap_or(usize::MAX)];
            assert_eq!(
                slot.fetch_add(1, Ordering::Relaxed),
                0,
                "{offset} is assigned twice"
            );
        }
        // The last messages of this thread are often the newest of the log.
        let named: BTreeSet<u64> = (next_offset - count..next_offset).skip(1).collect();
        assert_eq!(log.delete(&named).unwrap().messages, count - 1);
    });
    let published: u64 = (0..50).map(|batch| 1 + batch % 3).sum::<u64>() * 4;
    assert_eq!(log.next_offset().unwrap(), published);
    assert_eq!(all(&log).len(), 4 * 50);
}

fn threads_that_delete_the_same_messages_count_each_once(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    (0..50).for_each(|batch| publish_batch(&log, batch));
    let deleted = AtomicU64::new(0);
    in_threads(4, |thread| {
        for step in 0..35 {
            let named: BTreeSet<u64> = (step * 10..step * 10 + 5 + thread).collect();
            let count = log.delete(&named).unwrap().messages;
            deleted.fetch_add(count, Ordering::Relaxed);
        }
    });
    let expected: Vec<u64> = (0..350).filter(|offset| offset % 10 >= 8).collect();
    assert_eq!(offsets(&all(&log)), expected);
    assert_eq!(deleted.into_inner(), 350 - expected.len() as u64);
}

/// One thread deletes odd offsets before, at and after the reader's position. The reader must see
/// all even ones.
fn a_reader_over_deletes_misses_nothing_that_stays(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let mut read = Vec::new();
    let mut at = 0;
    let publish = |batch: u64| {
        publish_batch(&log, batch);
        let named: Vec<u64> = [batch, batch / 2].into_iter().flat_map(numbers_of).collect();
        let odd: Vec<u64> = named.into_iter().filter(|offset| offset % 2 == 1).collect();
        delete(&log, &odd);
    };
    let batches = while_publishing(publish, || {
        let end = log.next_offset().unwrap();
        while at < end {
            let batch = log.consume(Start::At(at), 10).unwrap();
            check_batch(Start::At(at), 10, &batch);
            assert!(batch.next_offset > at, "no progress at {at} of {end}");
            assert!(batch.messages.iter().all(|m| number(m) == m.offset));
            read.extend(offsets(&batch.messages));
            at = batch.next_offset;
        }
    });
    assert!(read.is_sorted_by(|a, b| a < b), "a message is read twice");
    let even: Vec<u64> = read.into_iter().filter(|offset| offset % 2 == 0).collect();
    assert_eq!(even, (0..batches * 7).step_by(2).collect::<Vec<u64>>());
}

fn a_key_lookup_during_deletes_of_earlier_ones_finds_the_last(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    log.publish(&[NewMessage::new(b"key", b"0")]).unwrap();
    let publish = |count: u64| {
        let value = (count + 1).to_string();
        log.publish(&[NewMessage::new(b"key", value.as_bytes())]).unwrap();
        delete(&log, &[count]);
    };
    let mut last = 0;
    let count = while_publishing(publish, || {
        let message = log.get_by_key(b"key").unwrap();
        assert!(message.offset >= last && number(&message) == message.offset);
        last = message.offset;
        let found = drain_by_key(&log, b"key", Start::At(last), 3).messages;
        assert!(found.iter().all(|m| m.key.as_deref() == Some(b"key")));
    });
    assert_eq!(offsets(&all(&log)), [count]);
}

fn trim_while_others_publish_keeps_what_is_above(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let mut start = 0;
    let trim = || {
        let end = log.next_offset().unwrap();
        let before = start + (end - start) / 2;
        assert_eq!(log.trim(before).unwrap().count, before - start);
        start = before;
        assert_eq!(log.start_offset().unwrap(), start);
        let messages = drain(&log, Start::Oldest, 50).messages;
        assert!(
            messages
                .iter()
                .zip(start..)
                .all(|(m, offset)| m.offset == offset && number(m) == offset)
        );
        assert!(messages.len() as u64 >= end - start);
    };
    let batches = while_publishing(|batch| publish_batch(&log, batch), trim);
    let left = all(&log);
    assert_eq!(offsets(&left), (start..batches * 7).collect::<Vec<u64>>());
}

/// A reader that falls behind gets an error that says so, and continues at the start offset.
fn a_reader_over_trims_is_told_and_can_go_on(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let mut at = 0;
    let publish = |batch: u64| {
        publish_batch(&log, batch);
        log.trim((batch * 7).saturating_sub(10)).unwrap();
    };
    let batches = while_publishing(publish, || match log.consume(Start::At(at), 5) {
        Ok(batch) => {
            check_batch(Start::At(at), 5, &batch);
            assert!(batch.messages.iter().all(|m| number(m) == m.offset));
            at = batch.next_offset;
        }
        Err(error) => {
            assert!(error.is_trimmed(), "at {at}: {error:?}");
            let start = log.start_offset().unwrap();
            assert!(start > at, "{at} is trimmed, but the log begins at {start}");
            at = start;
        }
    });
    let start = log.start_offset().unwrap();
    assert_eq!(start, ((batches - 1) * 7).saturating_sub(10));
    assert_eq!(offsets(&all(&log)), (start..batches * 7).collect::<Vec<u64>>());
}

fn threads_that_trim_never_move_the_start_offset_back(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    (0..50).for_each(|batch| publish_batch(&log, batch));
    let trimmed = AtomicU64::new(0);
    in_threads(4, |thread| {
        let mut start = 0;
        for step in 0..40 {
            let before = step * (5 + thread);
            let count = log.trim(before).unwrap().count;
            trimmed.fetch_add(count, Ordering::Relaxed);
            let after = log.start_offset().unwrap();
            assert!(
                after >= before && after >= start,
                "{start}, {before}, then {after}"
            );
            start = after;
        }
    });
    assert_eq!(
        (log.start_offset().unwrap(), trimmed.into_inner()),
        (39 * 8, 39 * 8)
    );
    assert_eq!(offsets(&all(&log)), (39 * 8..350).collect::<Vec<u64>>());
}

fn deletes_and_trims_at_once_remove_what_both_name(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    (0..50).for_each(|batch| publish_batch(&log, batch));
    let removed = AtomicU64::new(0);
    in_threads(3, |thread| {
        for step in 0..50 {
            let count = match thread {
                0 => log.trim(step * 4).unwrap().count,
                1 => delete(&log, &[step * 7, step * 7 + 1]).messages,
                _ => {
                    publish_batch(&log, 50 + step);
                    0
                }
            };
            removed.fetch_add(count, Ordering::Relaxed);
        }
    });
    let expected: Vec<u64> = (196..700)
        .filter(|offset| *offset >= 350 || offset % 7 > 1)
        .collect();
    assert_eq!(offsets(&all(&log)), expected);
    assert_eq!(removed.into_inner(), 700 - expected.len() as u64);
}

/// A log and the vector that it is compared with.
struct Pair<'a> {
    log: &'a dyn Log,
    messages: Vec<Message>,
    start: u64,
    next: u64,
    random: Random,
}

const KEYS: [&[u8]; 4] = [b"", b"a", b"b", b"absent"];

impl Pair<'_> {
    fn publish(&mut self) {
        let bytes = [7; 600];
        let batch: Vec<NewMessage<'_>> = (0..self.random.index(6))
            .map(|_| NewMessage {
                time: Some(us(self.random.below(500).cast_signed())),
                key: KEYS[..3].get(self.random.index(4)).copied(),
                value: (self.random.below(5) > 0).then(|| &bytes[..self.random.index(600)]),
                headers: &[],
            })
            .collect();
        let next = self.log.publish(&batch).unwrap();
        for (offset, new) in (self.next..).zip(&batch) {
            self.messages.push(Message {
                offset,
                time: new.time.unwrap_or_default(),
                key: new.key.map(bytes::Bytes::copy_from_slice),
                value: new.value.map(bytes::Bytes::copy_from_slice),
                headers: crate::Headers::default(),
            });
        }
        self.next += batch.len() as u64;
        assert_eq!(next, self.next);
    }

    fn delete(&mut self) {
        let count = self.random.below(8);
        let named: Vec<u64> = match self.random.below(4) {
            0 => (self.next.saturating_sub(count)..self.next).collect(),
            1 => (self.start..self.start + count).collect(),
            _ => (0..count).map(|_| self.random.below(self.next + 3)).collect(),
        };
        let before = self.messages.len();
        self.messages.retain(|message| !named.contains(&message.offset));
        let gone = (before - self.messages.len()) as u64;
        assert_eq!(delete(self.log, &named).messages, gone, "{named:?}");
    }

    fn trim(&mut self) {
        let before = match self.random.below(12) {
            0 => self.next + 1,
            _ => self.start + self.random.below(12),
        };
        self.start = before.clamp(self.start, self.next);
        let count = self.messages.len();
        self.messages.retain(|message| message.offset >= self.start);
        let gone = (count - self.messages.len()) as u64;
        assert_eq!(self.log.trim(before).unwrap().count, gone, "before {before}");
    }

    /// Makes one call of each kind and compares the results.
    fn compare(&mut self) {
        let (log, messages) = (self.log, &self.messages);
        assert_eq!(log.start_offset().unwrap(), self.start);
        assert_eq!(log.next_offset().unwrap(), self.next);
        assert_eq!(log.stat().unwrap().messages, messages.len() as u64);
        let offset = self.random.below(self.next + 2);
        let found = answer(log.get(Start::At(offset)));
        assert_eq!(
            found.as_ref(),
            messages.iter().find(|m| m.offset == offset),
            "{offset}"
        );
        let key = KEYS[self.random.index(4)];
        let last = messages.iter().rfind(|m| m.key.as_deref() == Some(key));
        assert_eq!(answer(log.get_by_key(key)).as_ref(), last, "{key:?}");
        let time = us(self.random.below(510).cast_signed());
        let place = messages
            .iter()
            .position(|m| m.time >= time)
            .unwrap_or(messages.len());
        assert_eq!(
            answer(log.get_by_time(time)).as_ref(),
            messages.get(place),
            "{time:?}"
        );
        let count = self.random.index(messages.len() + 2);
        let (from, begin) = match self.random.below(3) {
            0 => (Start::Time(time), place),
            1 => (Start::Last(count as u64), messages.len().saturating_sub(count)),
            _ => {
                let offset = offset.clamp(self.start, self.next);
                (Start::At(offset), messages.partition_point(|m| m.offset < offset))
            }
        };
        let max_count = 1 + self.random.index(9);
        assert_eq!(
            drain(log, from, max_count).messages,
            messages[begin..],
            "{from:?}"
        );
        let of_key: Vec<Message> = messages[begin..]
            .iter()
            .filter(|m| m.key.as_deref() == Some(key))
            .cloned()
            .collect();
        assert_eq!(
            drain_by_key(log, key, from, max_count).messages,
            of_key,
            "{key:?} from {from:?}"
        );
    }
}

/// The message, or `None` for an error that says that there is none.
fn answer(result: Result<Message>) -> Option<Message> {
    match result {
        Ok(message) => Some(message),
        Err(Error::NotFound | Error::OffsetOutOfRange { .. }) => None,
        Err(error) => panic!("{error:?}"),
    }
}

fn random_calls_agree_with_a_vector(new: Factory<'_>) {
    for seed in 0..6 {
        let log = new(Setup::INDEXED);
        let mut pair = Pair {
            log: &log,
            messages: Vec::new(),
            start: 0,
            next: 0,
            random: Random::new(seed),
        };
        for _ in 0..150 {
            match pair.random.below(10) {
                0..=4 => pair.publish(),
                5 | 6 => pair.delete(),
                7 => pair.trim(),
                8 => log.gc(Duration::ZERO).unwrap(),
                _ => drop(log.sync().unwrap()),
            }
            pair.compare();
        }
        assert_eq!(all(&log), pair.messages);
    }
}
