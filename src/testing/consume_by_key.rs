use super::support::{
    all, assert_fails, check_batch, drain_by_key, key_offsets_from, offsets, publish_keys, publish_one, us,
};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, NewMessage, Start};

pub(super) const CASES: &[Case] = case::list![
    consume_by_key_gives_only_messages_with_the_key,
    consume_by_key_gives_what_consume_gives,
    consume_by_key_without_a_match_ends_at_the_next_offset,
    consume_by_key_of_an_empty_log_gives_no_messages,
    consume_by_key_goes_on_one_past_its_last_match,
    consume_by_key_at_an_offset_begins_there,
    consume_by_key_at_next_offset_gives_no_messages_and_the_same_offset,
    consume_by_key_beyond_the_next_offset_is_out_of_range,
    consume_by_key_newest_gives_no_messages_and_the_next_offset,
    consume_by_key_last_n_is_of_the_last_n_messages_of_any_key,
    consume_by_key_last_u64_max_gives_all_matches,
    consume_by_key_from_a_time_begins_there,
    consume_by_key_from_a_time_after_all_is_as_newest,
    consume_by_key_from_a_time_without_a_time_index_is_no_index,
    consume_by_key_of_0_messages_gives_none_and_skips_none,
    consume_by_key_never_gives_more_than_was_asked_for,
    consume_by_key_of_usize_max_messages_gives_all_matches,
    consume_by_key_gives_tombstones,
    consume_by_key_of_the_empty_key_does_not_give_keyless_messages,
    consume_by_key_finds_what_is_published_later,
    consume_by_key_for_every_key_gives_every_message,
    consume_by_key_without_a_key_index_is_no_index,
    consume_by_key_finds_a_match_after_many_others,
];

fn with_keys(new: Factory<'_>, keys: &[&str]) -> Box<dyn Log> {
    let log = new(Setup::KEYS);
    publish_keys(&log, keys);
    log
}

fn consume_by_key_gives_only_messages_with_the_key(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b", "a", "c", "a", "b"]);
    assert_eq!(key_offsets_from(&log, b"a", Start::Oldest), [0, 2, 4]);
    assert_eq!(key_offsets_from(&log, b"b", Start::Oldest), [1, 5]);
    assert_eq!(key_offsets_from(&log, b"c", Start::Oldest), [3]);
    assert_eq!(key_offsets_from(&log, b"d", Start::Oldest), [] as [u64; 0]);
}

fn consume_by_key_gives_what_consume_gives(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b", "a", "c"]);
    let mut expected = all(&log);
    expected.retain(|m| m.key.as_deref() == Some(b"a"));
    assert_eq!(drain_by_key(&log, b"a", Start::Oldest, 10).messages, expected);
}

fn consume_by_key_without_a_match_ends_at_the_next_offset(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b", "a", "c"]);
    for from in [
        Start::Oldest,
        Start::At(0),
        Start::At(3),
        Start::Last(2),
        Start::Newest,
    ] {
        let batch = drain_by_key(&log, b"none", from, 10);
        assert_eq!((batch.messages.len(), batch.next_offset), (0, 4), "from {from:?}");
    }
    let batch = drain_by_key(&log, b"b", Start::At(2), 10);
    assert_eq!((batch.messages.len(), batch.next_offset), (0, 4));
}

fn consume_by_key_of_an_empty_log_gives_no_messages(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    for from in [Start::Oldest, Start::Newest, Start::At(0), Start::Last(3)] {
        let batch = log.consume_by_key(b"a", from, 10).unwrap();
        assert_eq!((batch.messages.len(), batch.next_offset), (0, 0), "from {from:?}");
    }
}

fn consume_by_key_goes_on_one_past_its_last_match(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b", "a", "b", "a"]);
    let mut at = Start::Oldest;
    let mut read = Vec::new();
    while read.len() < 3 {
        let batch = log.consume_by_key(b"a", at, 1).unwrap();
        check_batch(at, 1, &batch);
        assert!(
            at != Start::At(batch.next_offset),
            "no progress before the last match"
        );
        read.extend(offsets(&batch.messages));
        at = Start::At(batch.next_offset);
    }
    assert_eq!(read, [0, 2, 4]);
    assert_eq!(at, Start::At(5));
}

