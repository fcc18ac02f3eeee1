use super::support::{assert_fails, key_offsets_from, number, publish_keys, publish_one};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, NewMessage, Start};

pub(super) const CASES: &[Case] = case::list![
    get_by_key_is_the_only_message_with_the_key,
    get_by_key_is_the_last_message_with_the_key,
    get_by_key_is_the_last_of_one_batch,
    get_by_key_follows_every_update,
    get_by_key_finds_a_tombstone,
    get_by_key_finds_what_came_after_a_tombstone,
    a_key_that_no_message_has_is_not_found,
    every_key_of_an_empty_log_is_not_found,
    the_empty_key_is_a_key,
    a_message_without_a_key_is_not_under_the_empty_key,
    a_message_without_a_key_is_under_no_key,
    keys_are_equal_byte_by_byte,
    a_key_is_not_found_by_its_beginning,
    a_value_is_not_a_key,
    offset_by_key_is_the_offset_of_get_by_key,
    get_by_key_gives_what_get_gives,
    get_by_key_without_a_key_index_is_no_index,
    offset_by_key_without_a_key_index_is_no_index,
    a_hundred_thousand_keys_are_told_apart,
    many_updates_of_few_keys_leave_the_last_of_each,
];

fn get_by_key_is_the_only_message_with_the_key(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["a", "b", "c"]);
    for (offset, key) in ["a", "b", "c"].iter().enumerate() {
        let message = log.get_by_key(key.as_bytes()).unwrap();
        assert_eq!(message.offset, offset as u64);
        assert_eq!(message.key.as_deref(), Some(key.as_bytes()));
    }
}

fn get_by_key_is_the_last_message_with_the_key(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    for key in ["a", "b", "a", "c", "b"] {
        publish_keys(&log, &[key]);
    }
    assert_eq!(log.get_by_key(b"a").unwrap().offset, 2);
    assert_eq!(log.get_by_key(b"b").unwrap().offset, 4);
    assert_eq!(log.get_by_key(b"c").unwrap().offset, 3);
}

fn get_by_key_is_the_last_of_one_batch(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["a", "a", "b", "a", "b"]);
    let message = log.get_by_key(b"a").unwrap();
    assert_eq!((message.offset, number(&message)), (3, 3));
    assert_eq!(log.get_by_key(b"b").unwrap().offset, 4);
}

fn get_by_key_follows_every_update(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    for _ in 0..200 {
        let offset = publish_one(&log, NewMessage::new(b"key", b"value"));
        publish_one(&log, NewMessage::new(b"other", b"value"));
        assert_eq!(log.get_by_key(b"key").unwrap().offset, offset);
    }
}

fn get_by_key_finds_a_tombstone(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["a", "b"]);
    let tombstone = NewMessage::tombstone(b"a");
    publish_one(&log, tombstone);
    let message = log.get_by_key(b"a").unwrap();
    assert_eq!((message.offset, message.value), (2, None));
    assert_eq!(log.offset_by_key(b"a").unwrap(), 2);
    assert_eq!(log.offset_by_key(b"b").unwrap(), 1);
}

fn get_by_key_finds_what_came_after_a_tombstone(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let tombstone = NewMessage::tombstone(b"a");
    publish_one(&log, tombstone);
    publish_one(&log, NewMessage::new(b"a", b"back"));
    let message = log.get_by_key(b"a").unwrap();
    assert_eq!(message.value.as_deref(), Some(&b"back"[..]));
}

fn a_key_that_no_message_has_is_not_found(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["a", "b"]);
    for key in [&b"c"[..], b"", b"A", b"ab"] {
        assert_fails!(log.get_by_key(key), Error::NotFound);
        assert_fails!(log.offset_by_key(key), Error::NotFound);
    }
}

fn every_key_of_an_empty_log_is_not_found(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    for key in [&b""[..], b"a", &[0; 1000]] {
        assert_fails!(log.get_by_key(key), Error::NotFound);
        assert_fails!(log.offset_by_key(key), Error::NotFound);
    }
}

fn the_empty_key_is_a_key(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["a", "", "b", "", "c"]);
    let message = log.get_by_key(b"").unwrap();
    assert_eq!((message.offset, message.key.as_deref()), (3, Some(&b""[..])));
    assert_eq!(log.offset_by_key(b"").unwrap(), 3);
    assert_eq!(key_offsets_from(&log, b"", Start::Oldest), [1, 3]);
}

fn a_message_without_a_key_is_not_under_the_empty_key(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_one(&log, NewMessage::value(b"keyless"));
    assert_fails!(log.get_by_key(b""), Error::NotFound);
    publish_one(&log, NewMessage::new(b"", b"empty key"));
    publish_one(&log, NewMessage::value(b"keyless"));
    publish_one(&log, NewMessage::default());
    assert_eq!(log.offset_by_key(b"").unwrap(), 1);
    assert_eq!(key_offsets_from(&log, b"", Start::Oldest), [1]);
}

