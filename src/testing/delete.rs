//! What a delete removes, what it reports, and what it leaves alone.

use std::collections::BTreeSet;

use super::support::{
    all, assert_fails, check_left, delete, number, numbers_without, offsets, publish_keys, publish_numbers,
    publish_one,
};
use super::{Case, Factory, Setup, case};
use crate::{Deleted, Error, Log, NewMessage, Start};

pub(super) const CASES: &[Case] = case::list![
    delete_removes_every_named_message_and_no_other,
    delete_of_nothing_removes_nothing,
    delete_of_a_single_message_removes_it,
    delete_of_the_oldest_messages_removes_them,
    delete_of_the_newest_messages_removes_them,
    delete_of_all_messages_removes_them,
    delete_of_messages_far_apart_removes_all_of_them,
    delete_of_every_other_message_removes_half,
    delete_in_the_middle_of_a_batch_leaves_the_rest_of_it,
    delete_tells_how_many_messages_it_removed,
    delete_tells_no_more_than_the_messages_that_existed,
    delete_ignores_offsets_that_are_not_in_the_log,
    delete_ignores_offsets_that_are_deleted,
    delete_ignores_offsets_that_are_trimmed,
    delete_of_offsets_not_yet_given_out_does_not_wait_for_them,
    delete_of_an_empty_log_removes_nothing,
    delete_frees_storage,
    delete_of_nothing_frees_nothing,
    delete_lowers_the_count_of_messages,
    delete_leaves_the_start_offset,
    delete_leaves_the_next_offset,
    delete_leaves_the_epoch,
    delete_leaves_the_content_of_the_others,
    delete_some_removes_what_it_takes_out,
    delete_some_of_nothing_removes_nothing,
    delete_again_and_again_removes_everything,
    delete_after_close_is_closed,
];

fn delete_removes_every_named_message_and_no_other(new: Factory<'_>) {
    let log = numbers_without(new, 10, &[2, 3, 7]);
    check_left(&log, &[0, 1, 4, 5, 6, 8, 9]);
    for offset in [2, 3, 7] {
        assert_fails!(log.get(Start::At(offset)), Error::NotFound);
    }
}

fn delete_of_nothing_removes_nothing(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    assert_eq!(delete(&log, &[]), Deleted::default());
    check_left(&log, &[0, 1, 2]);
}

fn delete_of_a_single_message_removes_it(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..1);
    assert_eq!(delete(&log, &[0]).messages, 1);
    check_left(&log, &[]);
}

fn delete_of_the_oldest_messages_removes_them(new: Factory<'_>) {
    let log = numbers_without(new, 10, &[0, 1, 2]);
    check_left(&log, &[3, 4, 5, 6, 7, 8, 9]);
}

fn delete_of_the_newest_messages_removes_them(new: Factory<'_>) {
    let log = numbers_without(new, 10, &[7, 8, 9]);
    check_left(&log, &[0, 1, 2, 3, 4, 5, 6]);
}

fn delete_of_all_messages_removes_them(new: Factory<'_>) {
    let every: Vec<u64> = (0..100).collect();
    let log = numbers_without(new, 100, &every);
    check_left(&log, &[]);
    assert_fails!(log.get(Start::Oldest), Error::NotFound);
    assert_fails!(log.get(Start::Newest), Error::NotFound);
}

/// In a log of segments, the messages are in many segments.
fn delete_of_messages_far_apart_removes_all_of_them(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    for batch in 0..100 {
        publish_numbers(&log, batch * 50..batch * 50 + 50);
    }
    let named: Vec<u64> = (0..5000).step_by(700).chain([1, 4998, 4999]).collect();
    assert_eq!(delete(&log, &named).messages, named.len() as u64);
    let expected: Vec<u64> = (0..5000).filter(|offset| !named.contains(offset)).collect();
    assert_eq!(offsets(&all(&log)), expected);
}

fn delete_of_every_other_message_removes_half(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    for batch in 0..40 {
        publish_numbers(&log, batch * 25..batch * 25 + 25);
    }
    let odd: Vec<u64> = (1..1000).step_by(2).collect();
    assert_eq!(delete(&log, &odd).messages, 500);
    check_left(&log, &(0..1000).step_by(2).collect::<Vec<u64>>());
}

