use super::support::{
    assert_fails, delete, drain, drain_by_key, key_offsets_from, offsets, offsets_from, publish_keys,
    publish_numbers, publish_times, us,
};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, ReadOptions, Start};

pub(super) const CASES: &[Case] = case::list![
    consume_below_the_start_offset_is_out_of_range_and_trimmed,
    consume_at_the_start_offset_begins_there,
    consume_oldest_after_a_trim_begins_at_the_start_offset,
    consume_last_n_after_a_trim_counts_what_is_left,
    consume_at_or_oldest_below_the_start_offset_begins_there,
    consume_at_or_oldest_of_what_is_left_is_as_at,
    get_at_or_oldest_below_the_start_offset_is_the_first_that_is_left,
    read_at_or_oldest_is_as_consume,
    consume_of_a_trimmed_log_reaches_the_end_from_every_start,
    get_below_the_start_offset_is_out_of_range_and_trimmed,
    get_of_a_log_trimmed_to_its_end_is_not_found,
    get_oldest_after_a_trim_is_the_first_that_is_left,
    get_last_n_after_a_trim_stops_at_the_first_that_is_left,
    a_key_that_was_trimmed_is_not_found,
    a_key_that_was_partly_trimmed_is_found,
    consume_by_key_after_a_trim_gives_what_is_left,
    consume_by_key_below_the_start_offset_is_out_of_range,
    a_time_that_was_trimmed_leads_to_the_first_that_is_left,
    a_time_lookup_forgets_the_times_of_trimmed_messages,
];

fn trimmed_to(new: Factory<'_>, count: u64, before: u64) -> Box<dyn Log> {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..count);
    log.trim(before).unwrap();
    log
}

fn consume_below_the_start_offset_is_out_of_range_and_trimmed(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 4);
    for asked in 0..4 {
        for max_count in [0, 1, 10] {
            match log.consume(Start::At(asked), max_count) {
                Err(
                    error @ Error::OffsetOutOfRange {
                        start: 4, next: 10, ..
                    },
                ) => assert!(error.is_trimmed(), "{error:?}"),
                other => panic!("consuming at {asked}, which was trimmed, gives {other:?}"),
            }
        }
    }
    let beyond = log.consume(Start::At(11), 1).expect_err("beyond the end");
    assert!(!beyond.is_trimmed());
}

fn consume_at_the_start_offset_begins_there(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 4);
    assert_eq!(offsets_from(&log, Start::At(4)), [4, 5, 6, 7, 8, 9]);
    log.trim(10).unwrap();
    let batch = log.consume(Start::At(10), 5).unwrap();
    assert_eq!((batch.messages.len(), batch.next_offset), (0, 10));
}

fn consume_oldest_after_a_trim_begins_at_the_start_offset(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 4);
    for max_count in 1..8 {
        let batch = drain(&log, Start::Oldest, max_count);
        assert_eq!(offsets(&batch.messages), [4, 5, 6, 7, 8, 9]);
    }
}

fn consume_last_n_after_a_trim_counts_what_is_left(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 7);
    assert_eq!(offsets_from(&log, Start::Last(2)), [8, 9]);
    for count in [3, 4, 10, u64::MAX] {
        assert_eq!(offsets_from(&log, Start::Last(count)), [7, 8, 9], "last {count}");
    }
}

fn consume_at_or_oldest_below_the_start_offset_begins_there(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 4);
    for offset in 0..=4 {
        assert_eq!(
            offsets_from(&log, Start::AtOrOldest(offset)),
            [4, 5, 6, 7, 8, 9],
            "at {offset} or oldest"
        );
        let none = log.consume(Start::AtOrOldest(offset), 0).unwrap();
        assert_eq!((none.messages.len(), none.next_offset), (0, 4));
    }
}