fn a_message_without_a_key_is_under_no_key(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let headers = [(&b"key"[..], &b"key"[..])];
    let keyless = NewMessage::value(b"key").headers(&headers);
    log.publish(&[keyless, NewMessage::new(b"key", b"v"), keyless])
        .unwrap();
    assert_eq!(log.offset_by_key(b"key").unwrap(), 1);
    assert_eq!(key_offsets_from(&log, b"key", Start::Oldest), [1]);
}

fn keys_are_equal_byte_by_byte(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let keys: [&[u8]; 10] = [
        b"a",
        b"A",
        b"a\0",
        b"\0a",
        b"a ",
        b"\0",
        b"\0\0",
        b"",
        b"\xc3\xa4",
        b"a\xcc\x88",
    ];
    for key in keys {
        publish_one(&log, NewMessage::new(key, b"value"));
    }
    for (offset, key) in keys.into_iter().enumerate() {
        assert_eq!(
            key_offsets_from(&log, key, Start::Oldest),
            [offset as u64],
            "key {key:?}"
        );
        assert_eq!(log.offset_by_key(key).unwrap(), offset as u64);
    }
}

fn a_key_is_not_found_by_its_beginning(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["user-17", "user-1"]);
    assert_eq!(log.offset_by_key(b"user-1").unwrap(), 1);
    assert_eq!(log.offset_by_key(b"user-17").unwrap(), 0);
    assert_fails!(log.offset_by_key(b"user-"), Error::NotFound);
    assert_fails!(log.offset_by_key(b"user-171"), Error::NotFound);
}

fn a_value_is_not_a_key(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_one(&log, NewMessage::new(b"key", b"value"));
    assert_fails!(log.get_by_key(b"value"), Error::NotFound);
    assert_fails!(log.get_by_key(b"keyvalue"), Error::NotFound);
}

fn offset_by_key_is_the_offset_of_get_by_key(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["a", "b", "a", "", "b", "c"]);
    for key in ["a", "b", "c", ""] {
        let message = log.get_by_key(key.as_bytes()).unwrap();
        assert_eq!(
            log.offset_by_key(key.as_bytes()).unwrap(),
            message.offset,
            "key {key:?}"
        );
    }
}

fn get_by_key_gives_what_get_gives(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["a", "b", "a"]);
    for key in [b"a", b"b"] {
        let message = log.get_by_key(key).unwrap();
        assert_eq!(log.get(Start::At(message.offset)).unwrap(), message);
    }
}

fn get_by_key_without_a_key_index_is_no_index(new: Factory<'_>) {
    for setup in [Setup::PLAIN, Setup::TIMES] {
        let log = new(setup);
        assert_fails!(log.get_by_key(b"a"), Error::NoIndex { .. });
        publish_keys(&log, &["a"]);
        assert_fails!(log.get_by_key(b"a"), Error::NoIndex { .. });
        assert_fails!(log.get_by_key(b"none"), Error::NoIndex { .. });
        assert_eq!(
            log.get(Start::Oldest).unwrap().key.as_deref(),
            Some(&b"a"[..]),
            "the key is kept even so"
        );
    }
}

fn offset_by_key_without_a_key_index_is_no_index(new: Factory<'_>) {
    for setup in [Setup::PLAIN, Setup::TIMES] {
        let log = new(setup);
        assert_fails!(log.offset_by_key(b"a"), Error::NoIndex { .. });
        publish_keys(&log, &["a"]);
        assert_fails!(log.offset_by_key(b"a"), Error::NoIndex { .. });
    }
}

/// Among so many keys, a few pairs share a 32-bit hash: pairs of two published keys, and pairs of a
/// published and an absent key.
fn a_hundred_thousand_keys_are_told_apart(new: Factory<'_>) {
    const COUNT: u64 = 100_000;
    let log = new(Setup::KEYS);
    let keys: Vec<[u8; 8]> = (0..2 * COUNT).map(u64::to_le_bytes).collect();
    let (there, others) = keys.split_at(keys.len() / 2);
    for keys in there.chunks(1000) {
        let batch: Vec<NewMessage<'_>> = keys.iter().map(|key| NewMessage::new(key, b"")).collect();
        log.publish(&batch).unwrap();
    }
    for (offset, key) in (0..COUNT).zip(there) {
        assert_eq!(log.offset_by_key(key).unwrap(), offset);
    }
    for key in others {
        assert_fails!(log.offset_by_key(key), Error::NotFound);
    }
}

fn many_updates_of_few_keys_leave_the_last_of_each(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let mut random = super::support::Random::new(1);
    let mut last = [None; 10];
    for _ in 0..100 {
        let keys: Vec<[u8; 1]> = (0..20).map(|_| [random.below(10).to_le_bytes()[0]]).collect();
        let begin = log.next_offset().unwrap();
        let batch: Vec<NewMessage<'_>> = keys.iter().map(|key| NewMessage::new(key, b"")).collect();
        log.publish(&batch).unwrap();
        for (offset, key) in (begin..).zip(&keys) {
            last[usize::from(key[0])] = Some(offset);
        }
        for (key, last) in (0_u8..).zip(last) {
            assert_eq!(log.offset_by_key(&[key]).ok(), last, "key {key}");
        }
    }
}
