use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{Settings, compact, compact_with, delete_multi, deletes, updates, updates_with};
use crate::{Error, Log, ManualClock, MemoryLog, Message, NewMessage, Options, Start, Timestamp};

const fn tombstone(key: &[u8]) -> NewMessage<'_> {
    NewMessage {
        time: None,
        key: Some(key),
        value: None,
        headers: &[],
    }
}

/// Settings that remove tombstones too, however young they are.
fn any_age() -> Settings {
    Settings::new().older_than(Duration::ZERO)
}

/// A log of these messages: `"a1"` is key `a` with value `1`, `"a-"` is its tombstone, and `"=1"`
/// is the value without a key.
fn log_of(messages: &[&str]) -> MemoryLog {
    let log = MemoryLog::new();
    publish(&log, messages);
    log
}

fn publish(log: &MemoryLog, messages: &[&str]) {
    for message in messages {
        let (key, value) = message.as_bytes().split_at(1);
        let message = NewMessage {
            key: (key != b"=").then_some(key),
            value: (value != b"-").then_some(value),
            ..NewMessage::default()
        };
        log.publish(&[message]).unwrap();
    }
}

fn all(log: &MemoryLog) -> Vec<Message> {
    log.consume(Start::Oldest, usize::MAX).unwrap().messages
}

fn offsets(log: &MemoryLog) -> Vec<u64> {
    all(log).iter().map(|message| message.offset).collect()
}

#[test]
fn updates_leave_the_last_message_of_each_key_and_those_without_one() {
    let log = log_of(&["a1", "b1", "=1", "a2", "=1", "c-", "b-", "a3", "c1"]);
    let before = log.stat().unwrap().size;
    let deleted = updates(&log, &any_age()).unwrap();
    assert_eq!(offsets(&log), [2, 4, 6, 7, 8]);
    assert_eq!(deleted.messages, 4);
    assert_eq!(deleted.size, before - log.stat().unwrap().size);
    assert_eq!(updates(&log, &any_age()).unwrap().messages, 0);
    assert_eq!((log.start_offset().unwrap(), log.next_offset().unwrap()), (0, 9));
}

#[test]
fn deletes_take_tombstones_that_cover_nothing() {
    let log = log_of(&["a1", "a-", "b-", "b1", "c-", "c-", "=-", "d1", "=1"]);
    assert_eq!(deletes(&log, &any_age()).unwrap().messages, 2);
    assert_eq!(offsets(&log), [0, 1, 3, 5, 6, 7, 8]);
    // The second tombstone of `c` has become the first.
    assert_eq!(deletes(&log, &any_age()).unwrap().messages, 1);
    log.delete(&BTreeSet::from([0])).unwrap();
    assert_eq!(deletes(&log, &any_age()).unwrap().messages, 1);
    assert_eq!(offsets(&log), [3, 6, 7, 8]);
}

#[test]
fn compact_leaves_the_values_that_are_in_force() {
    let log = log_of(&["a1", "a2", "b1", "b-", "=1", "c-", "c1", "d-", "d-", "e1"]);
    assert_eq!(compact(&log, &any_age()).unwrap().messages, 6);
    assert_eq!(offsets(&log), [1, 4, 6, 9]);
}

#[test]
fn an_empty_value_is_no_tombstone_and_the_empty_key_is_a_key() {
    let log = MemoryLog::new();
    let messages = [
        NewMessage::new(b"a", b"1"),
        NewMessage::new(b"a", b""),
        NewMessage::new(b"", b"1"),
        NewMessage::new(b"", b"2"),
        NewMessage::default(),
    ];
    log.publish(&messages).unwrap();
    assert_eq!(compact(&log, &any_age()).unwrap().messages, 2);
    assert_eq!(offsets(&log), [1, 3, 4]);
}

