use super::control_support::{
    M, assert_refused, control, delete_by_some, fence, how, outline, read, read_options, token,
};
use super::support::{
    all, assert_fails, check_left, delete, drain, drain_by_key, key_offsets_from, offsets, offsets_from,
    publish_keys, publish_numbers, publish_times, us,
};
use super::{Case, Factory, Setup, case};
use crate::{Control, ControlRecord, Error, Filter, Log, Start, Stop};

pub(super) const CASES: &[Case] = case::list![control:
    a_control_record_takes_an_offset,
    a_control_record_is_no_message_to_get,
    a_control_record_at_the_end_is_not_the_newest_message,
    a_control_record_is_passed_over_by_consume,
    a_control_record_is_not_counted_by_last,
    a_control_record_is_not_counted_by_stat,
    a_control_record_has_no_key,
    a_control_record_has_no_time_to_be_found_by,
    a_control_record_is_not_deleted,
    a_control_record_named_to_delete_some_is_taken_out,
    a_control_record_is_not_counted_by_trim,
    a_log_of_control_records_alone_has_no_messages,
    many_control_records_are_passed_over,
    four_control_records_fit_into_a_batch,
    five_control_records_are_invalid,
    control_records_are_taken_in_order,
    a_read_shows_no_control_records_unasked,
    a_read_shows_control_records_when_asked,
    a_read_of_control_records_tells_their_times,
    a_read_of_control_records_alone_begins_at_one,
    control_records_that_are_read_count_towards_max_count,
    control_records_are_read_up_to_until_offset,
    control_records_are_not_filtered,
    control_records_that_were_trimmed_are_not_read,
    a_read_without_control_records_in_the_log_shows_none,
];

/// Two messages and a fence behind them.
fn fenced(new: Factory<'_>) -> Box<dyn Log> {
    let log = new(Setup::INDEXED);
    publish_times(&log, &[10, 20]);
    fence(&log, "a");
    log
}

fn showing() -> crate::ReadOptions {
    read_options().control(true)
}

fn shown(log: &dyn Log, from: Start, how: &crate::ReadOptions) -> Vec<(u64, Control)> {
    let batch = read(log, from, how);
    let known = |record: ControlRecord| (record.offset, record.control.expect("a known one"));
    batch.controls.into_iter().map(known).collect()
}

fn a_control_record_takes_an_offset(new: Factory<'_>) {
    let log = fenced(new);
    assert_eq!(log.next_offset().unwrap(), 3);
    assert_eq!(log.publish(&[M]).unwrap(), 4);
    assert_eq!(offsets(&all(&log)), [0, 1, 3]);
}

fn a_control_record_is_no_message_to_get(new: Factory<'_>) {
    let log = fenced(new);
    assert_fails!(log.get(Start::At(2)), Error::NotFound);
    log.publish(&[M]).unwrap();
    assert_fails!(log.get(Start::At(2)), Error::NotFound);
    assert_fails!(log.get(Start::At(4)), Error::OffsetOutOfRange { .. });
}

fn a_control_record_at_the_end_is_not_the_newest_message(new: Factory<'_>) {
    let log = fenced(new);
    for at in [Start::Newest, Start::Last(0), Start::Last(1)] {
        assert_eq!(log.get(at).unwrap().offset, 1, "{at:?}");
    }
    assert_eq!(log.get(Start::Last(2)).unwrap().offset, 0);
}

fn a_control_record_is_passed_over_by_consume(new: Factory<'_>) {
    let log = fenced(new);
    let end = drain(&log, Start::At(2), 9);
    assert_eq!((end.messages.len(), end.next_offset), (0, 3));
    let newest = log.consume(Start::Newest, 9).unwrap();
    assert_eq!((newest.messages.len(), newest.next_offset), (0, 3));
    publish_numbers(&log, 3..5);
    for (from, expected) in [(1, vec![1, 3, 4]), (2, vec![3, 4]), (3, vec![3, 4])] {
        assert_eq!(offsets_from(&log, Start::At(from)), expected);
    }
    assert_eq!(log.consume(Start::At(2), 0).unwrap().next_offset, 2);
}

fn a_control_record_is_not_counted_by_last(new: Factory<'_>) {
    let log = fenced(new);
    fence(&log, "b");
    assert_eq!(offsets_from(&log, Start::Last(1)), [1]);
    assert_eq!(offsets_from(&log, Start::Last(2)), [0, 1]);
    assert_eq!(log.consume(Start::Last(1), 0).unwrap().next_offset, 1);
    log.publish(&[M]).unwrap();
    assert_eq!(offsets_from(&log, Start::Last(2)), [1, 4]);
}

fn a_control_record_is_not_counted_by_stat(new: Factory<'_>) {
    let log = fenced(new);
    let stat = log.stat().unwrap();
    assert_eq!((stat.messages, stat.start_offset, stat.next_offset), (2, 0, 3));
}

