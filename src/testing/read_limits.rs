use super::control_support::{outline, read, read_options};
use super::support::{assert_fails, numbers_without, offsets, publish_times, us};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, NewMessage, Start, Stop};

pub(super) const CASES: &[Case] = case::list![
    max_count_stops_with_count_when_more_follow,
    max_count_of_all_that_there_is_gives_all,
    max_count_of_more_than_there_is_stops_at_the_end,
    max_count_counts_existing_messages,
    max_bytes_of_more_than_two_of_three_gives_two,
    max_bytes_of_exactly_two_gives_two,
    max_bytes_of_less_than_the_first_gives_none_and_stays,
    max_bytes_of_exactly_all_stops_at_the_end,
    max_bytes_is_strict_behind_small_messages_too,
    a_message_that_did_not_fit_is_read_next,
    of_two_limits_the_first_reached_stops,
    a_limit_of_0_gives_nothing_and_stays,
    a_limit_of_0_tells_where_reading_would_begin,
    a_limit_of_0_beyond_the_end_is_no_error,
    a_limit_of_0_below_the_start_offset_is_no_error,
    a_limit_of_0_looks_at_no_index_and_no_times,
    until_offset_is_exclusive,
    until_offset_at_or_below_the_start_gives_nothing,
    until_offset_beyond_the_end_stops_at_the_end,
    until_offset_in_a_gap_stops_there,
    until_offset_is_met_before_a_higher_count,
    a_lower_count_is_met_before_until_offset,
    until_time_is_exclusive,
    until_time_stops_in_front_of_the_first_that_reaches_it,
    until_time_before_all_gives_nothing_and_stays,
    until_time_after_all_stops_at_the_end,
    until_time_needs_no_time_index,
    a_start_time_at_or_after_until_time_is_invalid,
    a_start_time_before_until_time_reads_between,
    of_two_untils_the_first_met_stops,
];

fn numbers(new: Factory<'_>, count: u64) -> Box<dyn Log> {
    numbers_without(new, count, &[])
}

/// Three messages without key of two bytes each: their metered size is 10 each.
fn tens(new: Factory<'_>) -> Box<dyn Log> {
    let log = new(Setup::PLAIN);
    log.publish(&[NewMessage::value(b"ab"); 3]).unwrap();
    log
}

fn times(new: Factory<'_>) -> Box<dyn Log> {
    let log = new(Setup::TIMES);
    publish_times(&log, &[1000, 2000, 2000, 3000]);
    log
}

fn max_count_stops_with_count_when_more_follow(new: Factory<'_>) {
    let log = numbers(new, 5);
    let how = read_options().max_count(2);
    assert_eq!(outline(&log, Start::Oldest, &how), (vec![0, 1], 2, Stop::Count));
    assert_eq!(outline(&log, Start::At(2), &how), (vec![2, 3], 4, Stop::Count));
    assert_eq!(outline(&log, Start::At(4), &how), (vec![4], 5, Stop::AtEnd));
}

fn max_count_of_all_that_there_is_gives_all(new: Factory<'_>) {
    let log = numbers(new, 5);
    let batch = read(&log, Start::Oldest, &read_options().max_count(5));
    assert_eq!((batch.messages.len(), batch.next_offset), (5, 5));
    assert!(matches!(batch.stopped, Stop::Count | Stop::AtEnd));
}

fn max_count_of_more_than_there_is_stops_at_the_end(new: Factory<'_>) {
    let log = numbers(new, 5);
    for count in [6, usize::MAX] {
        let how = read_options().max_count(count);
        assert_eq!(outline(&log, Start::At(3), &how), (vec![3, 4], 5, Stop::AtEnd));
    }
}

fn max_count_counts_existing_messages(new: Factory<'_>) {
    let log = numbers_without(new, 9, &[1, 2, 4]);
    let how = read_options().max_count(3);
    let (found, next_offset, stopped) = outline(&log, Start::Oldest, &how);
    assert_eq!((found, next_offset, stopped), (vec![0, 3, 5], 6, Stop::Count));
}

fn max_bytes_of_more_than_two_of_three_gives_two(new: Factory<'_>) {
    let how = read_options().max_bytes(25);
    assert_eq!(
        outline(&tens(new), Start::Oldest, &how),
        (vec![0, 1], 2, Stop::Bytes)
    );
}

fn max_bytes_of_exactly_two_gives_two(new: Factory<'_>) {
    let how = read_options().max_bytes(20);
    assert_eq!(
        outline(&tens(new), Start::Oldest, &how),
        (vec![0, 1], 2, Stop::Bytes)
    );
}

fn max_bytes_of_less_than_the_first_gives_none_and_stays(new: Factory<'_>) {
    let log = tens(new);
    for bytes in [1, 9] {
        let how = read_options().max_bytes(bytes);
        for from in [0, 1, 2] {
            let expected = (vec![], from, Stop::Bytes);
            assert_eq!(outline(&log, Start::At(from), &how), expected, "{bytes} bytes");
        }
    }
}