/// Ages count from publishing. Method: the times that messages claim are the other way round.
#[test]
fn young_messages_stay() {
    let minute = Duration::from_secs(60);
    let start = Timestamp::from_micros(1 << 50);
    let clock = Arc::new(ManualClock::new(start));
    let options = Options::new()
        .key_index(true)
        .clock(Arc::<ManualClock>::clone(&clock));
    let log = MemoryLog::with_options(&options);
    let publish = |messages: &[NewMessage<'_>], time| {
        for message in messages {
            log.publish(&[message.time(time)]).unwrap();
        }
    };
    let (a, d) = (NewMessage::new(b"a", b"1"), NewMessage::new(b"d", b"1"));
    publish(&[a, a, tombstone(b"c"), d], Timestamp::MAX);
    clock.advance(20 * minute);
    publish(&[a, tombstone(b"b"), tombstone(b"d")], Timestamp::MIN);
    clock.advance(5 * minute);
    let settings = Settings::new().older_than(10 * minute);
    let dry = compact(&log, &settings.clone().dry_run(true)).unwrap();
    assert_eq!(compact(&log, &settings).unwrap(), dry);
    assert_eq!(offsets(&log), [4, 5, 6]);
    compact(&log, &any_age()).unwrap();
    assert_eq!(offsets(&log), [4]);
}

/// Goal: a reader that pauses for less than a day sees every tombstone, whatever time it claims.
#[test]
fn tombstones_stay_for_a_day() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1 << 50)));
    let options = Options::new()
        .key_index(true)
        .clock(Arc::<ManualClock>::clone(&clock));
    let log = MemoryLog::with_options(&options);
    log.publish(&[NewMessage::new(b"a", b"1")]).unwrap();
    log.publish(&[tombstone(b"a").time(Timestamp::MIN)]).unwrap();
    clock.advance(Settings::TOMBSTONE_AGE_DEFAULT);
    assert_eq!(compact(&log, &Settings::new()).unwrap().messages, 1);
    assert_eq!(offsets(&log), [1]);
    clock.advance(Duration::from_micros(1));
    assert_eq!(compact(&log, &Settings::new()).unwrap().messages, 1);
}

#[test]
fn without_a_key_index_it_is_no_index() {
    for messages in [&[][..], &[NewMessage::new(b"a", b"1")]] {
        let log = MemoryLog::with_options(&Options::new().time_index(true));
        log.publish(messages).unwrap();
        for compaction in [updates, deletes, compact] {
            assert!(matches!(compaction(&log, &any_age()), Err(Error::NoIndex { .. })));
        }
    }
}

/// Pseudo-random numbers, the same on every run.
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state >> 33
    })
}

/// A log of `count` messages with and without keys and values.
fn random_log(seed: u64, count: usize) -> MemoryLog {
    let log = MemoryLog::new();
    let mut numbers = numbers(seed);
    let mut below = |bound| numbers.next().map_or(0, |number| number % bound);
    for _ in 0..count {
        let key = [u8::try_from(below(40)).unwrap()];
        let message = NewMessage {
            key: (below(5) > 0).then_some(&key[..]),
            value: (below(3) > 0).then_some(b"value"),
            ..NewMessage::default()
        };
        log.publish(&[message]).unwrap();
    }
    log
}

/// Goal: compaction leaves the messages that a map from keys to last messages holds, for any bound
/// on memory. A dry run returns the same result and changes nothing. Method: random logs.
#[test]
fn compaction_agrees_with_a_map() {
    for (seed, offsets_max) in [(1, 0), (2, 1), (3, 7), (4, 100), (5, 1 << 20)] {
        let log = random_log(seed, 3000);
        let before = all(&log);
        let last: BTreeMap<_, _> = before.iter().map(|message| (&message.key, message)).collect();
        let expected: Vec<_> = before
            .iter()
            .filter(|m| m.key.is_none() || last[&m.key].offset == m.offset && m.value.is_some())
            .cloned()
            .collect();
        let settings = any_age().offsets_max(offsets_max);
        let dry = compact(&log, &settings.clone().dry_run(true)).unwrap();
        assert_eq!(all(&log), before);
        assert_eq!(compact(&log, &settings).unwrap(), dry);
        assert_eq!(all(&log), expected);
    }
}

/// No more offsets are held than the settings allow, and their messages are removed before more is
/// read.
#[test]
fn memory_is_bounded() {
    let log = log_of(&["a1"; 500]);
    let mut remaining_max = 0;
    let mut removals = BTreeSet::new();
    let settings = any_age().offsets_max(60);
    let deleted = updates_with(&log, &settings, |progress| {
        remaining_max = remaining_max.max(progress.remaining);
        removals.insert(progress.deleted.messages);
        ControlFlow::Continue(())
    });
    assert_eq!(deleted.unwrap().messages, 499);
    assert!(remaining_max < 60, "{remaining_max}");
    assert_eq!(
        removals.first().copied(),
        Some(60),
        "the first round: {removals:?}"
    );
}

