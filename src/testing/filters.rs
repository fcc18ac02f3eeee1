use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::control_support::{in_steps, outline, read, read_options};
use super::support::{delete, header, offsets, publish_keys, us};
use super::{Case, Factory, Setup, case};
use crate::{Filter, Log, NewMessage, Start, Stop};

pub(super) const CASES: &[Case] = case::list![
    the_filter_any_leaves_nothing_out,
    a_filter_by_key_gives_the_messages_with_exactly_this_key,
    a_filter_by_key_needs_no_key_index,
    a_filter_by_the_empty_key_leaves_out_messages_without_key,
    a_filter_by_key_gives_tombstones,
    a_filter_by_header_needs_name_and_value,
    a_filter_by_header_sees_every_header_of_the_name,
    a_filter_by_several_values_gives_messages_with_one_of_them,
    a_filter_by_no_values_leaves_everything_out,
    a_filter_by_function_sees_the_whole_message,
    a_filter_sees_no_message_outside_the_range,
    a_filter_moves_next_offset_past_what_it_leaves_out,
    a_filter_that_nothing_passes_moves_to_the_end,
    what_a_filter_leaves_out_counts_towards_no_count,
    what_a_filter_leaves_out_counts_towards_no_bytes,
    a_filtered_message_that_does_not_fit_stops_in_front_of_it,
    a_filter_stops_at_until_offset,
    a_filter_stops_at_until_time_of_messages_it_leaves_out,
    reading_on_behind_a_filter_repeats_and_loses_nothing,
    a_filter_passes_over_deleted_messages,
];

const ABABA: [&str; 5] = ["A", "B", "A", "B", "A"];

fn ababa(new: Factory<'_>) -> Box<dyn Log> {
    let log = new(Setup::PLAIN);
    publish_keys(&log, &ABABA);
    log
}

fn filtered(log: &dyn Log, filter: Filter) -> Vec<u64> {
    offsets(&read(log, Start::Oldest, &read_options().filter(filter)).messages)
}

fn the_filter_any_leaves_nothing_out(new: Factory<'_>) {
    let log = ababa(new);
    for any in [Filter::any(), Filter::default()] {
        assert_eq!(filtered(&log, any), [0, 1, 2, 3, 4]);
    }
}

fn a_filter_by_key_gives_the_messages_with_exactly_this_key(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["a", "ab", "A", "a", ""]);
    assert_eq!(filtered(&log, Filter::key(b"a")), [0, 3]);
    assert_eq!(filtered(&log, Filter::key(b"ab")), [1]);
    assert!(filtered(&log, Filter::key(b"abc")).is_empty());
}

fn a_filter_by_key_needs_no_key_index(new: Factory<'_>) {
    let log = ababa(new);
    assert_eq!(filtered(&log, Filter::key(b"A")), [0, 2, 4]);
    assert_eq!(filtered(&log, Filter::key(b"B")), [1, 3]);
}

fn a_filter_by_the_empty_key_leaves_out_messages_without_key(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    log.publish(&[NewMessage::value(b"x"), NewMessage::new(b"", b"x")])
        .unwrap();
    assert_eq!(filtered(&log, Filter::key(b"")), [1]);
}

fn a_filter_by_key_gives_tombstones(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    log.publish(&[NewMessage::new(b"k", b"x"), NewMessage::tombstone(b"k")])
        .unwrap();
    assert_eq!(filtered(&log, Filter::key(b"k")), [0, 1]);
}

fn a_filter_by_header_needs_name_and_value(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for pair in [("n", "v"), ("n", "w"), ("m", "v"), ("N", "v"), ("n", "v ")] {
        let headers = [header(pair.0, pair.1)];
        log.publish(&[NewMessage::value(b"x").headers(&headers)]).unwrap();
    }
    log.publish(&[NewMessage::new(b"n", b"v")]).unwrap();
    assert_eq!(filtered(&log, Filter::header(b"n", b"v")), [0]);
    assert_eq!(filtered(&log, Filter::header(b"m", b"v")), [2]);
    assert!(filtered(&log, Filter::header(b"m", b"w")).is_empty());
}

fn a_filter_by_header_sees_every_header_of_the_name(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let headers = [
        header("a", "1"),
        header("n", "v"),
        header("n", "w"),
        header("", ""),
    ];
    log.publish(&[NewMessage::value(b"x").headers(&headers)]).unwrap();
    for (name, value) in headers {
        assert_eq!(filtered(&log, Filter::header(name, value)), [0]);
    }
    assert!(filtered(&log, Filter::header(b"a", b"v")).is_empty());
}