fn max_bytes_of_exactly_all_stops_at_the_end(new: Factory<'_>) {
    let log = tens(new);
    for bytes in [30, 31, u64::MAX] {
        let how = read_options().max_bytes(bytes);
        assert_eq!(
            outline(&log, Start::Oldest, &how),
            (vec![0, 1, 2], 3, Stop::AtEnd)
        );
    }
}

fn max_bytes_is_strict_behind_small_messages_too(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let large = [b'x'; 100];
    log.publish(&[
        NewMessage::value(b"ab"),
        NewMessage::value(&large),
        NewMessage::value(b"ab"),
    ])
    .unwrap();
    // The third one would fit, but reading does not skip the second.
    let how = read_options().max_bytes(50);
    assert_eq!(outline(&log, Start::Oldest, &how), (vec![0], 1, Stop::Bytes));
    assert_eq!(outline(&log, Start::At(1), &how), (vec![], 1, Stop::Bytes));
}

fn a_message_that_did_not_fit_is_read_next(new: Factory<'_>) {
    let log = tens(new);
    let first = read(&log, Start::Oldest, &read_options().max_bytes(19));
    assert_eq!((first.next_offset, first.stopped), (1, Stop::Bytes));
    let rest = outline(&log, Start::At(first.next_offset), &read_options().max_bytes(20));
    assert_eq!(rest, (vec![1, 2], 3, Stop::AtEnd));
}

fn of_two_limits_the_first_reached_stops(new: Factory<'_>) {
    let log = tens(new);
    let how = read_options().max_count(1).max_bytes(25);
    assert_eq!(outline(&log, Start::Oldest, &how), (vec![0], 1, Stop::Count));
    let how = read_options().max_count(2).max_bytes(15);
    assert_eq!(outline(&log, Start::Oldest, &how), (vec![0], 1, Stop::Bytes));
}

fn a_limit_of_0_gives_nothing_and_stays(new: Factory<'_>) {
    let log = numbers_without(new, 5, &[2]);
    for from in 0..=5 {
        let at = Start::At(from);
        let none = outline(&log, at, &read_options().max_count(0));
        assert_eq!(none, (vec![], from, Stop::Count));
        let none = outline(&log, at, &read_options().max_bytes(0));
        assert_eq!(none, (vec![], from, Stop::Bytes));
    }
    let none = read(&log, Start::At(1), &read_options().max_count(0).max_bytes(0));
    assert!(none.messages.is_empty() && none.next_offset == 1);
    assert_eq!(none.tail, log.tail().unwrap());
}

fn a_limit_of_0_tells_where_reading_would_begin(new: Factory<'_>) {
    let log = numbers_without(new, 5, &[4]);
    log.trim(1).unwrap();
    for (from, begin) in [
        (Start::Oldest, 1),
        (Start::Newest, 5),
        (Start::Last(2), 2),
        (Start::Last(9), 1),
    ] {
        for how in [read_options().max_count(0), read_options().max_bytes(0)] {
            assert_eq!(read(&log, from, &how).next_offset, begin, "{from:?}");
        }
    }
}

fn a_limit_of_0_beyond_the_end_is_no_error(new: Factory<'_>) {
    let log = numbers(new, 3);
    for how in [read_options().max_count(0), read_options().max_bytes(0)] {
        assert!(read(&log, Start::At(9), &how).messages.is_empty());
    }
}

fn a_limit_of_0_below_the_start_offset_is_no_error(new: Factory<'_>) {
    let log = numbers(new, 3);
    log.trim(2).unwrap();
    for how in [read_options().max_count(0), read_options().max_bytes(0)] {
        assert!(read(&log, Start::At(0), &how).messages.is_empty());
    }
}

fn a_limit_of_0_looks_at_no_index_and_no_times(new: Factory<'_>) {
    let log = numbers(new, 3);
    for how in [read_options().max_count(0), read_options().max_bytes(0)] {
        let from = Start::Time(us(5));
        assert!(read(&log, from, &how).messages.is_empty());
        assert!(read(&log, from, &how.until_time(us(1))).messages.is_empty());
    }
}

fn until_offset_is_exclusive(new: Factory<'_>) {
    let log = numbers(new, 5);
    for until in 1..5 {
        let how = read_options().until_offset(until);
        let expected = ((0..until).collect(), until, Stop::Until);
        assert_eq!(outline(&log, Start::Oldest, &how), expected);
    }
    let all = read(&log, Start::Oldest, &read_options().until_offset(5));
    assert_eq!((all.messages.len(), all.next_offset), (5, 5));
    assert!(matches!(all.stopped, Stop::Until | Stop::AtEnd));
}

