use super::support::{assert_fails, number, publish_numbers, publish_times, us};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, Start};

pub(super) const CASES: &[Case] = case::list![
    get_oldest_is_the_first_message,
    get_newest_is_the_last_message,
    get_at_an_offset_is_that_message,
    get_at_the_next_offset_is_out_of_range,
    get_beyond_the_next_offset_is_out_of_range,
    get_at_u64_max_is_out_of_range,
    get_at_any_offset_of_an_empty_log_is_out_of_range,
    get_beyond_the_end_is_not_called_trimmed,
    get_oldest_and_newest_of_an_empty_log_are_not_found,
    get_last_n_is_the_nth_message_from_the_end,
    get_last_0_is_as_newest,
    get_last_n_of_fewer_is_the_first_message,
    get_last_n_of_an_empty_log_is_not_found,
    get_from_a_time_is_the_first_message_at_or_after_it,
    get_from_a_time_after_all_is_not_found,
    get_from_a_time_of_an_empty_log_is_not_found,
    get_from_a_time_without_a_time_index_is_no_index,
    get_of_a_single_message_finds_it_by_every_start,
    get_gives_the_same_every_time,
];

fn with_numbers(new: Factory<'_>, count: u64) -> Box<dyn Log> {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..count);
    log
}

fn get_oldest_is_the_first_message(new: Factory<'_>) {
    let log = with_numbers(new, 3);
    let message = log.get(Start::Oldest).unwrap();
    assert_eq!((message.offset, number(&message)), (0, 0));
}

fn get_newest_is_the_last_message(new: Factory<'_>) {
    let log = with_numbers(new, 3);
    let message = log.get(Start::Newest).unwrap();
    assert_eq!((message.offset, number(&message)), (2, 2));
}

fn get_at_an_offset_is_that_message(new: Factory<'_>) {
    let log = with_numbers(new, 200);
    for offset in (0..200).rev().chain(0..200) {
        let message = log.get(Start::At(offset)).unwrap();
        assert_eq!((message.offset, number(&message)), (offset, offset));
    }
}

fn get_at_the_next_offset_is_out_of_range(new: Factory<'_>) {
    let log = with_numbers(new, 3);
    assert_fails!(
        log.get(Start::At(3)),
        Error::OffsetOutOfRange {
            offset: 3,
            start: 0,
            next: 3
        }
    );
}

fn get_beyond_the_next_offset_is_out_of_range(new: Factory<'_>) {
    let log = with_numbers(new, 3);
    assert_fails!(
        log.get(Start::At(4)),
        Error::OffsetOutOfRange {
            offset: 4,
            start: 0,
            next: 3
        }
    );
}

fn get_at_u64_max_is_out_of_range(new: Factory<'_>) {
    let log = with_numbers(new, 3);
    assert_fails!(
        log.get(Start::At(u64::MAX)),
        Error::OffsetOutOfRange {
            offset: u64::MAX,
            start: 0,
            next: 3
        }
    );
}

fn get_at_any_offset_of_an_empty_log_is_out_of_range(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for asked in [0, 1, u64::MAX] {
        match log.get(Start::At(asked)) {
            Err(Error::OffsetOutOfRange {
                offset,
                start: 0,
                next: 0,
            }) => assert_eq!(offset, asked),
            other => panic!("getting {asked} of an empty log gives {other:?}"),
        }
    }
}

fn get_beyond_the_end_is_not_called_trimmed(new: Factory<'_>) {
    let log = with_numbers(new, 3);
    let error = log.get(Start::At(3)).expect_err("beyond the end");
    assert!(!error.is_trimmed());
}

fn get_oldest_and_newest_of_an_empty_log_are_not_found(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    assert_fails!(log.get(Start::Oldest), Error::NotFound);
    assert_fails!(log.get(Start::Newest), Error::NotFound);
}

fn get_last_n_is_the_nth_message_from_the_end(new: Factory<'_>) {
    let log = with_numbers(new, 20);
    for count in 1..=20 {
        assert_eq!(
            log.get(Start::Last(count)).unwrap().offset,
            20 - count,
            "number {count} from the end"
        );
    }
}

fn get_last_0_is_as_newest(new: Factory<'_>) {
    let log = with_numbers(new, 3);
    assert_eq!(log.get(Start::Last(0)).unwrap().offset, 2);
}

fn get_last_n_of_fewer_is_the_first_message(new: Factory<'_>) {
    let log = with_numbers(new, 3);
    for count in [3, 4, 1 << 32, 1 << 63, u64::MAX] {
        assert_eq!(log.get(Start::Last(count)).unwrap().offset, 0);
    }
}

fn get_last_n_of_an_empty_log_is_not_found(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for count in [0, 1, u64::MAX] {
        assert_fails!(log.get(Start::Last(count)), Error::NotFound);
    }
}

fn get_from_a_time_is_the_first_message_at_or_after_it(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    publish_times(&log, &[10, 5, 20, 20, 30]);
    let places = [(i64::MIN, 0), (7, 0), (10, 0), (11, 2), (20, 2), (21, 4), (30, 4)];
    for (time, offset) in places {
        assert_eq!(
            log.get(Start::Time(us(time))).unwrap().offset,
            offset,
            "at time {time}"
        );
    }
}

fn get_from_a_time_after_all_is_not_found(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    publish_times(&log, &[10, 20]);
    assert_fails!(log.get(Start::Time(us(21))), Error::NotFound);
    assert_fails!(log.get(Start::Time(us(i64::MAX))), Error::NotFound);
}

fn get_from_a_time_of_an_empty_log_is_not_found(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    assert_fails!(log.get(Start::Time(us(i64::MIN))), Error::NotFound);
}

fn get_from_a_time_without_a_time_index_is_no_index(new: Factory<'_>) {
    for setup in [Setup::PLAIN, Setup::KEYS] {
        let log = new(setup);
        assert_fails!(log.get(Start::Time(us(0))), Error::NoIndex { .. });
        publish_times(&log, &[0]);
        assert_fails!(log.get(Start::Time(us(0))), Error::NoIndex { .. });
    }
}

fn get_of_a_single_message_finds_it_by_every_start(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    publish_times(&log, &[7]);
    let starts = [
        Start::Oldest,
        Start::Newest,
        Start::At(0),
        Start::Time(us(7)),
        Start::Last(0),
        Start::Last(1),
        Start::Last(2),
    ];
    let message = log.get(Start::Oldest).unwrap();
    for start in starts {
        assert_eq!(log.get(start).unwrap(), message, "at {start:?}");
    }
}

fn get_gives_the_same_every_time(new: Factory<'_>) {
    let log = with_numbers(new, 3);
    let first = log.get(Start::At(1)).unwrap();
    publish_numbers(&log, 3..30);
    for _ in 0..3 {
        assert_eq!(log.get(Start::At(1)).unwrap(), first);
    }
}