fn delete_in_the_middle_of_a_batch_leaves_the_rest_of_it(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_keys(&log, &["a", "b", "c", "d", "e"]);
    delete(&log, &[1, 3]);
    let left = all(&log);
    let numbers: Vec<u64> = left.iter().map(number).collect();
    assert_eq!((offsets(&left), numbers), (vec![0, 2, 4], vec![0, 2, 4]));
    assert_eq!(log.offset_by_key(b"e").unwrap(), 4);
}

fn delete_tells_how_many_messages_it_removed(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..30);
    for (named, count) in [(&[0][..], 1), (&[1, 2, 3], 3), (&[10, 29], 2)] {
        assert_eq!(delete(&log, named).messages, count);
    }
    let rest: Vec<u64> = (0..30).collect();
    assert_eq!(delete(&log, &rest).messages, 24);
}

fn delete_tells_no_more_than_the_messages_that_existed(new: Factory<'_>) {
    let log = numbers_without(new, 10, &[4]);
    assert_eq!(delete(&log, &[3, 4, 5, 10, 11, u64::MAX]).messages, 2);
    assert_eq!(delete(&log, &[3, 4, 5]), Deleted::default());
}

fn delete_ignores_offsets_that_are_not_in_the_log(new: Factory<'_>) {
    let log = numbers_without(new, 3, &[3, 4, 1000, u64::MAX - 1, u64::MAX]);
    check_left(&log, &[0, 1, 2]);
    assert_eq!(log.next_offset().unwrap(), 3);
}

fn delete_ignores_offsets_that_are_deleted(new: Factory<'_>) {
    let log = numbers_without(new, 5, &[1, 2]);
    assert_eq!(delete(&log, &[1, 2]), Deleted::default());
    assert_eq!(delete(&log, &[1, 2, 3]).messages, 1);
    check_left(&log, &[0, 4]);
}

fn delete_ignores_offsets_that_are_trimmed(new: Factory<'_>) {
    let log = numbers_without(new, 10, &[]);
    log.trim(5).unwrap();
    assert_eq!(delete(&log, &[0, 4]), Deleted::default());
    assert_eq!(delete(&log, &[0, 4, 5, 6]).messages, 2);
    check_left(&log, &[7, 8, 9]);
    assert_eq!(log.start_offset().unwrap(), 5);
}

fn delete_of_offsets_not_yet_given_out_does_not_wait_for_them(new: Factory<'_>) {
    let log = numbers_without(new, 3, &[3, 4, 5]);
    publish_numbers(&log, 3..6);
    check_left(&log, &[0, 1, 2, 3, 4, 5]);
}

fn delete_of_an_empty_log_removes_nothing(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    assert_eq!(delete(&log, &[0, 1, u64::MAX]), Deleted::default());
    assert_eq!((log.start_offset().unwrap(), log.next_offset().unwrap()), (0, 0));
    publish_numbers(&log, 0..2);
    check_left(&log, &[0, 1]);
}

/// The figures leave room for other bytes that a log writes, such as an index.
fn delete_frees_storage(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    for _ in 0..40 {
        publish_one(&log, NewMessage::new(b"key", &[7; 2000]));
    }
    let before = log.stat().unwrap().size;
    let deleted = delete(&log, &(5..25).collect::<Vec<u64>>());
    assert!(
        deleted.size >= 30_000 && deleted.size <= before,
        "{deleted:?} of {before}"
    );
    let after = log.stat().unwrap().size;
    assert!(after + 30_000 <= before, "from {before} to {after}");
}

fn delete_of_nothing_frees_nothing(new: Factory<'_>) {
    let log = numbers_without(new, 10, &[5]);
    let before = log.stat().unwrap().size;
    assert_eq!(delete(&log, &[5, 20]).size, 0);
    assert_eq!(log.stat().unwrap().size, before);
}

fn delete_lowers_the_count_of_messages(new: Factory<'_>) {
    let log = numbers_without(new, 20, &[]);
    for (named, count) in [(&[19][..], 19), (&[0, 1], 17), (&[0, 1], 17), (&[9, 10, 11], 14)] {
        delete(&log, named);
        assert_eq!(log.stat().unwrap().messages, count);
    }
}

