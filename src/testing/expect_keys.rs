use std::thread;
use std::time::{Duration, Instant};

use super::control_support::{M, assert_refused, control, how, refused, with_token};
use super::support::{all, delete, in_threads, number, offsets, publish_keys};
use super::{Case, Factory, Setup, case};
use crate::{Control, Error, Log, NewMessage};

pub(super) const CASES: &[Case] = case::list![control:
    expecting_the_last_offset_of_a_key_publishes,
    expecting_no_message_of_a_key_publishes_the_first,
    expecting_another_offset_of_a_key_is_a_mismatch,
    expecting_no_message_of_a_key_that_has_one_is_a_mismatch,
    expecting_a_message_of_a_key_that_has_none_is_a_mismatch,
    expecting_the_offset_of_a_message_with_another_key_is_a_mismatch,
    an_expected_key_is_compared_with_the_log_before_the_batch,
    an_expected_key_need_not_be_that_of_the_batch,
    a_tombstone_is_the_last_message_of_its_key,
    the_empty_key_can_be_expected,
    messages_without_key_are_no_messages_of_the_empty_key,
    an_expected_key_goes_by_existing_messages_after_a_delete,
    an_expected_key_goes_by_existing_messages_after_a_trim,
    control_records_are_no_messages_of_a_key,
    an_empty_batch_checks_the_expected_key,
    an_expected_key_without_key_index_is_no_index,
    publish_with_checks_the_expected_key,
    an_expected_key_holds_for_one_call_only,
    a_chain_of_expected_keys_never_loses_an_update,
];

const KEY: NewMessage<'static> = NewMessage::new(b"key", b"value");

/// Panics unless the call is refused, and the log says that the key's last message is this one.
#[track_caller]
fn assert_mismatch(log: &dyn Log, key: &[u8], given: Option<u64>, there: Option<u64>) {
    match refused(log, || log.append(&[KEY], &how().expect_key(key, given))) {
        Error::KeyMismatch { expected, actual } => assert_eq!((expected, actual), (given, there)),
        other => panic!("the keys should not match, but the error is {other:?}"),
    }
}

fn expecting_the_last_offset_of_a_key_publishes(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["key", "other", "key", "other"]);
    let ack = log.append(&[KEY], &how().expect_key(b"key", Some(2))).unwrap();
    assert_eq!(ack.start.offset, 4);
    let ack = log.append(&[KEY], &how().expect_key(b"key", Some(4))).unwrap();
    assert_eq!(ack.start.offset, 5);
}

fn expecting_no_message_of_a_key_publishes_the_first(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["k", "key ", "KEY"]);
    let ack = log.append(&[KEY], &how().expect_key(b"key", None)).unwrap();
    assert_eq!((ack.start.offset, log.offset_by_key(b"key").unwrap()), (3, 3));
}

fn expecting_another_offset_of_a_key_is_a_mismatch(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["key", "other", "key", "other"]);
    for wrong in [0, 1, 3, 4, u64::MAX] {
        assert_mismatch(&log, b"key", Some(wrong), Some(2));
    }
}

fn expecting_no_message_of_a_key_that_has_one_is_a_mismatch(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["key"]);
    assert_mismatch(&log, b"key", None, Some(0));
}

fn expecting_a_message_of_a_key_that_has_none_is_a_mismatch(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    assert_mismatch(&log, b"key", Some(0), None);
    publish_keys(&log, &["other"]);
    assert_mismatch(&log, b"key", Some(0), None);
}

fn expecting_the_offset_of_a_message_with_another_key_is_a_mismatch(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["key", "other"]);
    assert_mismatch(&log, b"key", Some(1), Some(0));
}

fn an_expected_key_is_compared_with_the_log_before_the_batch(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let ack = log.append(&[KEY, KEY], &how().expect_key(b"key", None)).unwrap();
    assert_eq!(ack.end.offset, 2);
    assert_mismatch(&log, b"key", Some(2), Some(1));
    log.append(&[KEY, KEY], &how().expect_key(b"key", Some(1)))
        .unwrap();
}

fn an_expected_key_need_not_be_that_of_the_batch(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["key"]);
    log.append(&[M], &how().expect_key(b"key", Some(0))).unwrap();
    log.append(
        &[NewMessage::new(b"other", b"")],
        &how().expect_key(b"key", Some(0)),
    )
    .unwrap();
    assert_eq!(offsets(&all(&log)), [0, 1, 2]);
}