fn a_filter_by_several_values_gives_messages_with_one_of_them(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for value in ["1", "2", "3", "2", ""] {
        log.publish(&[NewMessage::value(b"x").headers(&[header("n", value)])])
            .unwrap();
    }
    let one_of = |values: &[&'static [u8]]| Filter::header_in(b"n", values.iter().copied());
    assert_eq!(filtered(&log, one_of(&[b"2", b"1"])), [0, 1, 3]);
    assert_eq!(filtered(&log, one_of(&[b"3", b"", b"9"])), [2, 4]);
}

fn a_filter_by_no_values_leaves_everything_out(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    log.publish(&[NewMessage::value(b"x").headers(&[header("n", "")])])
        .unwrap();
    assert!(filtered(&log, Filter::header_in(b"n", [])).is_empty());
}

fn a_filter_by_function_sees_the_whole_message(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let headers = [header("n", "v"), header("n", "w")];
    log.publish(&[NewMessage::value(b"x").time(us(1))]).unwrap();
    log.publish(&[NewMessage::new(b"key", b"value").time(us(-7)).headers(&headers)])
        .unwrap();
    log.publish(&[NewMessage::tombstone(b"key").time(us(-7))])
        .unwrap();
    let whole = Filter::matching(Arc::new(|message| {
        message.offset == 1
            && message.time == us(-7)
            && message.key == Some(b"key")
            && message.value == Some(b"value")
            && message.headers().eq([header("n", "v"), header("n", "w")])
    }));
    assert_eq!(filtered(&log, whole), [1]);
    let tombstones = Filter::matching(Arc::new(|message| message.value.is_none()));
    assert_eq!(filtered(&log, tombstones), [2]);
}

fn a_filter_sees_no_message_outside_the_range(new: Factory<'_>) {
    let log = ababa(new);
    let outside = Arc::new(AtomicUsize::new(0));
    let noted = Arc::clone(&outside);
    let filter = Filter::matching(Arc::new(move |message| {
        if !(1..4).contains(&message.offset) {
            noted.fetch_add(1, Ordering::Relaxed);
        }
        true
    }));
    let how = read_options().until_offset(4).filter(filter);
    assert_eq!(read(&log, Start::At(1), &how).next_offset, 4);
    assert_eq!(outside.load(Ordering::Relaxed), 0);
}

fn a_filter_moves_next_offset_past_what_it_leaves_out(new: Factory<'_>) {
    let log = ababa(new);
    let how = read_options().filter(Filter::key(b"B"));
    assert_eq!(outline(&log, Start::Oldest, &how), (vec![1, 3], 5, Stop::AtEnd));
    assert_eq!(outline(&log, Start::At(2), &how), (vec![3], 5, Stop::AtEnd));
    assert_eq!(outline(&log, Start::At(4), &how), (vec![], 5, Stop::AtEnd));
}

fn a_filter_that_nothing_passes_moves_to_the_end(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_keys(&log, &["A"; 300]);
    let how = read_options().filter(Filter::key(b"B"));
    assert_eq!(outline(&log, Start::Oldest, &how), (vec![], 300, Stop::AtEnd));
    let one = how.max_count(1).max_bytes(1);
    assert_eq!(outline(&log, Start::Oldest, &one), (vec![], 300, Stop::AtEnd));
}

fn what_a_filter_leaves_out_counts_towards_no_count(new: Factory<'_>) {
    let log = ababa(new);
    let how = read_options().max_count(2).filter(Filter::key(b"A"));
    let (found, next_offset, stopped) = outline(&log, Start::Oldest, &how);
    assert_eq!((found, stopped), (vec![0, 2], Stop::Count));
    assert!((3..=4).contains(&next_offset), "{next_offset}");
}

fn what_a_filter_leaves_out_counts_towards_no_bytes(new: Factory<'_>) {
    let log = ababa(new);
    // The metered size of each is 10.
    let how = read_options().max_bytes(20).filter(Filter::key(b"B"));
    assert_eq!(outline(&log, Start::Oldest, &how), (vec![1, 3], 5, Stop::AtEnd));
    let how = read_options().max_bytes(29).filter(Filter::key(b"A"));
    let (found, next_offset, stopped) = outline(&log, Start::Oldest, &how);
    assert_eq!((found, stopped), (vec![0, 2], Stop::Bytes));
    assert!((3..=4).contains(&next_offset), "{next_offset}");
}

fn a_filtered_message_that_does_not_fit_stops_in_front_of_it(new: Factory<'_>) {
    let log = ababa(new);
    let how = read_options().max_bytes(9).filter(Filter::key(b"B"));
    let (found, next_offset, stopped) = outline(&log, Start::Oldest, &how);
    assert_eq!((found, stopped), (vec![], Stop::Bytes));
    assert!((0..=1).contains(&next_offset), "{next_offset}");
}

fn a_filter_stops_at_until_offset(new: Factory<'_>) {
    let log = ababa(new);
    let how = read_options().until_offset(4).filter(Filter::key(b"A"));
    assert_eq!(outline(&log, Start::Oldest, &how), (vec![0, 2], 4, Stop::Until));
}

fn a_filter_stops_at_until_time_of_messages_it_leaves_out(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for (key, time) in [(b"A", 10), (b"B", 30), (b"A", 20)] {
        log.publish(&[NewMessage::new(key, b"x").time(us(time))]).unwrap();
    }
    let how = read_options().until_time(us(25)).filter(Filter::key(b"A"));
    assert_eq!(outline(&log, Start::Oldest, &how), (vec![0], 1, Stop::Until));
}

fn reading_on_behind_a_filter_repeats_and_loses_nothing(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let keys: Vec<&str> = (0..500).map(|n| if n % 7 == 3 { "A" } else { "B" }).collect();
    publish_keys(&log, &keys);
    let expected: Vec<u64> = (0..500).filter(|n| n % 7 == 3).collect();
    for count in [1, 2, 5, 64, 100] {
        let how = read_options().max_count(count).filter(Filter::key(b"A"));
        let (found, end) = in_steps(&log, &how);
        assert_eq!(
            (offsets(&found), end),
            (expected.clone(), 500),
            "{count} at a time"
        );
    }
}

fn a_filter_passes_over_deleted_messages(new: Factory<'_>) {
    let log = ababa(new);
    delete(&log, &[1, 2, 4]);
    let how = read_options().filter(Filter::key(b"A"));
    assert_eq!(outline(&log, Start::Oldest, &how), (vec![0], 5, Stop::AtEnd));
}
