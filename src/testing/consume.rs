use super::support::{
    all, assert_fails, check_batch, drain, number, offsets, offsets_from, publish_numbers, publish_one,
    publish_times, us,
};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, NewMessage, Start};

pub(super) const CASES: &[Case] = case::list![
    consume_oldest_begins_at_the_first_message,
    consume_oldest_of_an_empty_log_gives_no_messages_and_the_next_offset,
    consume_newest_gives_no_messages_and_the_next_offset,
    consume_newest_of_an_empty_log_gives_no_messages_and_the_next_offset,
    consume_at_an_offset_begins_there,
    consume_at_the_last_message_gives_only_that,
    consume_at_next_offset_gives_no_messages_and_the_same_offset,
    consume_at_next_offset_of_an_empty_log_gives_no_messages,
    consume_beyond_the_next_offset_is_out_of_range,
    consume_beyond_the_next_offset_of_an_empty_log_is_out_of_range,
    consume_at_u64_max_is_out_of_range,
    consume_beyond_the_next_offset_is_not_called_trimmed,
    an_offset_out_of_range_comes_into_range_by_publishing,
    consume_of_0_messages_gives_none,
    consume_of_0_messages_says_where_reading_would_begin,
    consume_of_0_messages_out_of_range_is_out_of_range,
    consume_of_usize_max_messages_gives_all,
    consume_never_gives_more_than_was_asked_for,
    consume_gives_at_least_one_message_in_the_end,
    consume_gives_the_same_every_time,
    consume_changes_nothing,
    consume_gives_what_get_gives,
    readers_at_different_places_do_not_disturb_each_other,
];

fn with_numbers(new: Factory<'_>, count: u64) -> Box<dyn Log> {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..count);
    log
}

fn consume_oldest_begins_at_the_first_message(new: Factory<'_>) {
    let log = with_numbers(new, 3);
    let batch = drain(&log, Start::Oldest, 10);
    assert_eq!(offsets(&batch.messages), [0, 1, 2]);
    assert_eq!(batch.next_offset, 3);
}

fn consume_oldest_of_an_empty_log_gives_no_messages_and_the_next_offset(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for max_count in [0, 1, 10, usize::MAX] {
        let batch = log.consume(Start::Oldest, max_count).unwrap();
        assert_eq!(
            (batch.messages.len(), batch.next_offset),
            (0, 0),
            "of {max_count}"
        );
    }
}

fn consume_newest_gives_no_messages_and_the_next_offset(new: Factory<'_>) {
    let log = with_numbers(new, 3);
    for max_count in [0, 1, 10, usize::MAX] {
        let batch = log.consume(Start::Newest, max_count).unwrap();
        assert_eq!(
            (batch.messages.len(), batch.next_offset),
            (0, 3),
            "of {max_count}"
        );
    }
}

fn consume_newest_of_an_empty_log_gives_no_messages_and_the_next_offset(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let batch = log.consume(Start::Newest, 10).unwrap();
    assert_eq!((batch.messages.len(), batch.next_offset), (0, 0));
}

fn consume_at_an_offset_begins_there(new: Factory<'_>) {
    let log = with_numbers(new, 20);
    for offset in 0..20 {
        let batch = drain(&log, Start::At(offset), 6);
        assert_eq!(
            offsets(&batch.messages),
            (offset..20).collect::<Vec<u64>>(),
            "from {offset}"
        );
        assert!(batch.messages.iter().all(|m| number(m) == m.offset));
    }
}

fn consume_at_the_last_message_gives_only_that(new: Factory<'_>) {
    let log = with_numbers(new, 3);
    let batch = drain(&log, Start::At(2), 10);
    assert_eq!(offsets(&batch.messages), [2]);
    assert_eq!(batch.next_offset, 3);
}

fn consume_at_next_offset_gives_no_messages_and_the_same_offset(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for end in 1..10 {
        publish_numbers(&log, end - 1..end);
        for max_count in [0, 1, 10, usize::MAX] {
            let batch = log.consume(Start::At(end), max_count).unwrap();
            assert_eq!((batch.messages.len(), batch.next_offset), (0, end));
        }
    }
}

fn consume_at_next_offset_of_an_empty_log_gives_no_messages(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let batch = log.consume(Start::At(0), 10).unwrap();
    assert_eq!((batch.messages.len(), batch.next_offset), (0, 0));
}

fn consume_beyond_the_next_offset_is_out_of_range(new: Factory<'_>) {
    let log = with_numbers(new, 3);
    for asked in [4, 5, 1000, u64::MAX - 1] {
        match log.consume(Start::At(asked), 10) {
            Err(Error::OffsetOutOfRange {
                offset,
                start: 0,
                next: 3,
            }) => assert_eq!(offset, asked),
            other => panic!("consuming at {asked} of 3 gives {other:?}"),
        }
    }
}

fn consume_beyond_the_next_offset_of_an_empty_log_is_out_of_range(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    assert_fails!(
        log.consume(Start::At(1), 10),
        Error::OffsetOutOfRange {
            offset: 1,
            start: 0,
            next: 0
        }
    );
}

fn consume_at_u64_max_is_out_of_range(new: Factory<'_>) {
    let log = with_numbers(new, 3);
    for max_count in [1, usize::MAX] {
        assert_fails!(
            log.consume(Start::At(u64::MAX), max_count),
            Error::OffsetOutOfRange {
                offset: u64::MAX,
                start: 0,
                next: 3
            }
        );
    }
}