#[test]
fn a_compaction_can_be_ended_and_gone_on_with() {
    let log = log_of(&["a1"; 100]);
    let settings = any_age().offsets_max(10);
    let mut ended = 0;
    loop {
        let deleted = compact_with(&log, &settings, |_| ControlFlow::Break(())).unwrap();
        assert_eq!(all(&log).last().map(|message| message.offset), Some(99));
        ended += 1;
        if deleted.messages == 0 {
            break;
        }
        assert_eq!(deleted.messages, 10);
    }
    assert_eq!((ended, log.stat().unwrap().messages), (10, 10));
    assert_eq!(compact(&log, &settings).unwrap().messages, 9);
}

#[test]
fn delete_multi_removes_the_given_messages() {
    let log = log_of(&["=1"; 20]);
    let named = BTreeSet::from([0, 3, 4, 19, 20, u64::MAX]);
    let mut calls = 0;
    let deleted = delete_multi(&log, &named, |progress| {
        calls += 1;
        assert!(progress.remaining < 6 && progress.read == 0);
        ControlFlow::Continue(())
    });
    assert_eq!(deleted.unwrap().messages, 4);
    assert!(calls > 0);
    assert_eq!(log.stat().unwrap().messages, 16);
    let none = delete_multi(&log, &BTreeSet::new(), |_| panic!("there is nothing to do"));
    assert_eq!(none.unwrap().messages, 0);
    log.publish(&[NewMessage::value(b"x")]).unwrap();
    assert_eq!(log.get(Start::At(20)).unwrap().value.as_deref(), Some(&b"x"[..]));
}

/// Goal: a compaction while others publish removes only superseded messages, never the last one of
/// a key. Method: each key's values count up, and a reader checks the last of each key all the
/// time. The final state is that of a compaction at rest.
#[test]
fn compaction_races_publishing_and_other_compactions() {
    const KEYS: u8 = 8;
    const ROUNDS: u32 = 400;
    let log = MemoryLog::new();
    let done = AtomicBool::new(false);
    let settings = any_age().offsets_max(50);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    compact(&log, &settings).unwrap();
                }
            });
        }
        scope.spawn(|| {
            let mut seen = [0; KEYS as usize];
            while !done.load(Ordering::Acquire) {
                for key in 0..KEYS {
                    let Ok(message) = log.get_by_key(&[key]) else {
                        continue;
                    };
                    let value = message.value.as_deref().map_or(0, |value| {
                        u32::from_be_bytes(value.try_into().expect("four bytes"))
                    });
                    let seen = &mut seen[usize::from(key)];
                    // The last message of an odd key may be a tombstone, which may be gone already.
                    assert!(value >= *seen || key % 2 == 1, "key {key}: {value} after {seen}");
                    *seen = value;
                }
            }
        });
        for round in 1..=ROUNDS {
            for key in 0..KEYS {
                let (key, value) = ([key], round.to_be_bytes());
                let message = NewMessage::new(&key, &value);
                let is_tombstone = key[0] % 2 == 1 && round % 3 == 0;
                log.publish(&[if is_tombstone { tombstone(&key) } else { message }])
                    .unwrap();
            }
        }
        done.store(true, Ordering::Release);
    });
    compact(&log, &settings).unwrap();
    let left = all(&log);
    assert_eq!(left.len(), usize::from(KEYS));
    assert!(
        left.iter()
            .all(|m| m.value.as_deref() == Some(&ROUNDS.to_be_bytes()[..]))
    );
}

#[test]
fn a_closed_log_is_closed() {
    let log = log_of(&["a1"]);
    log.close().unwrap();
    assert!(matches!(compact(&log, &any_age()), Err(Error::Closed)));
    let named = delete_multi(&log, &BTreeSet::from([0]), |_| ControlFlow::Continue(()));
    assert!(matches!(named, Err(Error::Closed)));
}
