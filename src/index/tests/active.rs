use std::convert::Infallible;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};

use proptest::prelude::*;

use super::super::{ActiveIndex, SegmentHints};
use super::model::{BOTH, Model, NONE, SMALL, large, models};

/// The index gives the same answers about the first `visible` records as the model.
fn check(model: &Model, index: &ActiveIndex, visible: usize) {
    for ordinal in 0..visible {
        assert_eq!(
            index.position(ordinal as u32),
            Some(model.records[ordinal].position)
        );
    }
    let messages = model.messages(visible);
    assert_eq!(index.messages_before(visible as u32) as usize, messages.len());
    for (number, ordinal) in (0..).zip(messages) {
        assert_eq!(index.nth_message(number), ordinal);
        assert_eq!(index.messages_before(ordinal), number);
    }
    for time in model.times_asked() {
        let mut reads = 0;
        let found = index.first_at_or_after(time, visible as u32, |position| {
            reads += 1;
            Ok::<_, Infallible>(model.time_of(position))
        });
        assert_eq!(
            found,
            Ok(model.first_at_or_after(time, visible)),
            "time {time}, visible {visible}"
        );
        assert!(reads <= 15);
    }
    for hash in model.hashes_asked() {
        let candidates: Vec<u32> = index.candidates(hash, visible as u32).collect();
        assert!(candidates.is_sorted_by(|a, b| a > b) && candidates.iter().all(|&c| c < visible as u32));
        model.check_candidates(&candidates, hash, visible);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 400 }))]

    /// The index and the model give the same answers, for every number of visible records.
    #[test]
    fn answers_are_those_of_the_model(model in models(SMALL), part in 0..4_usize) {
        let index = model.active(BOTH);
        let count = model.records.len();
        prop_assert_eq!(index.time_max(), model.records.iter().map(|record| record.time).max());
        for visible in [count, count * part / 4, 0] {
            check(&model, &index, visible);
        }
    }
}

#[test]
fn answers_are_those_of_the_model_over_many_tables() {
    for (len, keys) in [(60_000, 60_000), (60_000, 2), (30_000, 700)] {
        let len = if cfg!(miri) { len / 2000 } else { len };
        let model = large(len, keys, 0);
        let index = model.active(BOTH);
        check(&model, &index, len as usize);
        check(&model, &index, len as usize / 2);
    }
}

#[test]
fn an_index_without_keys_or_times_finds_none() {
    let index = large(1000, 10, 0).active(NONE);
    assert_eq!(index.candidates(0, 1000).next(), None);
    assert_eq!(
        index.first_at_or_after(i64::MIN, 1000, |_| Ok::<_, Infallible>(0)),
        Ok(None)
    );
    assert_eq!((index.time_max(), index.position(1000)), (None, None));
}

/// With records of equal size, a full segment's index takes at most 10 bytes a record, and an index
/// with one record next to nothing, whether hints are right, missing or wrong.
#[test]
#[cfg_attr(miri, ignore = "millions of records, for which Miri takes hours")]
fn memory_stays_in_proportion() {
    for records_expected in [0, 400_000, 4_000_000] {
        let bytes = 64 << 20;
        let index = ActiveIndex::new(
            BOTH,
            SegmentHints {
                bytes,
                records_expected,
            },
        );
        let count = bytes / 174;
        for n in 0..count {
            index.push(128 + 174 * n, i64::from(n), Some(n.wrapping_mul(0x9e37_79b1)));
            if n == 0 {
                assert!(
                    index.memory_bytes() < 1000,
                    "{} bytes for one",
                    index.memory_bytes()
                );
            }
        }
        let used = index.memory_bytes();
        assert!(used <= 10 * count as usize, "{used} bytes for {count}");
    }
}

/// Memory stays in proportion to the records that are there when messages become a thousand times
/// larger or smaller on the way, and the guess at their number is wrong.
#[test]
#[cfg_attr(miri, ignore = "millions of records, for which Miri takes hours")]
fn memory_stays_in_proportion_when_messages_change() {
    for (first, later, each) in [(30, 30_000, 16), (3000, 30, 12)] {
        let index = ActiveIndex::new(
            BOTH,
            SegmentHints {
                bytes: 64 << 20,
                records_expected: 0,
            },
        );
        let (mut position, mut n) = (128, 0_u32);
        while position < 64 << 20 {
            index.push(position, i64::from(n), Some(n.wrapping_mul(0x9e37_79b1)));
            position += if n < 20_000 { first } else { later };
            n += 1;
        }
        let used = index.memory_bytes();
        assert!(used <= each * n as usize + (64 << 10), "{used} bytes for {n}");
    }
}

/// One thread pushes records and makes them visible, and two search: every visible record is always
/// there, and right.
#[test]
fn readers_find_what_is_visible_while_the_writer_goes_on() {
    // Miri is a thousand times slower.
    const COUNT: u32 = if cfg!(miri) { 1_050 } else { 300_000 };
    const KEYS: u32 = 1009;
    let index = ActiveIndex::new(
        BOTH,
        SegmentHints {
            bytes: COUNT * 10,
            records_expected: 0,
        },
    );
    let visible = AtomicU32::new(0);
    let hash = |key: u32| key.wrapping_mul(0x9e37_79b1);
    let read = |seed: u32| {
        let mut key = seed;
        loop {
            let now = visible.load(Acquire);
            key = (key + 7) % KEYS;
            let expected = now
                .checked_sub(key + 1)
                .map(|distance| key + distance / KEYS * KEYS);
            let mut same = index
                .candidates(hash(key), now)
                .filter(|ordinal| ordinal % KEYS == key);
            let newest = same.next();
            assert_eq!(newest, expected, "key {key}, visible {now}");
            assert_eq!(same.next(), newest.and_then(|newest| newest.checked_sub(KEYS)));
            let ordinal = expected.unwrap_or(0);
            assert!(now == 0 || index.position(ordinal) == Some(128 + ordinal * 10));
            let time_of = |position: u32| Ok::<_, Infallible>(i64::from((position - 128) / 10 * 3));
            let found = index.first_at_or_after(i64::from(ordinal) * 3 - 1, now, time_of);
            assert_eq!(found, Ok((ordinal < now).then_some(ordinal)));
            if now == COUNT {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| read(0));
        scope.spawn(|| read(500));
        for n in 0..COUNT {
            index.push(128 + n * 10, i64::from(n) * 3, Some(hash(n % KEYS)));
            // The records of a batch become visible together.
            if n % 5 == 4 {
                visible.store(n + 1, Release);
            }
        }
    });
}
