use std::time::Duration;

use super::support::{Random, all, assert_fails, publish_times, us};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, NewMessage, Start, Timestamp};

pub(super) const CASES: &[Case] = case::list![
    a_message_keeps_the_time_it_was_given,
    a_message_without_a_time_gets_that_of_publishing,
    messages_of_a_batch_without_times_get_the_same,
    a_time_that_goes_back_is_kept,
    times_may_be_negative,
    times_may_be_the_earliest_and_the_latest,
    get_by_time_finds_the_message_of_that_time,
    get_by_time_finds_the_next_message_after_it,
    get_by_time_before_all_is_the_first_message,
    get_by_time_after_all_is_not_found,
    get_by_time_of_an_empty_log_is_not_found,
    get_by_time_finds_the_first_of_equal_times,
    get_by_time_goes_by_the_running_maximum,
    get_by_time_keeps_the_running_maximum_across_batches,
    get_by_time_of_falling_times_only_finds_the_first,
    get_by_time_after_the_latest_time_of_all_finds_nothing_later,
    get_by_time_works_at_both_ends_of_time,
    get_by_time_works_when_all_times_are_the_earliest,
    get_by_time_gives_what_get_gives,
    offset_by_time_gives_offset_and_own_time,
    offset_by_time_after_all_is_not_found,
    get_by_time_without_a_time_index_is_no_index,
    offset_by_time_without_a_time_index_is_no_index,
    get_by_time_agrees_with_a_plain_search,
];

fn with_times(new: Factory<'_>, times: &[i64]) -> Box<dyn Log> {
    let log = new(Setup::TIMES);
    publish_times(&log, times);
    log
}

fn times_of(log: &dyn Log) -> Vec<i64> {
    all(log).iter().map(|m| m.time.as_micros()).collect()
}

/// Checks that a lookup of each time finds the message at the offset beside it.
#[track_caller]
fn check_found(log: &dyn Log, expected: &[(i64, u64)]) {
    for (time, offset) in expected {
        let found = log.get_by_time(us(*time)).unwrap().offset;
        assert_eq!(found, *offset, "by time {time}");
    }
}

fn a_message_keeps_the_time_it_was_given(new: Factory<'_>) {
    for setup in [Setup::PLAIN, Setup::TIMES] {
        let log = new(setup);
        let times = [0, 1, 1_237_714_200_000_001, 7, 7];
        publish_times(&log, &times);
        assert_eq!(times_of(&log), times);
    }
}

/// The bounds leave a minute to spare, because the wall clock may be adjusted in between.
fn a_message_without_a_time_gets_that_of_publishing(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    let minute = Duration::from_secs(60);
    let before = Timestamp::now().saturating_sub(minute);
    log.publish(&[NewMessage::value(b"now")]).unwrap();
    let time = log.get(Start::Oldest).unwrap().time;
    assert!(
        before <= time && time.saturating_sub(minute) <= Timestamp::now(),
        "{time}"
    );
    assert_eq!(log.offset_by_time(time).unwrap(), (0, time));
}

fn messages_of_a_batch_without_times_get_the_same(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    let now = NewMessage::value(b"now");
    log.publish(&[now, now, now.time(us(5)), now]).unwrap();
    let times = times_of(&log);
    assert_eq!(times[2], 5);
    assert_eq!([times[1], times[3]], [times[0]; 2]);
}

fn a_time_that_goes_back_is_kept(new: Factory<'_>) {
    let log = with_times(new, &[30, 20, 10]);
    assert_eq!(times_of(&log), [30, 20, 10]);
    assert_eq!(log.get(Start::At(2)).unwrap().time, us(10));
}

fn times_may_be_negative(new: Factory<'_>) {
    let log = with_times(new, &[-30, -20, 10]);
    assert_eq!(times_of(&log), [-30, -20, 10]);
    check_found(&log, &[(-31, 0), (-30, 0), (-29, 1), (-20, 1), (-19, 2), (0, 2)]);
}

fn times_may_be_the_earliest_and_the_latest(new: Factory<'_>) {
    for setup in [Setup::PLAIN, Setup::TIMES] {
        let log = new(setup);
        let times = [i64::MIN, i64::MAX, i64::MIN, 0, i64::MAX];
        publish_times(&log, &times);
        assert_eq!(times_of(&log), times);
        publish_times(&log, &times);
        assert_eq!(log.get(Start::At(7)).unwrap().time, Timestamp::MIN);
    }
}

fn get_by_time_finds_the_message_of_that_time(new: Factory<'_>) {
    let log = with_times(new, &[10, 20, 30]);
    check_found(&log, &[(10, 0), (20, 1), (30, 2)]);
}

fn get_by_time_finds_the_next_message_after_it(new: Factory<'_>) {
    let log = with_times(new, &[10, 20, 30]);
    check_found(&log, &[(11, 1), (19, 1), (21, 2), (29, 2)]);
}

fn get_by_time_before_all_is_the_first_message(new: Factory<'_>) {
    let log = with_times(new, &[10, 20, 30]);
    check_found(&log, &[(9, 0), (0, 0), (-1, 0), (i64::MIN, 0)]);
}

fn get_by_time_after_all_is_not_found(new: Factory<'_>) {
    let log = with_times(new, &[10, 30, 20]);
    assert_fails!(log.get_by_time(us(31)), Error::NotFound);
    assert_fails!(log.get_by_time(us(i64::MAX)), Error::NotFound);
}