fn until_offset_at_or_below_the_start_gives_nothing(new: Factory<'_>) {
    let log = numbers(new, 5);
    for until in [0, 1, 3] {
        let how = read_options().until_offset(until);
        assert_eq!(outline(&log, Start::At(3), &how), (vec![], 3, Stop::Until));
    }
}

fn until_offset_beyond_the_end_stops_at_the_end(new: Factory<'_>) {
    let log = numbers(new, 3);
    for until in [4, u64::MAX] {
        let how = read_options().until_offset(until);
        assert_eq!(
            outline(&log, Start::Oldest, &how),
            (vec![0, 1, 2], 3, Stop::AtEnd)
        );
    }
}

fn until_offset_in_a_gap_stops_there(new: Factory<'_>) {
    let log = numbers_without(new, 8, &[2, 3, 4, 5]);
    let batch = read(&log, Start::Oldest, &read_options().until_offset(4));
    assert_eq!(
        (offsets(&batch.messages), batch.stopped),
        (vec![0, 1], Stop::Until)
    );
    // Everything in front of it was read or is not there.
    assert!((2..=4).contains(&batch.next_offset), "{}", batch.next_offset);
}

fn until_offset_is_met_before_a_higher_count(new: Factory<'_>) {
    let how = read_options().until_offset(2).max_count(3);
    assert_eq!(
        outline(&numbers(new, 5), Start::Oldest, &how),
        (vec![0, 1], 2, Stop::Until)
    );
}

fn a_lower_count_is_met_before_until_offset(new: Factory<'_>) {
    let how = read_options().until_offset(4).max_count(3);
    assert_eq!(
        outline(&numbers(new, 5), Start::Oldest, &how),
        (vec![0, 1, 2], 3, Stop::Count)
    );
}

fn until_time_is_exclusive(new: Factory<'_>) {
    let log = times(new);
    for (until, count) in [(2000, 1), (2001, 3), (3000, 3)] {
        let how = read_options().until_time(us(until));
        let expected = ((0..count).collect(), count, Stop::Until);
        assert_eq!(outline(&log, Start::Oldest, &how), expected, "until {until}");
    }
}

fn until_time_stops_in_front_of_the_first_that_reaches_it(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_times(&log, &[10, 30, 20, 5]);
    let how = read_options().until_time(us(25));
    assert_eq!(outline(&log, Start::Oldest, &how), (vec![0], 1, Stop::Until));
    assert_eq!(outline(&log, Start::At(2), &how), (vec![2, 3], 4, Stop::AtEnd));
}

fn until_time_before_all_gives_nothing_and_stays(new: Factory<'_>) {
    let log = times(new);
    for until in [i64::MIN, 0, 1000] {
        let how = read_options().until_time(us(until));
        assert_eq!(outline(&log, Start::Oldest, &how), (vec![], 0, Stop::Until));
    }
}

fn until_time_after_all_stops_at_the_end(new: Factory<'_>) {
    let log = times(new);
    for until in [3001, i64::MAX] {
        let how = read_options().until_time(us(until));
        assert_eq!(
            outline(&log, Start::Oldest, &how),
            (vec![0, 1, 2, 3], 4, Stop::AtEnd)
        );
    }
}

fn until_time_needs_no_time_index(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_times(&log, &[10, 20, 30]);
    let how = read_options().until_time(us(30));
    assert_eq!(outline(&log, Start::Oldest, &how), (vec![0, 1], 2, Stop::Until));
}

fn a_start_time_at_or_after_until_time_is_invalid(new: Factory<'_>) {
    let log = times(new);
    let how = read_options().until_time(us(2000));
    for from in [2000, 2001, i64::MAX] {
        assert_fails!(log.read(Start::Time(us(from)), &how), Error::Invalid(_));
    }
}

fn a_start_time_before_until_time_reads_between(new: Factory<'_>) {
    let log = times(new);
    for (from, until, expected) in [
        (1000, 2000, vec![0]),
        (1001, 3000, vec![1, 2]),
        (1999, 2000, vec![]),
        (2000, 2001, vec![1, 2]),
    ] {
        let how = read_options().until_time(us(until));
        let (found, _, stopped) = outline(&log, Start::Time(us(from)), &how);
        assert_eq!((found, stopped), (expected, Stop::Until), "{from} until {until}");
    }
}

fn of_two_untils_the_first_met_stops(new: Factory<'_>) {
    let log = times(new);
    let how = read_options().until_time(us(3000));
    let (by_offset, by_time) = (how.clone().until_offset(2), how.until_offset(4));
    assert_eq!(
        outline(&log, Start::Oldest, &by_offset),
        (vec![0, 1], 2, Stop::Until)
    );
    assert_eq!(
        outline(&log, Start::Oldest, &by_time),
        (vec![0, 1, 2], 3, Stop::Until)
    );
}
