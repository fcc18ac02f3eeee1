use super::support::{assert_fails, drain, offsets, offsets_from, publish_numbers, publish_times, us};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, Start};

pub(super) const CASES: &[Case] = case::list![
    consume_from_a_time_begins_at_the_first_message_at_or_after_it,
    consume_from_a_time_before_all_begins_at_the_first_message,
    consume_from_a_time_after_all_is_as_newest,
    consume_from_a_time_goes_by_the_running_maximum,
    consume_from_a_time_includes_later_messages_with_earlier_times,
    consume_from_a_time_of_an_empty_log_gives_no_messages,
    consume_from_a_time_without_a_time_index_is_no_index,
    consume_from_extreme_times_is_allowed,
    consume_last_n_gives_the_last_n_messages,
    consume_last_n_of_fewer_gives_all,
    consume_last_0_is_as_newest,
    consume_last_u64_max_gives_all,
    consume_last_n_of_an_empty_log_gives_no_messages,
    consume_last_n_goes_across_batches,
    an_offset_turns_into_a_start,
];

fn with_times(new: Factory<'_>, times: &[i64]) -> Box<dyn Log> {
    let log = new(Setup::TIMES);
    for time in times {
        publish_times(&log, &[*time]);
    }
    log
}

fn consume_from_a_time_begins_at_the_first_message_at_or_after_it(new: Factory<'_>) {
    let log = with_times(new, &[10, 20, 20, 30]);
    let starts = [
        (10, vec![0, 1, 2, 3]),
        (11, vec![1, 2, 3]),
        (20, vec![1, 2, 3]),
        (21, vec![3]),
        (30, vec![3]),
    ];
    for (time, expected) in starts {
        assert_eq!(
            offsets_from(&log, Start::Time(us(time))),
            expected,
            "from time {time}"
        );
    }
}

fn consume_from_a_time_before_all_begins_at_the_first_message(new: Factory<'_>) {
    let log = with_times(new, &[10, 20]);
    for time in [9, 0, -10, i64::MIN] {
        assert_eq!(offsets_from(&log, Start::Time(us(time))), [0, 1]);
    }
}

fn consume_from_a_time_after_all_is_as_newest(new: Factory<'_>) {
    let log = with_times(new, &[10, 20]);
    for time in [21, i64::MAX] {
        let batch = log.consume(Start::Time(us(time)), 10).unwrap();
        assert_eq!((batch.messages.len(), batch.next_offset), (0, 2));
    }
}

fn consume_from_a_time_goes_by_the_running_maximum(new: Factory<'_>) {
    let log = with_times(new, &[10, 5, 30, 20, 40]);
    assert_eq!(offsets_from(&log, Start::Time(us(4))), [0, 1, 2, 3, 4]);
    assert_eq!(offsets_from(&log, Start::Time(us(6))), [0, 1, 2, 3, 4]);
    assert_eq!(offsets_from(&log, Start::Time(us(15))), [2, 3, 4]);
    assert_eq!(offsets_from(&log, Start::Time(us(20))), [2, 3, 4]);
    assert_eq!(offsets_from(&log, Start::Time(us(31))), [4]);
}

fn consume_from_a_time_includes_later_messages_with_earlier_times(new: Factory<'_>) {
    let log = with_times(new, &[100, 200, 1, 2, 3]);
    let batch = drain(&log, Start::Time(us(150)), 10);
    assert_eq!(offsets(&batch.messages), [1, 2, 3, 4]);
    let times: Vec<i64> = batch.messages.iter().map(|m| m.time.as_micros()).collect();
    assert_eq!(times, [200, 1, 2, 3]);
}

fn consume_from_a_time_of_an_empty_log_gives_no_messages(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    for time in [i64::MIN, 0, i64::MAX] {
        let batch = log.consume(Start::Time(us(time)), 10).unwrap();
        assert_eq!((batch.messages.len(), batch.next_offset), (0, 0));
    }
}

fn consume_from_a_time_without_a_time_index_is_no_index(new: Factory<'_>) {
    for setup in [Setup::PLAIN, Setup::KEYS] {
        let log = new(setup);
        assert_fails!(log.consume(Start::Time(us(0)), 10), Error::NoIndex { .. });
        publish_times(&log, &[1, 2]);
        assert_fails!(log.consume(Start::Time(us(0)), 10), Error::NoIndex { .. });
        assert_fails!(log.consume(Start::Time(us(9)), 0), Error::NoIndex { .. });
    }
}

fn consume_from_extreme_times_is_allowed(new: Factory<'_>) {
    let log = with_times(new, &[i64::MIN, -1, 0, i64::MAX]);
    assert_eq!(offsets_from(&log, Start::Time(us(i64::MIN))), [0, 1, 2, 3]);
    assert_eq!(offsets_from(&log, Start::Time(us(i64::MIN + 1))), [1, 2, 3]);
    assert_eq!(offsets_from(&log, Start::Time(us(i64::MAX))), [3]);
}

fn consume_last_n_gives_the_last_n_messages(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..20);
    for count in 1..=20 {
        for max_count in [1, 3, 100] {
            let batch = drain(&log, Start::Last(count), max_count);
            let expected: Vec<u64> = (20 - count..20).collect();
            assert_eq!(offsets(&batch.messages), expected, "the last {count}");
            assert_eq!(batch.next_offset, 20);
        }
    }
}

fn consume_last_n_of_fewer_gives_all(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    for count in [3, 4, 100] {
        assert_eq!(offsets_from(&log, Start::Last(count)), [0, 1, 2]);
    }
}

fn consume_last_0_is_as_newest(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    assert_eq!(log.consume(Start::Last(0), 10).unwrap().next_offset, 0);
    publish_numbers(&log, 0..3);
    let batch = log.consume(Start::Last(0), 10).unwrap();
    assert_eq!((batch.messages.len(), batch.next_offset), (0, 3));
}

fn consume_last_u64_max_gives_all(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    for count in [u64::MAX, u64::MAX - 1, 1 << 63, 1 << 32] {
        assert_eq!(offsets_from(&log, Start::Last(count)), [0, 1, 2]);
    }
}

fn consume_last_n_of_an_empty_log_gives_no_messages(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for count in [0, 1, 5, u64::MAX] {
        let batch = log.consume(Start::Last(count), 10).unwrap();
        assert_eq!((batch.messages.len(), batch.next_offset), (0, 0));
    }
}

fn consume_last_n_goes_across_batches(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let mut end = 0;
    for count in [3, 1, 4, 2] {
        publish_numbers(&log, end..end + count);
        end += count;
        for last in 1..=end {
            let expected: Vec<u64> = (end - last..end).collect();
            assert_eq!(offsets_from(&log, Start::Last(last)), expected);
        }
    }
}

fn an_offset_turns_into_a_start(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    assert_eq!(log.get(1.into()).unwrap().offset, 1);
    assert_eq!(offsets_from(&log, Start::from(2)), [2]);
}
