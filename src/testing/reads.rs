use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::control_support::{M, in_steps, metered, outline, read, read_options};
use super::support::{
    SetOnDrop, all, assert_fails, delete, join, number, numbers_without, offsets, publish_numbers,
    publish_times, us,
};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, NewMessage, ReadOptions, Start, Stop};

pub(super) const CASES: &[Case] = case::list![
    read_gives_the_messages_that_consume_gives,
    read_without_limits_stops_at_the_end,
    read_of_a_new_log_stops_at_the_end,
    read_from_the_next_offset_gives_nothing,
    read_from_newest_gives_nothing,
    read_tells_the_tail,
    read_beyond_the_end_is_out_of_range,
    read_below_the_start_offset_is_out_of_range_and_trimmed,
    clamp_begins_at_the_end_when_the_start_is_beyond_it,
    clamp_changes_nothing_within_the_log,
    clamp_does_not_bring_back_what_was_trimmed,
    read_from_a_time_without_time_index_is_no_index,
    read_passes_over_deleted_messages,
    read_of_deleted_messages_alone_moves_to_the_end,
    read_at_a_deleted_offset_begins_behind_it,
    read_from_oldest_begins_at_the_start_offset,
    read_in_steps_gives_every_message_once,
    read_of_more_than_one_call_reads_goes_on,
    read_beside_publishers_sees_whole_batches_in_order,
    the_default_of_read_options_limits_nothing,
    read_after_close_is_closed,
    is_sealed_of_a_log_that_was_not_sealed_is_false,
    is_sealed_after_close_is_closed,
];

fn read_gives_the_messages_that_consume_gives(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_times(&log, &[10, 40, 20, 50, 30]);
    delete(&log, &[2]);
    for from in [
        Start::Oldest,
        Start::Newest,
        Start::At(0),
        Start::At(2),
        Start::At(5),
        Start::Last(0),
        Start::Last(2),
        Start::Last(9),
        Start::Time(us(20)),
        Start::Time(us(50)),
        Start::Time(us(51)),
    ] {
        let expected = super::support::drain(&log, from, 1000);
        let batch = read(&log, from, &read_options());
        assert_eq!(batch.messages, expected.messages, "{from:?}");
        assert_eq!((batch.next_offset, batch.stopped), (5, Stop::AtEnd), "{from:?}");
    }
}

fn read_without_limits_stops_at_the_end(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..300);
    let batch = read(&log, Start::Oldest, &read_options());
    assert!(batch.messages.iter().all(|m| number(m) == m.offset));
    assert_eq!(batch.messages.len(), 300);
    assert_eq!((batch.next_offset, batch.stopped), (300, Stop::AtEnd));
    assert!(batch.controls.is_empty());
}

fn read_of_a_new_log_stops_at_the_end(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    for from in [
        Start::Oldest,
        Start::Newest,
        Start::At(0),
        Start::Last(3),
        Start::Time(us(0)),
    ] {
        assert_eq!(outline(&log, from, &read_options()), (vec![], 0, Stop::AtEnd));
    }
}

fn read_from_the_next_offset_gives_nothing(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    assert_eq!(
        outline(&log, Start::At(3), &read_options()),
        (vec![], 3, Stop::AtEnd)
    );
}

fn read_from_newest_gives_nothing(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    assert_eq!(
        outline(&log, Start::Newest, &read_options()),
        (vec![], 3, Stop::AtEnd)
    );
}

fn read_tells_the_tail(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    assert_eq!(
        read(&log, Start::Oldest, &read_options()).tail,
        log.tail().unwrap()
    );
    publish_times(&log, &[10, 30, 20]);
    let tail = log.tail().unwrap();
    for how in [
        read_options(),
        read_options().max_count(1),
        read_options().until_offset(2),
    ] {
        assert_eq!(read(&log, Start::Oldest, &how).tail, tail);
    }
}

fn read_beyond_the_end_is_out_of_range(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    for beyond in [4, 5, u64::MAX] {
        match log.read(Start::At(beyond), &read_options()) {
            Err(Error::OffsetOutOfRange {
                offset,
                start: 0,
                next: 3,
            }) => assert_eq!(offset, beyond),
            other => panic!("reading at {beyond} gives {other:?}"),
        }
    }
}

fn read_below_the_start_offset_is_out_of_range_and_trimmed(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..5);
    log.trim(3).unwrap();
    for trimmed in [0, 2] {
        let error = log.read(Start::At(trimmed), &read_options()).unwrap_err();
        assert!(error.is_trimmed(), "{error:?}");
    }
    assert_eq!(
        outline(&log, Start::At(3), &read_options()),
        (vec![3, 4], 5, Stop::AtEnd)
    );
}

fn clamp_begins_at_the_end_when_the_start_is_beyond_it(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let clamped = read_options().clamp(true);
    assert_eq!(outline(&log, Start::At(9), &clamped), (vec![], 0, Stop::AtEnd));
    publish_numbers(&log, 0..3);
    for beyond in [4, 5, u64::MAX] {
        assert_eq!(
            outline(&log, Start::At(beyond), &clamped),
            (vec![], 3, Stop::AtEnd)
        );
        let unclamped = clamped.clone().clamp(false);
        assert_fails!(
            log.read(Start::At(beyond), &unclamped),
            Error::OffsetOutOfRange { .. }
        );
    }
}