fn a_control_record_has_no_key(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["a", ""]);
    fence(&log, "a");
    control(&log, Control::Trim(0));
    assert_eq!(log.offset_by_key(b"a").unwrap(), 0);
    assert_eq!(log.offset_by_key(b"").unwrap(), 1);
    assert_eq!(key_offsets_from(&log, b"a", Start::Oldest), [0]);
    assert_eq!(key_offsets_from(&log, b"", Start::Oldest), [1]);
    assert_eq!(drain_by_key(&log, b"a", Start::At(2), 9).next_offset, 4);
}

fn a_control_record_has_no_time_to_be_found_by(new: Factory<'_>) {
    let log = new(Setup::TIMES.at(5000));
    publish_times(&log, &[10, 20]);
    fence(&log, "a");
    assert_fails!(log.get_by_time(us(21)), Error::NotFound);
    assert_eq!(log.consume(Start::Time(us(21)), 9).unwrap().next_offset, 3);
    publish_times(&log, &[30]);
    // The running maximum is that of the messages.
    assert_eq!(log.offset_by_time(us(21)).unwrap(), (3, us(30)));
    assert_fails!(log.get_by_time(us(31)), Error::NotFound);
}

fn a_control_record_is_not_deleted(new: Factory<'_>) {
    let log = fenced(new);
    publish_numbers(&log, 3..5);
    assert_eq!(delete(&log, &[2]).messages, 0);
    assert_eq!(delete(&log, &[1, 2, 3]).messages, 2);
    check_left(&log, &[0, 4]);
    assert_eq!(
        shown(&log, Start::Oldest, &showing()),
        [(2, Control::Fence(token("a")))]
    );
    assert_eq!(log.token().unwrap(), token("a"));
}

fn a_control_record_named_to_delete_some_is_taken_out(new: Factory<'_>) {
    let log = fenced(new);
    let messages = delete_by_some(&log, [2].into());
    assert_eq!((messages, offsets(&all(&log))), (0, vec![0, 1]));
    assert_eq!(log.next_offset().unwrap(), 3);
}

fn a_control_record_is_not_counted_by_trim(new: Factory<'_>) {
    let log = fenced(new);
    log.publish(&[M]).unwrap();
    assert_eq!(log.trim(3).unwrap().count, 2);
    fence(&log, "b");
    assert_eq!(log.trim(5).unwrap().count, 1);
    control(&log, Control::Trim(0));
    assert_eq!(log.trim(6).unwrap().count, 0);
    assert_eq!(log.start_offset().unwrap(), 6);
}

fn a_log_of_control_records_alone_has_no_messages(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    for text in ["a", "b", "c"] {
        fence(&log, text);
    }
    check_left(&log, &[]);
    for at in [Start::Oldest, Start::Newest, Start::Last(2)] {
        assert_fails!(log.get(at), Error::NotFound);
    }
    assert_fails!(log.get_by_time(us(i64::MIN)), Error::NotFound);
    assert_eq!(drain(&log, Start::Oldest, 9).next_offset, 3);
    assert_eq!(
        outline(&log, Start::Oldest, &read_options()),
        (vec![], 3, Stop::AtEnd)
    );
}

fn many_control_records_are_passed_over(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let mut expected = Vec::new();
    for round in 0..50 {
        let four = (0..4).fold(how(), |how, _| how.and(Control::Trim(0)));
        expected.push(log.append(&[M], &four).unwrap().start.offset);
        if round % 10 == 0 {
            for _ in 0..20 {
                log.append(&[], &four).unwrap();
            }
        }
    }
    assert_eq!(offsets(&all(&log)), expected);
    assert_eq!(log.stat().unwrap().messages, 50);
    for (n, offset) in (1..).zip(expected.iter().rev()) {
        assert_eq!(log.get(Start::Last(n)).unwrap().offset, *offset);
    }
    let (found, next_offset, _) = outline(&log, Start::Oldest, &read_options());
    assert_eq!((found, next_offset), (expected, 650));
    assert_eq!(read(&log, Start::Oldest, &showing()).controls.len(), 600);
}

fn four_control_records_fit_into_a_batch(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let four = (0..4).fold(how(), |how, _| how.and(Control::Trim(0)));
    assert_eq!(log.append(&[M], &four).unwrap().end.offset, 5);
    assert_eq!(log.publish_with(&[], &four).unwrap(), 9);
}

fn five_control_records_are_invalid(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for count in [5, 6, 100] {
        let many = (0..count).fold(how(), |how, _| how.and(Control::Fence(token("a"))));
        assert_refused!(log, log.append(&[M], &many), Error::Invalid(_));
        assert_refused!(log, log.append(&[], &many), Error::Invalid(_));
        assert_refused!(log, log.publish_with(&[M], &many), Error::Invalid(_));
    }
}