fn consume_by_key_at_an_offset_begins_there(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b", "a", "c", "a", "b"]);
    let all = [0, 2, 4];
    for from in 0..=6 {
        let expected: Vec<u64> = all.into_iter().filter(|offset| *offset >= from).collect();
        assert_eq!(
            key_offsets_from(&log, b"a", Start::At(from)),
            expected,
            "from {from}"
        );
    }
}

fn consume_by_key_at_next_offset_gives_no_messages_and_the_same_offset(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b", "a"]);
    for max_count in [0, 1, usize::MAX] {
        let batch = log.consume_by_key(b"a", Start::At(3), max_count).unwrap();
        assert_eq!((batch.messages.len(), batch.next_offset), (0, 3));
    }
}

fn consume_by_key_beyond_the_next_offset_is_out_of_range(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b", "a"]);
    assert_fails!(
        log.consume_by_key(b"a", Start::At(4), 10),
        Error::OffsetOutOfRange {
            offset: 4,
            start: 0,
            next: 3
        }
    );
    assert_fails!(
        log.consume_by_key(b"none", Start::At(u64::MAX), 10),
        Error::OffsetOutOfRange {
            offset: u64::MAX,
            start: 0,
            next: 3
        }
    );
}

fn consume_by_key_newest_gives_no_messages_and_the_next_offset(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b", "a"]);
    for from in [Start::Newest, Start::Last(0)] {
        let batch = log.consume_by_key(b"a", from, 10).unwrap();
        assert_eq!((batch.messages.len(), batch.next_offset), (0, 3));
    }
}

/// `consume_by_key` is `consume` filtered by key, so a start has the same meaning in both.
fn consume_by_key_last_n_is_of_the_last_n_messages_of_any_key(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b", "a", "c", "a", "b"]);
    let places = [
        (1, vec![]),
        (2, vec![4]),
        (3, vec![4]),
        (4, vec![2, 4]),
        (6, vec![0, 2, 4]),
        (7, vec![0, 2, 4]),
    ];
    for (count, expected) in places {
        assert_eq!(
            key_offsets_from(&log, b"a", Start::Last(count)),
            expected,
            "the last {count}"
        );
    }
}

fn consume_by_key_last_u64_max_gives_all_matches(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b", "a"]);
    assert_eq!(key_offsets_from(&log, b"a", Start::Last(u64::MAX)), [0, 2]);
}

fn consume_by_key_from_a_time_begins_there(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    for (key, time) in [(b"a", 10), (b"b", 5), (b"a", 20), (b"a", 15), (b"b", 30)] {
        publish_one(&log, NewMessage::new(key, b"").time(us(time)));
    }
    assert_eq!(key_offsets_from(&log, b"a", Start::Time(us(0))), [0, 2, 3]);
    assert_eq!(key_offsets_from(&log, b"a", Start::Time(us(11))), [2, 3]);
    assert_eq!(key_offsets_from(&log, b"a", Start::Time(us(20))), [2, 3]);
    assert_eq!(key_offsets_from(&log, b"a", Start::Time(us(21))), [] as [u64; 0]);
    assert_eq!(key_offsets_from(&log, b"b", Start::Time(us(11))), [4]);
}

fn consume_by_key_from_a_time_after_all_is_as_newest(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_one(&log, NewMessage::new(b"a", b"").time(us(10)));
    let batch = log.consume_by_key(b"a", Start::Time(us(11)), 10).unwrap();
    assert_eq!((batch.messages.len(), batch.next_offset), (0, 1));
}

fn consume_by_key_from_a_time_without_a_time_index_is_no_index(new: Factory<'_>) {
    let log = with_keys(new, &["a"]);
    assert_fails!(
        log.consume_by_key(b"a", Start::Time(us(0)), 10),
        Error::NoIndex { .. }
    );
    assert_fails!(
        log.consume_by_key(b"none", Start::Time(us(0)), 10),
        Error::NoIndex { .. }
    );
}

