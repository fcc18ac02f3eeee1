use super::support::{
    assert_fails, drain, drain_by_key, in_threads, key_offsets_from, offsets, offsets_from, publish_one, us,
};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, NewMessage, Start};

pub(super) const CASES: &[Case] = case::list![
    the_next_offset_counts_what_was_published,
    consume_sees_what_was_published,
    consume_by_key_sees_what_was_published,
    get_sees_what_was_published,
    key_lookups_see_what_was_published,
    time_lookups_see_what_was_published,
    stat_sees_what_was_published,
    another_thread_sees_what_was_published,
    a_reader_at_the_end_sees_what_is_published_next,
    what_was_not_there_is_found_once_it_is_published,
];

/// Publishes messages one by one and calls `check` after each.
fn after_each_publish(log: &dyn Log, check: impl Fn(u64)) {
    for offset in 0..50_i64 {
        let offset = publish_one(log, NewMessage::new(b"key", b"value").time(us(offset)));
        check(offset);
    }
}

fn the_next_offset_counts_what_was_published(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    after_each_publish(&log, |offset| {
        assert_eq!(log.next_offset().unwrap(), offset + 1);
    });
}

fn consume_sees_what_was_published(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    after_each_publish(&log, |offset| {
        assert_eq!(offsets_from(&log, Start::At(offset)), [offset]);
        assert_eq!(offsets_from(&log, Start::Last(1)), [offset]);
        assert_eq!(drain(&log, Start::Oldest, 7).messages.len() as u64, offset + 1);
    });
}

fn consume_by_key_sees_what_was_published(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    after_each_publish(&log, |offset| {
        assert_eq!(key_offsets_from(&log, b"key", Start::At(offset)), [offset]);
        let batch = drain_by_key(&log, b"key", Start::Oldest, 7);
        assert_eq!(batch.messages.len() as u64, offset + 1);
    });
}

fn get_sees_what_was_published(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    after_each_publish(&log, |offset| {
        assert_eq!(log.get(Start::Newest).unwrap().offset, offset);
        assert_eq!(log.get(Start::At(offset)).unwrap().offset, offset);
        assert_eq!(log.get(Start::Last(1)).unwrap().offset, offset);
    });
}

fn key_lookups_see_what_was_published(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    after_each_publish(&log, |offset| {
        assert_eq!(log.get_by_key(b"key").unwrap().offset, offset);
        assert_eq!(log.offset_by_key(b"key").unwrap(), offset);
    });
}

fn time_lookups_see_what_was_published(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    after_each_publish(&log, |offset| {
        let time = us(offset.cast_signed());
        assert_eq!(log.get_by_time(time).unwrap().offset, offset);
        assert_eq!(log.offset_by_time(time).unwrap(), (offset, time));
        assert_eq!(log.get(Start::Time(time)).unwrap().offset, offset);
        assert_eq!(offsets_from(&log, Start::Time(time)), [offset]);
    });
}

fn stat_sees_what_was_published(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    after_each_publish(&log, |offset| {
        let stats = log.stat().unwrap();
        assert_eq!((stats.messages, stats.next_offset), (offset + 1, offset + 1));
    });
}

fn another_thread_sees_what_was_published(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    after_each_publish(&log, |offset| {
        in_threads(1, |_| {
            assert_eq!(log.next_offset().unwrap(), offset + 1);
            assert_eq!(log.get_by_key(b"key").unwrap().offset, offset);
        });
    });
}

fn a_reader_at_the_end_sees_what_is_published_next(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let mut at = log.consume(Start::Newest, 10).unwrap().next_offset;
    for count in [1_usize, 4, 2] {
        log.publish(&vec![NewMessage::value(b"x"); count]).unwrap();
        let batch = drain(&log, Start::At(at), 10);
        let expected: Vec<u64> = (at..at + count as u64).collect();
        assert_eq!(offsets(&batch.messages), expected);
        at = batch.next_offset;
    }
}

fn what_was_not_there_is_found_once_it_is_published(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    assert_fails!(log.get(Start::Oldest), Error::NotFound);
    assert_fails!(log.get_by_key(b"key"), Error::NotFound);
    assert_fails!(log.get_by_time(us(5)), Error::NotFound);
    assert_fails!(log.get(Start::At(0)), Error::OffsetOutOfRange { .. });
    publish_one(&log, NewMessage::new(b"key", b"value").time(us(5)));
    assert_eq!(log.get(Start::Oldest).unwrap().offset, 0);
    assert_eq!(log.get_by_key(b"key").unwrap().offset, 0);
    assert_eq!(log.get_by_time(us(5)).unwrap().offset, 0);
    assert_eq!(log.get(Start::At(0)).unwrap().offset, 0);
}