fn control_records_are_taken_in_order(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let controls = [
        Control::Fence(token("a")),
        Control::Trim(0),
        Control::Fence(token("b")),
        Control::Seal,
    ];
    let all = controls.iter().fold(how(), |how, control| how.and(*control));
    log.append(&[M], &all).unwrap();
    let expected: Vec<(u64, Control)> = (1..).zip(controls).collect();
    assert_eq!(shown(&log, Start::Oldest, &showing()), expected);
    assert_eq!(
        (log.token().unwrap(), log.is_sealed().unwrap()),
        (token("b"), true)
    );
}

fn a_read_shows_no_control_records_unasked(new: Factory<'_>) {
    let log = fenced(new);
    log.publish(&[M]).unwrap();
    for how in [read_options(), read_options().control(false)] {
        let batch = read(&log, Start::Oldest, &how);
        assert_eq!((offsets(&batch.messages), batch.next_offset), (vec![0, 1, 3], 4));
        assert_eq!(batch.controls, []);
    }
}

fn a_read_shows_control_records_when_asked(new: Factory<'_>) {
    let log = fenced(new);
    log.append(&[M], &how().and(Control::Trim(0)).and(Control::Seal))
        .unwrap();
    let batch = read(&log, Start::Oldest, &showing());
    assert_eq!(offsets(&batch.messages), [0, 1, 3]);
    assert_eq!((batch.next_offset, batch.stopped), (6, Stop::Sealed));
    let expected = [
        (2, Control::Fence(token("a"))),
        (4, Control::Trim(0)),
        (5, Control::Seal),
    ];
    assert_eq!(shown(&log, Start::Oldest, &showing()), expected);
    assert_eq!(shown(&log, Start::At(3), &showing()), expected[1..]);
}

fn a_read_of_control_records_tells_their_times(new: Factory<'_>) {
    let log = new(Setup::PLAIN.at(77));
    publish_times(&log, &[10]);
    fence(&log, "a");
    let controls = read(&log, Start::Oldest, &showing()).controls;
    assert_eq!(
        (controls.len(), controls[0].offset, controls[0].time),
        (1, 1, us(77))
    );
}

fn a_read_of_control_records_alone_begins_at_one(new: Factory<'_>) {
    let log = fenced(new);
    let batch = read(&log, Start::At(2), &showing());
    assert_eq!((batch.messages.len(), batch.controls.len()), (0, 1));
    assert_eq!((batch.next_offset, batch.stopped), (3, Stop::AtEnd));
}

fn control_records_that_are_read_count_towards_max_count(new: Factory<'_>) {
    let log = fenced(new);
    publish_numbers(&log, 3..5);
    let batch = read(&log, Start::At(1), &showing().max_count(3));
    assert_eq!((offsets(&batch.messages), batch.controls.len()), (vec![1, 3], 1));
    assert_eq!((batch.next_offset, batch.stopped), (4, Stop::Count));
    let batch = read(&log, Start::At(2), &showing().max_count(1));
    assert_eq!(
        (batch.messages.len(), batch.controls.len(), batch.next_offset),
        (0, 1, 3)
    );
    // Unasked, they count nothing.
    let batch = read(&log, Start::At(1), &read_options().max_count(3));
    assert_eq!(offsets(&batch.messages), [1, 3, 4]);
}

fn control_records_are_read_up_to_until_offset(new: Factory<'_>) {
    let log = fenced(new);
    log.publish(&[M]).unwrap();
    assert_eq!(shown(&log, Start::Oldest, &showing().until_offset(2)), []);
    let batch = read(&log, Start::Oldest, &showing().until_offset(3));
    assert_eq!((batch.messages.len(), batch.controls.len()), (2, 1));
    assert_eq!((batch.next_offset, batch.stopped), (3, Stop::Until));
}

fn control_records_are_not_filtered(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_keys(&log, &["a", "b"]);
    fence(&log, "a");
    publish_keys(&log, &["b", "a"]);
    let batch = read(&log, Start::Oldest, &showing().filter(Filter::key(b"a")));
    assert_eq!((offsets(&batch.messages), batch.controls.len()), (vec![0, 4], 1));
    assert_eq!(batch.next_offset, 5);
}

fn control_records_that_were_trimmed_are_not_read(new: Factory<'_>) {
    let log = fenced(new);
    fence(&log, "b");
    log.trim(3).unwrap();
    assert_eq!(
        shown(&log, Start::Oldest, &showing()),
        [(3, Control::Fence(token("b")))]
    );
    control(&log, Control::Trim(u64::MAX));
    assert_eq!(shown(&log, Start::Oldest, &showing()), []);
}

fn a_read_without_control_records_in_the_log_shows_none(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    let batch = read(&log, Start::Oldest, &showing());
    assert_eq!((batch.messages.len(), batch.controls.len()), (3, 0));
    assert_eq!((batch.next_offset, batch.stopped), (3, Stop::AtEnd));
}
