//! `LogExt`, on logs with and without gaps.

use std::collections::{BTreeMap, BTreeSet};

use duramen::{
    Control, Error, Log, LogExt, MemoryLog, Message, NewMessage, Options, PublishOptions, Result, Start,
    TLog, TNewMessage, Timestamp, codec,
};
use proptest::prelude::*;

fn offsets(messages: impl Iterator<Item = Result<Message>>) -> Vec<u64> {
    messages.map(|message| message.expect("read").offset).collect()
}

/// A log of so many messages from which these were deleted, and those before `start` trimmed.
fn with_gaps(count: u64, deleted: &BTreeSet<u64>, start: u64) -> (MemoryLog, Vec<u64>) {
    let log = MemoryLog::new();
    for number in 0..count {
        let key = (number % 7).to_string();
        log.publish(&[NewMessage::new(key.as_bytes(), b"value")])
            .expect("published");
    }
    log.delete(deleted).expect("deleted");
    log.trim(start).expect("trimmed");
    let left = (start.min(count)..count)
        .filter(|offset| !deleted.contains(offset))
        .collect();
    (log, left)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn iterators_give_what_is_there(
        count in 0..400_u64,
        deleted in prop::collection::btree_set(0..400_u64, 0..400),
        start in 0..400_u64,
    ) {
        let (log, mut left) = with_gaps(count, &deleted, start);
        prop_assert_eq!(offsets(log.iter(Start::Oldest)), left.clone());
        left.reverse();
        prop_assert_eq!(offsets(log.reverse_iter()), left.clone());
        let mut latest = BTreeMap::new();
        for offset in left.iter().rev() {
            latest.insert(offset % 7, *offset);
        }
        let expected: BTreeSet<u64> = latest.into_values().collect();
        let state = log.latest_by_key().expect("read");
        prop_assert!(state.iter().map(|message| message.offset).eq(expected));
        prop_assert_eq!(state.next_offset, count);
    }
}

/// Backwards over a gap of many offsets, and into a dense piece behind it.
#[test]
fn reverse_iter_passes_long_gaps() {
    let (log, left) = with_gaps(20_000, &(3_000..19_990).collect(), 5);
    assert!(offsets(log.reverse_iter()).into_iter().eq(left.into_iter().rev()));
}

#[test]
fn reverse_iter_of_a_file_log_goes_over_segments() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = Options::new()
        .rollover(4 << 10)
        .open(dir.path())
        .expect("a new log");
    for number in 0..500_u64 {
        log.publish(&[NewMessage::value(&number.to_le_bytes())])
            .expect("published");
    }
    assert!(log.stat().expect("open").segments > 3);
    assert!(offsets(log.reverse_iter()).into_iter().eq((0..500).rev()));
    // What comes after the first look is not among them, and a close ends it.
    let mut back = log.reverse_iter();
    assert_eq!(back.next().expect("there").expect("read").offset, 499);
    log.publish_one(NewMessage::value(b"later")).expect("published");
    assert_eq!(back.next().expect("there").expect("read").offset, 498);
    log.close().expect("closed");
    assert!(matches!(back.find(Result::is_err), Some(Err(Error::Closed))));
    assert!(back.next().is_none());
}

#[test]
fn reverse_iter_ends_where_a_trim_has_moved_the_start() {
    let (log, _) = with_gaps(200, &BTreeSet::new(), 0);
    let mut back = log.reverse_iter();
    assert_eq!(back.next().expect("there").expect("read").offset, 199);
    log.trim(190).expect("trimmed");
    let rest = offsets(back);
    // What was read ahead may be older than the trim; nothing older is read.
    assert!(rest.iter().copied().eq((200 - 1 - rest.len() as u64..199).rev()) && rest.len() < 100);
}

#[test]
fn iter_looks_again_at_the_end_and_ends_at_an_error() {
    let log = MemoryLog::new();
    let mut all = log.iter(0);
    assert!(all.next().is_none());
    assert_eq!(log.publish_one(NewMessage::value(b"0")).expect("published"), 0);
    assert_eq!(all.next().expect("there").expect("read").offset, 0);
    assert!(all.next().is_none());
    log.close().expect("closed");
    assert!(matches!(all.next(), Some(Err(Error::Closed))));
    assert!(all.next().is_none());
}

#[test]
fn starts_are_given_as_they_are() {
    let log = MemoryLog::new();
    let at = Timestamp::from_micros;
    for number in 0..5 {
        log.publish_one(NewMessage::value(b"x").time(at(number * 10)))
            .expect("published");
    }
    let first = |batch: Result<duramen::Batch>| batch.expect("read").messages[0].offset;
    assert_eq!(first(log.consume_from(3, 10)), 3);
    assert_eq!(first(log.consume_from(at(15), 10)), 2);
    assert_eq!(first(log.consume_from(Start::Last(1), 10)), 4);
    assert_eq!(offsets(log.iter(at(25))), [3, 4]);
}

#[test]
fn the_state_by_key_has_tombstones_and_nothing_without_a_key() {
    let log: Box<dyn Log> = Box::new(MemoryLog::new());
    let tombstone = NewMessage::tombstone(b"lamp");
    let messages = [
        NewMessage::new(b"lamp", b"on"),
        NewMessage::value(b"no key"),
        NewMessage::new(b"", b"the empty key").headers(&[(b"by", b"hand")]),
        tombstone,
    ];
    log.publish(&messages).expect("published");
    let state = log.latest_by_key().expect("read");
    assert_eq!(state.next_offset, 4);
    assert_eq!(
        state.messages,
        [
            log.get(Start::At(2)).expect("there"),
            log.get(Start::At(3)).expect("there")
        ]
    );
    let alive = state.iter().filter(|message| message.value.is_some()).count();
    assert_eq!(alive, 1);
}

/// Goal: the offset of a message that is published alone is known, whatever goes with it. Method: with a control record
/// behind it, published again, and under a condition that does not hold.
#[test]
fn publish_one_with_returns_the_offset_of_the_message() {
    let log = MemoryLog::new();
    let message = NewMessage::new(b"a", b"1");
    let fencing = PublishOptions::new().and(Control::Fence("t".parse().expect("a token")));
    assert_eq!(log.publish_one_with(message, &fencing).expect("published"), 0);
    let numbered = PublishOptions::new().producer(7, 1);
    assert_eq!(log.publish_one_with(message, &numbered).expect("published"), 2);
    assert_eq!(log.publish_one(message).expect("published"), 3);
    assert_eq!(log.publish_one_with(message, &numbered).expect("a duplicate"), 2);
    let expecting = PublishOptions::new().expect_next_offset(3);
    let late = log.publish_one_with(message, &expecting);
    assert!(
        matches!(late, Err(Error::OffsetMismatch { actual: 4, .. })),
        "{late:?}"
    );

    let typed = TLog::new(&log, codec::Utf8, codec::U64);
    let key = "b".to_owned();
    assert_eq!(
        typed.publish_one(TNewMessage::new(&key, &1)).expect("published"),
        4
    );
    let message = TNewMessage::new(&key, &2);
    assert_eq!(
        typed.publish_one_with(message, &numbered).expect("a duplicate"),
        2
    );
    let next = PublishOptions::new().expect_next_offset(5);
    assert_eq!(typed.publish_one_with(message, &next).expect("published"), 5);
}
