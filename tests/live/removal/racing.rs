//! Deleting while four threads publish and four read.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use duramen::{Durability, Error, FileLog, Log, Message, NewMessage, Options, Start, Timestamp};
use fastrand::Rng;

use crate::common;

const PUBLISHERS: u64 = 4;
const KEYS: u64 = 7;
/// Messages that may be published in a round, all publishers together.
const PER_ROUND: u64 = 200;
const OFFSETS_MAX: u64 = 1 << 20;

/// What all threads know of the log.
struct Truth {
    /// For each offset the round in which its message is deleted, or 0.
    deleted_in: Vec<AtomicU32>,
    /// For each offset 1 + the number of the key of its message, once its publish has returned; or 0.
    keys: Vec<AtomicU32>,
    /// The last round that is over.
    rounds: AtomicU32,
    published: AtomicU64,
    stop: AtomicBool,
}

impl Truth {
    fn deleted_in(&self, offset: u64) -> &AtomicU32 {
        &self.deleted_in[usize::try_from(offset).expect("small")]
    }

    /// Notes messages with keys of these numbers that were published before `next_offset`.
    fn note(&self, numbers: &[u64], next_offset: u64) {
        for (number, offset) in numbers.iter().rev().zip((0..next_offset).rev()) {
            let key = u32::try_from(1 + number % KEYS).expect("small");
            self.keys[usize::try_from(offset).expect("small")].store(key, Ordering::Release);
        }
    }

    /// The offsets below `end` of messages that are known to be there, with this key, or with any.
    fn known(&self, end: u64, key: Option<u64>) -> Vec<u64> {
        let is_known = |offset: &u64| {
            let noted = self.keys[usize::try_from(*offset).expect("small")].load(Ordering::Acquire);
            noted > 0 && key.is_none_or(|key| u64::from(noted) == 1 + key) && !self.is_named(*offset)
        };
        (0..end).filter(is_known).collect()
    }

    /// Whether a message may be missing.
    fn is_named(&self, offset: u64) -> bool {
        self.deleted_in(offset).load(Ordering::Acquire) > 0
    }

    /// A message that was read by a call that began when `rounds` were over: it is right, and was not gone by then.
    fn check(&self, message: &Message, rounds: u32) {
        let value = message.value.as_deref().expect("a value");
        let number = u64::from_le_bytes(*value.first_chunk().expect("a number"));
        assert_eq!(value, value_of(number), "offset {}", message.offset);
        assert_eq!(message.key.as_deref(), Some(&(number % KEYS).to_le_bytes()[..]));
        let deleted_in = self.deleted_in(message.offset).load(Ordering::Acquire);
        assert!(
            deleted_in == 0 || deleted_in > rounds,
            "offset {} was deleted in round {deleted_in}, and is there after {rounds}",
            message.offset
        );
    }
}

fn value_of(number: u64) -> Vec<u8> {
    let mut random = Rng::with_seed(number);
    let len = random.u64(..120);
    let rest = (0..len).map(|_| random.u8(..));
    number.to_le_bytes().into_iter().chain(rest).collect()
}

fn publish(log: &FileLog, truth: &Truth, publisher: u64, seed: u64) {
    let mut random = Rng::with_seed(seed ^ publisher);
    let mut sequence = 0;
    while !truth.stop.load(Ordering::Acquire) {
        let round = u64::from(truth.rounds.load(Ordering::Acquire));
        let count = 1 + random.u64(..4);
        if truth.published.fetch_add(count, Ordering::AcqRel) > (round + 1) * PER_ROUND {
            truth.published.fetch_sub(count, Ordering::AcqRel);
            thread::sleep(Duration::from_micros(50));
            continue;
        }
        let numbers: Vec<u64> = (sequence..sequence + count)
            .map(|n| publisher << 40 | n)
            .collect();
        sequence += count;
        let parts: Vec<_> = numbers
            .iter()
            .map(|n| ((n % KEYS).to_le_bytes(), value_of(*n)))
            .collect();
        let messages: Vec<_> = parts
            .iter()
            .map(|(key, value)| NewMessage::new(key, value))
            .collect();
        let next_offset = log.publish(&messages).expect("a publish");
        truth.note(&numbers, next_offset);
    }
}