fn delete_leaves_the_start_offset(new: Factory<'_>) {
    let log = numbers_without(new, 10, &[0, 1, 2]);
    assert_eq!(log.start_offset().unwrap(), 0);
    assert_eq!(log.stat().unwrap().start_offset, 0);
    delete(&log, &(0..10).collect::<Vec<u64>>());
    assert_eq!(log.start_offset().unwrap(), 0);
}

fn delete_leaves_the_next_offset(new: Factory<'_>) {
    let log = numbers_without(new, 10, &[8, 9]);
    assert_eq!(log.next_offset().unwrap(), 10);
    delete(&log, &(0..10).collect::<Vec<u64>>());
    let stats = log.stat().unwrap();
    assert_eq!((log.next_offset().unwrap(), stats.next_offset), (10, 10));
    assert_eq!(log.consume(Start::Newest, 10).unwrap().next_offset, 10);
    assert_eq!(log.publish(&[]).unwrap(), 10);
}

fn delete_leaves_the_epoch(new: Factory<'_>) {
    let log = numbers_without(new, 10, &[0, 5, 9]);
    assert_eq!(log.stat().unwrap().epoch, 0);
}

fn delete_leaves_the_content_of_the_others(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let headers = [(&b"name"[..], &b"header"[..]), (b"", b"")];
    for place in 0..20_u8 {
        let (key, value) = ([place], vec![place; 100 * usize::from(place)]);
        let message = NewMessage {
            key: (place % 3 > 0).then_some(&key[..]),
            value: (place % 4 > 0).then_some(&value[..]),
            headers: &headers[..usize::from(place % 3)],
            time: None,
        };
        publish_one(&log, message);
    }
    let before = all(&log);
    delete(&log, &[0, 3, 4, 5, 11, 18]);
    let left = all(&log);
    assert_eq!(left.len(), 14);
    for message in &left {
        assert!(before.contains(message), "changed: {message:?}");
    }
}

fn delete_some_removes_what_it_takes_out(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for batch in 0..40 {
        publish_numbers(&log, batch * 50..batch * 50 + 50);
    }
    let named: BTreeSet<u64> = (0..2000).step_by(90).chain([2000, u64::MAX]).collect();
    let mut rest = named.clone();
    let mut deleted = Deleted::default();
    while !rest.is_empty() {
        let before = rest.clone();
        deleted += log.delete_some(&mut rest).unwrap();
        assert!(
            rest.len() < before.len() && rest.is_subset(&before),
            "{before:?}, then {rest:?}"
        );
        for offset in named.difference(&rest).filter(|offset| **offset < 2000) {
            assert_fails!(log.get(Start::At(*offset)), Error::NotFound);
        }
        for offset in rest.iter().filter(|offset| **offset < 2000) {
            assert_eq!(number(&log.get(Start::At(*offset)).unwrap()), *offset);
        }
    }
    assert_eq!(deleted.messages, named.len() as u64 - 2);
    assert_eq!(log.stat().unwrap().messages, 2000 - deleted.messages);
}

fn delete_some_of_nothing_removes_nothing(new: Factory<'_>) {
    let log = numbers_without(new, 3, &[]);
    let mut none = BTreeSet::new();
    assert_eq!(log.delete_some(&mut none).unwrap(), Deleted::default());
    assert!(none.is_empty());
    check_left(&log, &[0, 1, 2]);
}

fn delete_again_and_again_removes_everything(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_numbers(&log, 0..60);
    let mut left: Vec<u64> = (0..60).collect();
    for step in 0..20 {
        let named: Vec<u64> = left.iter().copied().skip(step % 3).step_by(7).take(3).collect();
        delete(&log, &named);
        left.retain(|offset| !named.contains(offset));
        check_left(&log, &left);
    }
    delete(&log, &left);
    check_left(&log, &[]);
}

fn delete_after_close_is_closed(new: Factory<'_>) {
    let log = numbers_without(new, 3, &[]);
    log.close().unwrap();
    assert_fails!(log.delete(&BTreeSet::from([1])), Error::Closed);
    let mut named = BTreeSet::from([1]);
    assert_fails!(log.delete_some(&mut named), Error::Closed);
    assert_eq!(named, BTreeSet::from([1]), "it is not removed");
}