fn consume_beyond_the_next_offset_is_not_called_trimmed(new: Factory<'_>) {
    let log = with_numbers(new, 3);
    let error = log.consume(Start::At(4), 10).expect_err("beyond the end");
    assert!(!error.is_trimmed());
}

fn an_offset_out_of_range_comes_into_range_by_publishing(new: Factory<'_>) {
    let log = with_numbers(new, 3);
    assert_fails!(log.consume(Start::At(4), 10), Error::OffsetOutOfRange { .. });
    publish_numbers(&log, 3..4);
    assert_eq!(offsets_from(&log, Start::At(4)), [] as [u64; 0]);
    publish_numbers(&log, 4..5);
    assert_eq!(offsets_from(&log, Start::At(4)), [4]);
}

fn consume_of_0_messages_gives_none(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_times(&log, &[1, 2, 3]);
    let starts = [
        Start::Oldest,
        Start::Newest,
        Start::At(0),
        Start::At(2),
        Start::At(3),
        Start::Time(us(2)),
        Start::Last(2),
    ];
    for from in starts {
        assert_eq!(log.consume(from, 0).unwrap().messages.len(), 0, "from {from:?}");
    }
}

fn consume_of_0_messages_says_where_reading_would_begin(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_times(&log, &[1, 2, 3]);
    let places = [
        (Start::Oldest, 0),
        (Start::Newest, 3),
        (Start::At(0), 0),
        (Start::At(2), 2),
        (Start::At(3), 3),
        (Start::Time(us(0)), 0),
        (Start::Time(us(2)), 1),
        (Start::Time(us(4)), 3),
        (Start::Last(0), 3),
        (Start::Last(2), 1),
        (Start::Last(9), 0),
    ];
    for (from, begin) in places {
        assert_eq!(log.consume(from, 0).unwrap().next_offset, begin, "from {from:?}");
    }
}

fn consume_of_0_messages_out_of_range_is_out_of_range(new: Factory<'_>) {
    let log = with_numbers(new, 3);
    assert_fails!(
        log.consume(Start::At(4), 0),
        Error::OffsetOutOfRange { offset: 4, .. }
    );
    assert_fails!(
        log.consume(Start::At(u64::MAX), 0),
        Error::OffsetOutOfRange { .. }
    );
}

fn consume_of_usize_max_messages_gives_all(new: Factory<'_>) {
    let log = with_numbers(new, 1000);
    let batch = drain(&log, Start::Oldest, usize::MAX);
    assert_eq!(offsets(&batch.messages), (0..1000).collect::<Vec<u64>>());
    assert_eq!(batch.next_offset, 1000);
}

fn consume_never_gives_more_than_was_asked_for(new: Factory<'_>) {
    let log = with_numbers(new, 100);
    for max_count in [1, 2, 3, 10, 99, 100, 101] {
        for from in [
            Start::Oldest,
            Start::At(0),
            Start::At(50),
            Start::Last(100),
            Start::Last(7),
        ] {
            let batch = log.consume(from, max_count).unwrap();
            check_batch(from, max_count, &batch);
        }
    }
}

/// A log may limit the bytes that one call returns. It must return a larger message all the same.
fn consume_gives_at_least_one_message_in_the_end(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let large = vec![7; 10 << 20];
    for value in [&large[..], b"small", &large] {
        publish_one(&log, NewMessage::value(value));
    }
    let batch = drain(&log, Start::Oldest, 10);
    let sizes: Vec<usize> = batch
        .messages
        .iter()
        .map(|m| m.value.as_ref().map_or(0, bytes::Bytes::len))
        .collect();
    assert_eq!(sizes, [large.len(), 5, large.len()]);
}

fn consume_gives_the_same_every_time(new: Factory<'_>) {
    let log = with_numbers(new, 50);
    let first = drain(&log, Start::At(10), 8);
    for _ in 0..3 {
        assert_eq!(drain(&log, Start::At(10), 8), first);
    }
}

fn consume_changes_nothing(new: Factory<'_>) {
    let log = with_numbers(new, 50);
    for from in [
        Start::Oldest,
        Start::Newest,
        Start::At(20),
        Start::At(50),
        Start::Last(3),
    ] {
        drain(&log, from, 8);
    }
    let stats = log.stat().unwrap();
    assert_eq!(
        (stats.messages, stats.start_offset, stats.next_offset),
        (50, 0, 50)
    );
    assert_eq!(offsets(&all(&log)), (0..50).collect::<Vec<u64>>());
}

fn consume_gives_what_get_gives(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let message = NewMessage::new(b"key", b"value")
        .time(us(5))
        .headers(&[(b"name", b"value")]);
    log.publish(&[message, NewMessage::default(), message]).unwrap();
    for message in all(&log) {
        assert_eq!(log.get(Start::At(message.offset)).unwrap(), message);
    }
}

fn readers_at_different_places_do_not_disturb_each_other(new: Factory<'_>) {
    let log = with_numbers(new, 60);
    let mut readers: Vec<u64> = vec![0, 10, 25, 59, 60];
    let begins = readers.clone();
    let mut read: Vec<Vec<u64>> = vec![Vec::new(); readers.len()];
    for _ in 0..60 {
        for (at, read) in readers.iter_mut().zip(&mut read) {
            let batch = log.consume(Start::At(*at), 1).unwrap();
            check_batch(Start::At(*at), 1, &batch);
            read.extend(offsets(&batch.messages));
            *at = batch.next_offset;
        }
    }
    for (begin, read) in begins.into_iter().zip(read) {
        assert_eq!(read, (begin..60).collect::<Vec<u64>>());
    }
}