fn consume_at_or_oldest_of_what_is_left_is_as_at(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 4);
    delete(&log, &[6]);
    assert_eq!(offsets_from(&log, Start::AtOrOldest(6)), [7, 8, 9]);
    let none = log.consume(Start::AtOrOldest(6), 0).unwrap();
    assert_eq!((none.messages.len(), none.next_offset), (0, 6));
    let end = log.consume(Start::AtOrOldest(10), 5).unwrap();
    assert_eq!((end.messages.len(), end.next_offset), (0, 10));
    assert_fails!(
        log.consume(Start::AtOrOldest(11), 5),
        Error::OffsetOutOfRange {
            offset: 11,
            start: 4,
            next: 10
        }
    );
}

fn get_at_or_oldest_below_the_start_offset_is_the_first_that_is_left(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 4);
    delete(&log, &[4, 6]);
    for offset in 0..4 {
        assert_eq!(log.get(Start::AtOrOldest(offset)).unwrap().offset, 5);
    }
    assert_eq!(log.get(Start::AtOrOldest(7)).unwrap().offset, 7);
    for gone in [4, 6] {
        assert_fails!(log.get(Start::AtOrOldest(gone)), Error::NotFound);
    }
    assert_fails!(
        log.get(Start::AtOrOldest(10)),
        Error::OffsetOutOfRange { offset: 10, .. }
    );
    log.trim(10).unwrap();
    assert_fails!(log.get(Start::AtOrOldest(3)), Error::NotFound);
}

fn read_at_or_oldest_is_as_consume(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 4);
    let how = ReadOptions::new().max_count(2);
    for (from, begin) in [(0, 4), (3, 4), (4, 4), (7, 7)] {
        let read = log.read(Start::AtOrOldest(from), &how).unwrap();
        assert_eq!(offsets(&read.messages), [begin, begin + 1]);
        let none = log
            .read(Start::AtOrOldest(from), &how.clone().max_count(0))
            .unwrap();
        assert_eq!((none.messages.len(), none.next_offset), (0, begin));
    }
    assert_fails!(
        log.read(Start::AtOrOldest(11), &how),
        Error::OffsetOutOfRange { .. }
    );
    let clamped = log.read(Start::AtOrOldest(11), &how.clamp(true)).unwrap();
    assert_eq!((clamped.messages.len(), clamped.next_offset), (0, 10));
}

fn consume_of_a_trimmed_log_reaches_the_end_from_every_start(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_times(&log, &[1, 2, 3]);
    log.trim(3).unwrap();
    let starts = [
        Start::Oldest,
        Start::Newest,
        Start::At(3),
        Start::Time(us(2)),
        Start::Last(2),
    ];
    for from in starts {
        for max_count in [0, 10] {
            let batch = log.consume(from, max_count).unwrap();
            assert_eq!((batch.messages.len(), batch.next_offset), (0, 3), "{from:?}");
        }
        assert_eq!(drain_by_key(&log, b"", from, 10).next_offset, 3, "{from:?}");
    }
}

fn get_below_the_start_offset_is_out_of_range_and_trimmed(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 4);
    for asked in 0..4 {
        match log.get(Start::At(asked)) {
            Err(
                error @ Error::OffsetOutOfRange {
                    start: 4, next: 10, ..
                },
            ) => {
                assert!(error.is_trimmed(), "{error:?}");
            }
            other => panic!("getting {asked}, which was trimmed, gives {other:?}"),
        }
    }
    assert_eq!(log.get(Start::At(4)).unwrap().offset, 4);
}

fn get_of_a_log_trimmed_to_its_end_is_not_found(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 10);
    for at in [
        Start::Oldest,
        Start::Newest,
        Start::Last(1),
        Start::Last(u64::MAX),
    ] {
        assert_fails!(log.get(at), Error::NotFound);
    }
    assert!(log.get(Start::At(9)).unwrap_err().is_trimmed());
    assert!(!log.get(Start::At(10)).unwrap_err().is_trimmed());
}

