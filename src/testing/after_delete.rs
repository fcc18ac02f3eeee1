//! Publishing, reading and syncing after a delete.

use std::thread;
use std::time::Duration;

use super::support::{
    all, assert_fails, check_left, delete, number, numbers_without, offsets, offsets_from, publish_keys,
    publish_numbers, publish_one,
};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, NewMessage, PublishOptions, Start};

pub(super) const CASES: &[Case] = case::list![
    deleted_offsets_are_not_given_out_again,
    the_offsets_of_deleted_newest_messages_are_not_given_out_again,
    the_offsets_of_an_emptied_log_are_not_given_out_again,
    an_emptied_log_can_be_published_to,
    an_emptied_log_takes_a_batch_of_any_size,
    a_log_can_be_emptied_many_times,
    publishing_goes_on_after_each_delete,
    an_expected_offset_is_that_after_the_deleted_newest,
    messages_read_before_their_delete_stay_valid,
    another_thread_no_longer_sees_what_was_deleted,
    sync_after_a_delete_reaches_the_next_offset,
];

fn deleted_offsets_are_not_given_out_again(new: Factory<'_>) {
    let log = numbers_without(new, 10, &[0, 4, 5]);
    assert_eq!(publish_one(&log, NewMessage::value(b"10")), 10);
    check_left(&log, &[1, 2, 3, 6, 7, 8, 9, 10]);
}

fn the_offsets_of_deleted_newest_messages_are_not_given_out_again(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for offset in 0..30 {
        let value = offset.to_string();
        assert_eq!(publish_one(&log, NewMessage::value(value.as_bytes())), offset);
        if offset % 3 > 0 {
            assert_eq!(delete(&log, &[offset]).messages, 1);
        }
    }
    check_left(&log, &(0..30).step_by(3).collect::<Vec<u64>>());
}

fn the_offsets_of_an_emptied_log_are_not_given_out_again(new: Factory<'_>) {
    let log = numbers_without(new, 5, &[0, 1, 2, 3, 4]);
    assert_eq!(publish_one(&log, NewMessage::value(b"5")), 5);
    delete(&log, &[5]);
    assert_eq!(publish_one(&log, NewMessage::value(b"6")), 6);
    check_left(&log, &[6]);
}

fn an_emptied_log_can_be_published_to(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_keys(&log, &["a", "b"]);
    delete(&log, &[0, 1]);
    publish_keys(&log, &["b", "c", "b"]);
    check_left(&log, &[2, 3, 4]);
    assert_fails!(log.get_by_key(b"a"), Error::NotFound);
    assert_eq!(log.offset_by_key(b"b").unwrap(), 4);
    assert_eq!(offsets_from(&log, Start::At(0)), [2, 3, 4]);
}

fn an_emptied_log_takes_a_batch_of_any_size(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let value = vec![7; 100_000];
    for (end, len) in (0..).zip([10, 100_000, 1000, 50_000, 100_000]) {
        let message = NewMessage::new(b"key", &value[..len]);
        assert_eq!(log.publish(&[message]).unwrap(), end + 1);
        check_left(&log, &[end]);
        assert_eq!(log.get_by_key(b"key").unwrap().offset, end);
        assert_eq!(delete(&log, &[end]).messages, 1);
        check_left(&log, &[]);
    }
}

fn a_log_can_be_emptied_many_times(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let mut end = 0;
    for count in (1..8).cycle().take(40) {
        publish_numbers(&log, end..end + count);
        assert_eq!(
            delete(&log, &(0..end + count).collect::<Vec<u64>>()).messages,
            count
        );
        end += count;
        assert_eq!(all(&log), []);
    }
    assert_eq!(log.next_offset().unwrap(), end);
}

fn publishing_goes_on_after_each_delete(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let mut left = Vec::new();
    for round in 0..50 {
        publish_numbers(&log, round * 10..round * 10 + 10);
        left.extend(round * 10..round * 10 + 10);
        let named = [round * 3, round * 10 + 9, round * 7];
        delete(&log, &named);
        left.retain(|offset| !named.contains(offset));
    }
    let messages = all(&log);
    assert_eq!(offsets(&messages), left);
    assert!(messages.iter().all(|m| number(m) == m.offset));
}

fn an_expected_offset_is_that_after_the_deleted_newest(new: Factory<'_>) {
    let log = numbers_without(new, 5, &[3, 4]);
    let message = [NewMessage::value(b"5")];
    assert_fails!(
        log.publish_with(&message, &PublishOptions::new().expect_next_offset(3)),
        Error::OffsetMismatch {
            expected: 3,
            actual: 5
        }
    );
    let how = PublishOptions::new().expect_next_offset(5);
    assert_eq!(log.publish_with(&message, &how).unwrap(), 6);
}

fn messages_read_before_their_delete_stay_valid(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..500);
    let held = all(&log);
    let one = log.get(Start::At(250)).unwrap();
    delete(&log, &(0..500).collect::<Vec<u64>>());
    log.gc(Duration::ZERO).unwrap();
    publish_numbers(&log, 500..1000);
    log.close().unwrap();
    drop(log);
    assert!(held.iter().zip(0..500).all(|(m, offset)| number(m) == offset));
    assert_eq!((number(&one), one.offset), (250, 250));
}

fn another_thread_no_longer_sees_what_was_deleted(new: Factory<'_>) {
    let log = numbers_without(new, 10, &[3, 9]);
    thread::scope(|scope| {
        scope.spawn(|| {
            assert_fails!(log.get(Start::At(3)), Error::NotFound);
            assert_eq!(log.get(Start::Newest).unwrap().offset, 8);
        });
    });
}

fn sync_after_a_delete_reaches_the_next_offset(new: Factory<'_>) {
    let log = numbers_without(new, 10, &[9]);
    assert_eq!(log.sync().unwrap(), 10);
    assert_eq!(log.stat().unwrap().synced_offset, 10);
    delete(&log, &(0..10).collect::<Vec<u64>>());
    assert_eq!(log.sync().unwrap(), 10);
}