fn a_tombstone_is_the_last_message_of_its_key(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    log.publish(&[KEY, NewMessage::tombstone(b"key")]).unwrap();
    assert_mismatch(&log, b"key", None, Some(1));
    assert_mismatch(&log, b"key", Some(0), Some(1));
    log.append(&[KEY], &how().expect_key(b"key", Some(1))).unwrap();
}

fn the_empty_key_can_be_expected(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let empty = NewMessage::new(b"", b"x");
    log.append(&[empty], &how().expect_key(b"", None)).unwrap();
    assert_mismatch(&log, b"", None, Some(0));
    log.append(&[empty], &how().expect_key(b"", Some(0))).unwrap();
}

fn messages_without_key_are_no_messages_of_the_empty_key(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    log.publish(&[M, M]).unwrap();
    assert_mismatch(&log, b"", Some(1), None);
    log.append(&[M], &how().expect_key(b"", None)).unwrap();
}

fn an_expected_key_goes_by_existing_messages_after_a_delete(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["key", "key"]);
    delete(&log, &[1]);
    assert_mismatch(&log, b"key", Some(1), Some(0));
    delete(&log, &[0]);
    assert_mismatch(&log, b"key", Some(0), None);
    log.append(&[KEY], &how().expect_key(b"key", None)).unwrap();
}

fn an_expected_key_goes_by_existing_messages_after_a_trim(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["key", "other"]);
    log.trim(1).unwrap();
    assert_mismatch(&log, b"key", Some(0), None);
    log.append(&[KEY], &how().expect_key(b"key", None)).unwrap();
}

fn control_records_are_no_messages_of_a_key(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    control(&log, Control::Trim(0));
    log.append(&[KEY], &how().expect_key(b"key", None).and(Control::Trim(0)))
        .unwrap();
    assert_mismatch(&log, b"key", Some(2), Some(1));
    assert_mismatch(&log, b"", Some(0), None);
}

fn an_empty_batch_checks_the_expected_key(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["key"]);
    let expecting = |last| how().expect_key(b"key", last);
    assert_refused!(log, log.append(&[], &expecting(None)), Error::KeyMismatch { .. });
    assert_eq!(log.append(&[], &expecting(Some(0))).unwrap().end.offset, 1);
}

fn an_expected_key_without_key_index_is_no_index(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    for last in [None, Some(0)] {
        let expecting = how().expect_key(b"key", last);
        assert_refused!(log, log.append(&[KEY], &expecting), Error::NoIndex { .. });
        assert_refused!(log, log.publish_with(&[KEY], &expecting), Error::NoIndex { .. });
        assert_refused!(log, log.append(&[], &expecting), Error::NoIndex { .. });
    }
}

fn publish_with_checks_the_expected_key(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let expecting = how().expect_key(b"key", None);
    assert_eq!(log.publish_with(&[KEY], &expecting).unwrap(), 1);
    assert_refused!(
        log,
        log.publish_with(&[KEY], &expecting),
        Error::KeyMismatch {
            expected: None,
            actual: Some(0)
        }
    );
}

fn an_expected_key_holds_for_one_call_only(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    log.append(&[KEY], &how().expect_key(b"key", None)).unwrap();
    log.append(&[KEY], &how()).unwrap();
    log.append(&[KEY], &with_token("")).unwrap();
    assert_eq!(log.publish(&[KEY]).unwrap(), 4);
}

/// Reads the last number and publishes the next one, again and again until it succeeds.
fn add_one(log: &dyn Log) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let last = log.get_by_key(b"key").ok();
        let count = last.as_ref().map_or(0, number) + 1;
        let value = count.to_string();
        let message = NewMessage::new(b"key", value.as_bytes());
        let how = how().expect_key(b"key", last.map(|last| last.offset));
        match log.append(&[message, M], &how) {
            Ok(_) => return,
            Err(Error::KeyMismatch { .. }) => thread::yield_now(),
            Err(other) => panic!("{other:?}"),
        }
        assert!(Instant::now() < deadline, "no chance to publish in a minute");
    }
}

fn a_chain_of_expected_keys_never_loses_an_update(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    in_threads(4, |_| (0..25).for_each(|_| add_one(&log)));
    let last = log.get_by_key(b"key").unwrap();
    assert_eq!((number(&last), log.next_offset().unwrap()), (100, 200));
}