fn get_oldest_after_a_trim_is_the_first_that_is_left(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 4);
    assert_eq!(log.get(Start::Oldest).unwrap().offset, 4);
    assert_eq!(log.get(Start::Newest).unwrap().offset, 9);
    delete(&log, &[4, 5]);
    assert_eq!(log.get(Start::Oldest).unwrap().offset, 6);
}

fn get_last_n_after_a_trim_stops_at_the_first_that_is_left(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 7);
    for (count, offset) in [(1, 9), (3, 7), (4, 7), (10, 7), (u64::MAX, 7)] {
        assert_eq!(log.get(Start::Last(count)).unwrap().offset, offset, "{count}");
    }
}

fn a_key_that_was_trimmed_is_not_found(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["a", "b", "a", "c"]);
    log.trim(3).unwrap();
    for key in [b"a", b"b"] {
        assert_fails!(log.get_by_key(key), Error::NotFound);
        assert_fails!(log.offset_by_key(key), Error::NotFound);
    }
    assert_eq!(log.offset_by_key(b"c").unwrap(), 3);
    publish_keys(&log, &["a"]);
    assert_eq!(log.offset_by_key(b"a").unwrap(), 4);
}

fn a_key_that_was_partly_trimmed_is_found(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["a", "a", "a"]);
    log.trim(2).unwrap();
    assert_eq!(log.offset_by_key(b"a").unwrap(), 2);
    log.trim(3).unwrap();
    assert_fails!(log.offset_by_key(b"a"), Error::NotFound);
}

fn consume_by_key_after_a_trim_gives_what_is_left(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["a", "b", "a", "b", "a", "b"]);
    log.trim(3).unwrap();
    assert_eq!(key_offsets_from(&log, b"a", Start::Oldest), [4]);
    assert_eq!(key_offsets_from(&log, b"b", Start::Oldest), [3, 5]);
    assert_eq!(key_offsets_from(&log, b"b", Start::Last(100)), [3, 5]);
    assert_eq!(key_offsets_from(&log, b"a", Start::At(3)), [4]);
}

fn consume_by_key_below_the_start_offset_is_out_of_range(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["a", "b", "a"]);
    log.trim(2).unwrap();
    for (key, max_count) in [(b"a", 10), (b"b", 10), (b"c", 10), (b"a", 0)] {
        let error = log
            .consume_by_key(key, Start::At(1), max_count)
            .expect_err("trimmed");
        assert!(error.is_trimmed(), "{error:?}");
    }
}

fn a_time_that_was_trimmed_leads_to_the_first_that_is_left(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    publish_times(&log, &[10, 20, 30, 40]);
    log.trim(2).unwrap();
    for (time, offset) in [(i64::MIN, 2), (10, 2), (20, 2), (30, 2), (31, 3)] {
        assert_eq!(
            log.get_by_time(us(time)).unwrap().offset,
            offset,
            "by time {time}"
        );
        assert_eq!(offsets_from(&log, Start::Time(us(time))).first(), Some(&offset));
    }
}

fn a_time_lookup_forgets_the_times_of_trimmed_messages(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    publish_times(&log, &[100, 90, 10, 20, 30]);
    log.trim(2).unwrap();
    for (time, offset) in [(5, 2), (10, 2), (15, 3), (25, 4)] {
        assert_eq!(
            log.get_by_time(us(time)).unwrap().offset,
            offset,
            "by time {time}"
        );
    }
    assert_fails!(log.get_by_time(us(31)), Error::NotFound);
    publish_times(&log, &[40]);
    assert_eq!(log.offset_by_time(us(31)).unwrap(), (5, us(40)));
    log.trim(6).unwrap();
    assert_fails!(log.get_by_time(us(0)), Error::NotFound);
    publish_times(&log, &[3]);
    assert_eq!(log.offset_by_time(us(2)).unwrap(), (6, us(3)));
}