/// Reads the log from its front to its end, again and again: only what is named may be missing, and nothing that is
/// gone may be there.
fn follow(log: &FileLog, truth: &Truth, seed: u64) {
    let mut random = Rng::with_seed(seed);
    while !truth.stop.load(Ordering::Acquire) {
        let end = log.next_offset().expect("an offset");
        let mut next = 0;
        while next < end {
            let rounds = truth.rounds.load(Ordering::Acquire);
            let max_count = 1 + random.usize(..200);
            let batch = log.consume(Start::At(next), max_count).expect("a batch");
            assert!(batch.next_offset > next, "no progress at {next} of {end}");
            let found = batch
                .messages
                .iter()
                .inspect(|message| truth.check(message, rounds));
            let present: BTreeSet<u64> = found.map(|message| message.offset).collect();
            for offset in (next..batch.next_offset).filter(|offset| !present.contains(offset)) {
                assert!(
                    truth.is_named(offset),
                    "offset {offset} is missing, and nobody deleted it"
                );
            }
            next = batch.next_offset;
        }
    }
}

/// Reads by key, by offset, by time and from the end.
fn look_up(log: &FileLog, truth: &Truth, seed: u64) {
    let mut random = Rng::with_seed(seed);
    while !truth.stop.load(Ordering::Acquire) {
        let rounds = truth.rounds.load(Ordering::Acquire);
        let end = log.next_offset().expect("an offset");
        let key_number = random.u64(..KEYS);
        let key = key_number.to_le_bytes();
        let known = [None, Some(key_number)].map(|key| truth.known(end, key));
        let offset = random.u64(..end.max(1));
        let found = [
            log.get(Start::At(offset)),
            log.get(Start::Last(1 + random.u64(..50))),
            log.get_by_key(&key),
            log.get_by_time(Timestamp::from_micros(0)),
        ];
        for (way, found) in found.into_iter().enumerate() {
            match found {
                Ok(message) => truth.check(&message, rounds),
                Err(Error::OffsetOutOfRange { .. }) if end == 0 => {}
                Err(Error::NotFound) if way == 0 && truth.is_named(offset) => {}
                // Of all that were known to be there when the call began, none may be left.
                Err(Error::NotFound) if way > 0 => {
                    let known = &known[usize::from(way == 2)];
                    let left: Vec<_> = known.iter().filter(|offset| !truth.is_named(**offset)).collect();
                    assert!(
                        left.is_empty(),
                        "way {way} to look up finds nothing; {left:?} are there"
                    );
                }
                Err(error) => panic!("way {way} to look up, below {end}: {error:?}"),
            }
        }
        let batch = log.consume_by_key(&key, Start::At(offset), 5).expect("a batch");
        for message in &batch {
            truth.check(message, rounds);
            assert_eq!(message.key.as_deref(), Some(&key[..]));
        }
        log.gc(Duration::ZERO).expect("a gc");
    }
}

/// Deletes a random tenth of what there is, and looks whether exactly that is gone.
fn delete_a_tenth(log: &FileLog, truth: &Truth, alive: &mut BTreeSet<u64>, round: u32, random: &mut Rng) {
    let end = log.next_offset().expect("an offset");
    let known = alive.last().map_or(0, |last| last + 1);
    alive.extend((known..end).filter(|offset| !truth.is_named(*offset)));
    let named: BTreeSet<u64> = alive.iter().copied().filter(|_| random.u8(..10) == 0).collect();
    for offset in &named {
        truth.deleted_in(*offset).store(round, Ordering::Release);
    }
    let deleted = log.delete(&named).expect("a delete");
    truth.rounds.store(round, Ordering::Release);
    assert_eq!(deleted.messages, named.len() as u64);
    for offset in &named {
        assert!(
            matches!(log.get(Start::At(*offset)), Err(Error::NotFound)),
            "{offset} is still there"
        );
    }
    alive.retain(|offset| !named.contains(offset));
}