fn clamp_changes_nothing_within_the_log(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    let clamped = read_options().clamp(true);
    for from in [
        Start::Oldest,
        Start::Newest,
        Start::At(1),
        Start::At(3),
        Start::Last(2),
    ] {
        let expected = outline(&log, from, &read_options());
        assert_eq!(outline(&log, from, &clamped), expected, "{from:?}");
    }
}

fn clamp_does_not_bring_back_what_was_trimmed(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..5);
    log.trim(3).unwrap();
    let error = log.read(Start::At(2), &read_options().clamp(true)).unwrap_err();
    assert!(error.is_trimmed(), "{error:?}");
}

fn read_from_a_time_without_time_index_is_no_index(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_times(&log, &[10]);
    assert_fails!(
        log.read(Start::Time(us(5)), &read_options()),
        Error::NoIndex { .. }
    );
}

fn read_passes_over_deleted_messages(new: Factory<'_>) {
    let log = numbers_without(new, 8, &[0, 3, 4, 7]);
    let (read, next_offset, stopped) = outline(&log, Start::Oldest, &read_options());
    assert_eq!((read, next_offset, stopped), (vec![1, 2, 5, 6], 8, Stop::AtEnd));
}

fn read_of_deleted_messages_alone_moves_to_the_end(new: Factory<'_>) {
    let log = numbers_without(new, 3, &[0, 1, 2]);
    assert_eq!(
        outline(&log, Start::At(0), &read_options()),
        (vec![], 3, Stop::AtEnd)
    );
    assert_eq!(
        outline(&log, Start::At(1), &read_options()),
        (vec![], 3, Stop::AtEnd)
    );
}

fn read_at_a_deleted_offset_begins_behind_it(new: Factory<'_>) {
    let log = numbers_without(new, 5, &[1, 2]);
    let how = read_options().max_count(1);
    let (read, next_offset, _) = outline(&log, Start::At(1), &how);
    assert_eq!((read, next_offset), (vec![3], 4));
}

fn read_from_oldest_begins_at_the_start_offset(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..5);
    log.trim(2).unwrap();
    assert_eq!(
        outline(&log, Start::Oldest, &read_options()),
        (vec![2, 3, 4], 5, Stop::AtEnd)
    );
}

fn read_in_steps_gives_every_message_once(new: Factory<'_>) {
    let log = numbers_without(new, 100, &[0, 7, 8, 9, 50, 99]);
    let expected = all(&log);
    for step in [1, 2, 3, 7, 64, 1000] {
        let (found, end) = in_steps(&log, &read_options().max_count(step));
        assert_eq!((found, end), (expected.clone(), 100), "{step} at a time");
    }
}

fn read_of_more_than_one_call_reads_goes_on(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let value = vec![7; 1 << 20];
    for _ in 0..20 {
        log.publish(&[NewMessage::value(&value)]).unwrap();
    }
    // One call holds about 8 MiB.
    let first = log.read(Start::Oldest, &read_options()).unwrap();
    assert_eq!(first.stopped, Stop::More);
    assert!(metered(&first.messages) < 16 << 20);
    assert_eq!(first.next_offset, first.messages.len() as u64);
    let whole = read(&log, Start::Oldest, &read_options());
    assert_eq!(offsets(&whole.messages), (0..20).collect::<Vec<u64>>());
    assert_eq!((whole.next_offset, whole.stopped), (20, Stop::AtEnd));
}

fn read_beside_publishers_sees_whole_batches_in_order(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let _done = SetOnDrop(&is_done);
            for _ in 0..100 {
                log.publish(&[M, M, M]).unwrap();
            }
        });
        let mut next_offset = 0;
        loop {
            let is_last = is_done.load(Ordering::Acquire);
            let batch = read(&log, Start::At(next_offset), &read_options());
            let expected: Vec<u64> = (next_offset..batch.next_offset).collect();
            assert_eq!(offsets(&batch.messages), expected);
            assert_eq!(batch.tail.offset % 3, 0);
            next_offset = batch.next_offset;
            if is_last {
                break;
            }
        }
        join(publisher);
        assert_eq!(next_offset, 300);
    });
}

fn the_default_of_read_options_limits_nothing(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    let by_default = read(&log, Start::Oldest, &ReadOptions::default());
    assert_eq!(by_default, read(&log, Start::Oldest, &ReadOptions::new()));
    assert_eq!(by_default.messages.len(), 3);
}

fn read_after_close_is_closed(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    log.close().unwrap();
    assert_fails!(log.read(Start::Oldest, &read_options()), Error::Closed);
    assert_fails!(log.read(Start::At(9), &read_options().clamp(true)), Error::Closed);
}

fn is_sealed_of_a_log_that_was_not_sealed_is_false(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    assert!(!log.is_sealed().unwrap());
    publish_numbers(&log, 0..3);
    log.trim(3).unwrap();
    assert!(!log.is_sealed().unwrap() && !log.stat().unwrap().is_sealed);
}

fn is_sealed_after_close_is_closed(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    log.close().unwrap();
    assert_fails!(log.is_sealed(), Error::Closed);
}