fn consume_by_key_of_0_messages_gives_none_and_skips_none(new: Factory<'_>) {
    let log = with_keys(new, &["b", "a", "b", "a", "b"]);
    for from in 0..=5 {
        let batch = log.consume_by_key(b"a", Start::At(from), 0).unwrap();
        check_batch(Start::At(from), 0, &batch);
        assert_eq!(
            key_offsets_from(&log, b"a", Start::At(batch.next_offset)),
            key_offsets_from(&log, b"a", Start::At(from)),
            "from {from}"
        );
    }
}

fn consume_by_key_never_gives_more_than_was_asked_for(new: Factory<'_>) {
    let log = with_keys(new, &["a"; 50]);
    for max_count in [1, 2, 49, 50, 51] {
        for from in [Start::Oldest, Start::At(0), Start::At(25), Start::Last(50)] {
            let batch = log.consume_by_key(b"a", from, max_count).unwrap();
            check_batch(from, max_count, &batch);
        }
    }
}

fn consume_by_key_of_usize_max_messages_gives_all_matches(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b", "a", "b"]);
    let batch = drain_by_key(&log, b"b", Start::Oldest, usize::MAX);
    assert_eq!(offsets(&batch.messages), [1, 3]);
}

fn consume_by_key_gives_tombstones(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b"]);
    let tombstone = NewMessage::tombstone(b"a");
    log.publish(&[tombstone, NewMessage::new(b"a", b"")]).unwrap();
    let messages = drain_by_key(&log, b"a", Start::Oldest, 10).messages;
    assert_eq!(offsets(&messages), [0, 2, 3]);
    assert_eq!(messages[1].value, None);
    assert_eq!(messages[2].value.as_deref(), Some(&b""[..]));
}

fn consume_by_key_of_the_empty_key_does_not_give_keyless_messages(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let (keyless, empty) = (NewMessage::value(b"v"), NewMessage::new(b"", b"v"));
    log.publish(&[keyless, empty, keyless, empty]).unwrap();
    assert_eq!(key_offsets_from(&log, b"", Start::Oldest), [1, 3]);
}

fn consume_by_key_finds_what_is_published_later(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b"]);
    let batch = drain_by_key(&log, b"a", Start::Oldest, 10);
    publish_keys(&log, &["b", "a", "b", "a"]);
    assert_eq!(key_offsets_from(&log, b"a", Start::At(batch.next_offset)), [3, 5]);
}

fn consume_by_key_for_every_key_gives_every_message(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let keys: Vec<String> = (0..50).map(|n| format!("key-{n}")).collect();
    for round in 0..20 {
        let batch: Vec<&str> = keys[round..].iter().map(String::as_str).collect();
        publish_keys(&log, &batch);
    }
    let mut found = Vec::new();
    for key in &keys {
        found.extend(drain_by_key(&log, key.as_bytes(), Start::Oldest, 3).messages);
    }
    found.sort_by_key(|m| m.offset);
    assert!(
        found == all(&log),
        "the messages of all keys are not all messages"
    );
}

fn consume_by_key_without_a_key_index_is_no_index(new: Factory<'_>) {
    for setup in [Setup::PLAIN, Setup::TIMES] {
        let log = new(setup);
        assert_fails!(log.consume_by_key(b"a", Start::Oldest, 10), Error::NoIndex { .. });
        publish_keys(&log, &["a"]);
        for from in [Start::Oldest, Start::Newest, Start::At(0), Start::Last(1)] {
            assert_fails!(log.consume_by_key(b"a", from, 10), Error::NoIndex { .. });
            assert_fails!(log.consume_by_key(b"none", from, 0), Error::NoIndex { .. });
        }
    }
}

fn consume_by_key_finds_a_match_after_many_others(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["first"]);
    for _ in 0..50 {
        publish_keys(&log, &["other"; 1000]);
    }
    publish_keys(&log, &["last", "first"]);
    assert_eq!(key_offsets_from(&log, b"last", Start::Oldest), [50_001]);
    assert_eq!(key_offsets_from(&log, b"first", Start::Oldest), [0, 50_002]);
    assert_eq!(key_offsets_from(&log, b"first", Start::At(1)), [50_002]);
}