/// The offsets that are there below `end`.
fn present(log: &FileLog, end: u64) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    let mut next = 0;
    while next < end {
        let batch = log.consume(Start::At(next), 1000).expect("a batch");
        next = batch.next_offset;
        found.extend(batch.into_iter().map(|m| m.offset).filter(|offset| *offset < end));
    }
    found
}

fn run(log: &FileLog, rounds: u32, seed: u64) -> BTreeSet<u64> {
    let truth = &Truth {
        deleted_in: std::iter::repeat_with(AtomicU32::default)
            .take(usize::try_from(OFFSETS_MAX).expect("small"))
            .collect(),
        keys: std::iter::repeat_with(AtomicU32::default)
            .take(usize::try_from(OFFSETS_MAX).expect("small"))
            .collect(),
        rounds: AtomicU32::new(0),
        published: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    };
    let mut alive = BTreeSet::new();
    thread::scope(|scope| {
        let stop = StopOnDrop(&truth.stop);
        for publisher in 0..PUBLISHERS {
            scope.spawn(move || publish(log, truth, publisher, seed));
        }
        for reader in 0..2 {
            scope.spawn(move || follow(log, truth, seed ^ reader << 8));
            scope.spawn(move || look_up(log, truth, seed ^ reader << 16));
        }
        let mut random = Rng::with_seed(seed ^ 0xde1e);
        for round in 1..=rounds {
            // Something is there to be deleted.
            while log.next_offset().expect("an offset") < u64::from(round) * PER_ROUND / 2 {
                assert!(!truth.stop.load(Ordering::Acquire));
                thread::sleep(Duration::from_micros(100));
            }
            delete_a_tenth(log, truth, &mut alive, round, &mut random);
            let end = alive.last().map_or(0, |last| last + 1);
            assert_eq!(present(log, end), alive, "after round {round}");
        }
        drop(stop);
    });
    let end = log.next_offset().expect("an offset");
    alive.extend((0..end).filter(|offset| !truth.is_named(*offset)));
    alive
}

/// Stops the threads also when this one panics.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Goal: a delete under load takes every named message and no other, and no reader is disturbed. Method: round after
/// round a random tenth of all messages is deleted while four threads publish and four read in every way; all of them
/// know which messages may be missing, and since when. At the end the log is closed, checked and read again.
#[test]
fn a_tenth_is_deleted_under_load_and_nothing_else() {
    let seed = common::seed("deletes under load");
    let rounds = u32::try_from(common::number("DURAMEN_ROUNDS", 50)).expect("a number of rounds");
    for (durability, background, rollover, share) in [
        (Durability::Os, true, 16 << 10, 2),
        (Durability::EachPublish, true, 8 << 10, 4),
        (Durability::Os, false, 4 << 10, 4),
    ] {
        let dir = common::fast_dir();
        let options = Options::new()
            .create_dirs(true)
            .key_index(true)
            .time_index(true)
            .durability(durability)
            .background(background)
            .rollover(rollover)
            .segments_mapped_max(8);
        let log = options.open(dir.path()).expect("a new log");
        let alive = run(&log, rounds / share, seed);
        let next = log.next_offset().expect("an offset");
        assert_eq!(present(&log, next), alive);
        println!("  {durability:?}: {} of {next} messages are left", alive.len());
        log.close().expect("a close");
        let report = duramen::check(dir.path(), &options).expect("a check");
        assert!(report.is_clean(), "{:?}", report.problems);
        let log = options.open(dir.path()).expect("a reopen");
        assert_eq!(
            (present(&log, next), log.next_offset().expect("an offset")),
            (alive, next)
        );
    }
}