fn get_by_time_of_an_empty_log_is_not_found(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    for time in [i64::MIN, 0, i64::MAX] {
        assert_fails!(log.get_by_time(us(time)), Error::NotFound);
        assert_fails!(log.offset_by_time(us(time)), Error::NotFound);
    }
}

fn get_by_time_finds_the_first_of_equal_times(new: Factory<'_>) {
    let log = with_times(new, &[10, 20, 20, 20, 30]);
    check_found(&log, &[(15, 1), (20, 1), (21, 4)]);
    publish_times(&log, &[30, 30]);
    check_found(&log, &[(25, 4), (30, 4)]);
}

fn get_by_time_goes_by_the_running_maximum(new: Factory<'_>) {
    let log = with_times(new, &[10, 5, 30, 20, 25, 40]);
    check_found(&log, &[(4, 0), (5, 0), (7, 0), (10, 0)]);
    check_found(&log, &[(11, 2), (20, 2), (25, 2), (30, 2), (31, 5), (40, 5)]);
}

fn get_by_time_keeps_the_running_maximum_across_batches(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    for times in [&[100][..], &[1, 2, 3], &[], &[50], &[100], &[101, 7], &[102]] {
        publish_times(&log, times);
    }
    check_found(&log, &[(1, 0), (50, 0), (100, 0), (101, 6), (102, 8)]);
    assert_fails!(log.get_by_time(us(103)), Error::NotFound);
}

fn get_by_time_of_falling_times_only_finds_the_first(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    for time in (0..50).rev() {
        publish_times(&log, &[time]);
    }
    for time in 0..50 {
        check_found(&log, &[(time, 0)]);
    }
    assert_fails!(log.get_by_time(us(50)), Error::NotFound);
}

fn get_by_time_after_the_latest_time_of_all_finds_nothing_later(new: Factory<'_>) {
    let log = with_times(new, &[5, i64::MAX, 10, 20]);
    check_found(&log, &[(5, 0), (6, 1), (10, 1), (20, 1), (i64::MAX, 1)]);
    publish_times(&log, &[i64::MAX]);
    check_found(&log, &[(i64::MAX, 1)]);
}

fn get_by_time_works_at_both_ends_of_time(new: Factory<'_>) {
    let log = with_times(new, &[i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX]);
    check_found(&log, &[(i64::MIN, 0), (i64::MIN + 1, 1), (i64::MIN + 2, 2)]);
    check_found(&log, &[(0, 2), (i64::MAX - 1, 2), (i64::MAX, 3)]);
}

fn get_by_time_works_when_all_times_are_the_earliest(new: Factory<'_>) {
    let log = with_times(new, &[i64::MIN; 3]);
    check_found(&log, &[(i64::MIN, 0)]);
    assert_fails!(log.get_by_time(us(i64::MIN + 1)), Error::NotFound);
}

fn get_by_time_gives_what_get_gives(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let message = NewMessage::new(b"key", b"value")
        .time(us(7))
        .headers(&[(b"name", b"value")]);
    log.publish(&[message]).unwrap();
    let found = log.get_by_time(us(3)).unwrap();
    assert_eq!(found, log.get(Start::At(0)).unwrap());
    assert_eq!(found.as_new(), message);
}

fn offset_by_time_gives_offset_and_own_time(new: Factory<'_>) {
    let log = with_times(new, &[10, 5, 30, 20]);
    assert_eq!(log.offset_by_time(us(0)).unwrap(), (0, us(10)));
    assert_eq!(log.offset_by_time(us(10)).unwrap(), (0, us(10)));
    assert_eq!(log.offset_by_time(us(20)).unwrap(), (2, us(30)));
}

fn offset_by_time_after_all_is_not_found(new: Factory<'_>) {
    let log = with_times(new, &[10, 30, 20]);
    assert_fails!(log.offset_by_time(us(31)), Error::NotFound);
}

fn get_by_time_without_a_time_index_is_no_index(new: Factory<'_>) {
    for setup in [Setup::PLAIN, Setup::KEYS] {
        let log = new(setup);
        assert_fails!(log.get_by_time(us(0)), Error::NoIndex { .. });
        publish_times(&log, &[0]);
        assert_fails!(log.get_by_time(us(0)), Error::NoIndex { .. });
        assert_fails!(log.get_by_time(us(1)), Error::NoIndex { .. });
    }
}

fn offset_by_time_without_a_time_index_is_no_index(new: Factory<'_>) {
    for setup in [Setup::PLAIN, Setup::KEYS] {
        let log = new(setup);
        assert_fails!(log.offset_by_time(us(0)), Error::NoIndex { .. });
        publish_times(&log, &[0]);
        assert_fails!(log.offset_by_time(us(0)), Error::NoIndex { .. });
    }
}

fn get_by_time_agrees_with_a_plain_search(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    let mut random = Random::new(3);
    let mut running_max: Vec<i64> = Vec::new();
    for round in 0..50 {
        // Times increase slowly, and are out of order by larger amounts.
        let times: Vec<i64> = (0..random.below(8))
            .map(|_| round * 10 + random.below(100).cast_signed())
            .collect();
        publish_times(&log, &times);
        for time in times {
            running_max.push(running_max.last().map_or(time, |max| time.max(*max)));
        }
    }
    for time in -1..700 {
        let expected = running_max.iter().position(|max| *max >= time);
        let found = log.offset_by_time(us(time)).ok().map(|(offset, _)| offset);
        assert_eq!(found, expected.map(|place| place as u64), "by time {time}");
    }
}
