use std::sync::Mutex;

use super::control_support::{M, assert_refused, control, how, place};
use super::support::{all, assert_fails, delete, in_threads, offsets, publish_numbers, publish_times, us};
use super::{Case, Factory, Setup, case};
use crate::{Ack, Control, Error, Log, NewMessage, Place, PublishOptions, Start};

pub(super) const CASES: &[Case] = case::list![
    append_of_one_message_tells_where_it_is,
    append_of_a_batch_tells_its_first_and_one_past_its_last,
    append_tells_the_times_of_the_first_and_of_the_last,
    append_without_times_tells_those_that_are_stored,
    append_of_nothing_tells_the_tail,
    append_of_nothing_to_a_new_log_tells_0_at_time_0,
    append_publishes_what_publish_does,
    append_is_visible_when_it_returns,
    append_that_syncs_is_synced_when_it_returns,
    append_at_the_expected_offset_succeeds_and_at_another_does_not,
    append_of_nothing_checks_the_expected_offset,
    append_is_no_duplicate_of_the_same_messages,
    append_tells_the_tail_that_the_log_then_has,
    append_after_close_is_closed,
    acks_of_many_threads_share_out_the_offsets,
    the_tail_of_an_ack_is_never_before_its_end,
    tail_of_a_new_log_is_0_at_time_0,
    tail_has_the_time_of_the_last_message_and_not_the_latest,
    tail_follows_each_publish,
    tail_after_close_is_closed,
];

pub(super) const CASES_CONTROL: &[Case] = case::list![control:
    tail_keeps_the_time_of_a_last_message_that_was_deleted,
    tail_keeps_the_time_of_a_last_message_that_was_trimmed,
    tail_behind_a_control_record_has_its_time,
    append_of_control_records_alone_tells_where_they_are,
    append_of_messages_and_control_records_ends_behind_both,
    publish_with_control_records_returns_the_offset_behind_them,
];

fn append_of_one_message_tells_where_it_is(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for offset in 0..5 {
        let ack = log.append(&[M.time(us(7))], &how()).unwrap();
        assert_eq!((ack.start, ack.end), (place(offset, 7), place(offset + 1, 7)));
    }
}

fn append_of_a_batch_tells_its_first_and_one_past_its_last(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    let ack = log.append(&[M, M, M, M], &how()).unwrap();
    assert_eq!((ack.start.offset, ack.end.offset), (3, 7));
    let ack = log.append(&[M, M], &how()).unwrap();
    assert_eq!((ack.start.offset, ack.end.offset), (7, 9));
}

fn append_tells_the_times_of_the_first_and_of_the_last(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let batch = [M.time(us(5)), M.time(us(900)), M.time(us(-3))];
    let ack = log.append(&batch, &how()).unwrap();
    assert_eq!((ack.start, ack.end), (place(0, 5), place(3, -3)));
}

fn append_without_times_tells_those_that_are_stored(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let ack = log.append(&[M, M.time(us(3)), M], &how()).unwrap();
    let messages = all(&log);
    assert_eq!(
        (ack.start.time, ack.end.time),
        (messages[0].time, messages[2].time)
    );
    let ack = log.append(&[M], &how()).unwrap();
    assert_eq!(ack.start.time, log.get(Start::Newest).unwrap().time);
}

fn append_of_nothing_tells_the_tail(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_times(&log, &[10, 30, 20]);
    let tail = place(3, 20);
    assert_eq!(log.append(&[], &how()).unwrap(), Ack::new(tail, tail, tail));
    assert_eq!(offsets(&all(&log)), [0, 1, 2]);
}

fn append_of_nothing_to_a_new_log_tells_0_at_time_0(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    assert_eq!(log.append(&[], &how()).unwrap(), Ack::default());
}

fn append_publishes_what_publish_does(new: Factory<'_>) {
    let (log, other) = (new(Setup::INDEXED), new(Setup::INDEXED));
    let batch = [
        NewMessage::new(b"key", b"value").time(us(1)),
        NewMessage::tombstone(b"key").time(us(2)),
        NewMessage::value(b"")
            .headers(&[(b"n", b"v"), (b"n", b"")])
            .time(us(3)),
    ];
    log.append(&batch, &how()).unwrap();
    other.publish(&batch).unwrap();
    assert_eq!(all(&log), all(&other));
    assert_eq!(log.get_by_key(b"key").unwrap(), other.get_by_key(b"key").unwrap());
    assert_eq!(log.stat().unwrap().size, other.stat().unwrap().size);
}

fn append_is_visible_when_it_returns(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for end in 1..20 {
        let ack = log.append(&[M], &how()).unwrap();
        assert_eq!((ack.end.offset, log.next_offset().unwrap()), (end, end));
        assert_eq!(log.get(Start::Newest).unwrap().offset, end - 1);
    }
}

fn append_that_syncs_is_synced_when_it_returns(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for _ in 0..5 {
        let ack = log.append(&[M, M], &how().sync(true)).unwrap();
        assert!(log.stat().unwrap().synced_offset >= ack.end.offset);
    }
}

fn append_at_the_expected_offset_succeeds_and_at_another_does_not(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let expecting = |offset| PublishOptions::new().expect_next_offset(offset);
    assert_eq!(log.append(&[M, M], &expecting(0)).unwrap().end.offset, 2);
    for wrong in [0, 1, 3, u64::MAX] {
        assert_refused!(
            log,
            log.append(&[M], &expecting(wrong)),
            Error::OffsetMismatch { actual: 2, .. }
        );
    }
    assert_eq!(log.append(&[M], &expecting(2)).unwrap().start.offset, 2);
}

fn append_of_nothing_checks_the_expected_offset(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    let expecting = |offset| PublishOptions::new().expect_next_offset(offset);
    assert_eq!(log.append(&[], &expecting(3)).unwrap().end.offset, 3);
    assert_refused!(
        log,
        log.append(&[], &expecting(2)),
        Error::OffsetMismatch {
            expected: 2,
            actual: 3
        }
    );
}

fn append_is_no_duplicate_of_the_same_messages(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let message = NewMessage::new(b"key", b"value").time(us(1));
    for offset in 0..3 {
        let ack = log.append(&[message], &how()).unwrap();
        assert_eq!((ack.start.offset, ack.is_duplicate), (offset, false));
    }
}

fn append_tells_the_tail_that_the_log_then_has(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for time in [30, 10, 20] {
        let ack = log.append(&[M.time(us(99)), M.time(us(time))], &how()).unwrap();
        assert_eq!((ack.tail, ack.tail), (ack.end, log.tail().unwrap()));
    }
}

fn append_after_close_is_closed(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    log.append(&[M], &how()).unwrap();
    log.close().unwrap();
    assert_fails!(log.append(&[M], &how()), Error::Closed);
    assert_fails!(log.append(&[], &how()), Error::Closed);
}

fn acks_of_many_threads_share_out_the_offsets(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let acks = Mutex::new(Vec::new());
    in_threads(4, |thread| {
        for round in 0..25_u64 {
            let value = (1000 * thread + round).to_string();
            let batch = [NewMessage::value(value.as_bytes()); 3];
            let count = usize::try_from(1 + round % 3).unwrap_or(1);
            let ack = log.append(&batch[..count], &how()).unwrap();
            acks.lock()
                .unwrap()
                .push((ack.start.offset, ack.end.offset, value));
        }
    });
    let mut acks = acks.into_inner().unwrap();
    acks.sort_unstable();
    let messages = all(&log);
    let mut next_offset = 0;
    for (start, end, value) in acks {
        assert_eq!(start, next_offset);
        let own = messages.iter().filter(|m| (start..end).contains(&m.offset));
        assert!(own.clone().all(|m| m.value.as_deref() == Some(value.as_bytes())));
        assert_eq!(own.count() as u64, end - start);
        next_offset = end;
    }
    assert_eq!(log.next_offset().unwrap(), next_offset);
}

fn the_tail_of_an_ack_is_never_before_its_end(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    in_threads(4, |_| {
        for _ in 0..50 {
            let ack = log.append(&[M, M], &how()).unwrap();
            let tail = log.tail().unwrap();
            assert!(ack.end.offset <= ack.tail.offset && ack.tail.offset <= tail.offset);
        }
    });
}

fn tail_of_a_new_log_is_0_at_time_0(new: Factory<'_>) {
    assert_eq!(new(Setup::PLAIN).tail().unwrap(), Place::default());
}

fn tail_has_the_time_of_the_last_message_and_not_the_latest(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    publish_times(&log, &[10, 30, 20]);
    assert_eq!(log.tail().unwrap(), place(3, 20));
    publish_times(&log, &[-5]);
    assert_eq!(log.tail().unwrap(), place(4, -5));
}

fn tail_follows_each_publish(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for end in 1..10 {
        log.publish(&[M]).unwrap();
        let last = log.get(Start::Newest).unwrap();
        let tail = log.tail().unwrap();
        assert_eq!((tail.offset, tail.time), (end, last.time));
    }
}

fn tail_after_close_is_closed(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    log.close().unwrap();
    assert_fails!(log.tail(), Error::Closed);
}

fn tail_keeps_the_time_of_a_last_message_that_was_deleted(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_times(&log, &[10, 30, 20]);
    delete(&log, &[2]);
    assert_eq!(log.tail().unwrap(), place(3, 20));
    delete(&log, &[0, 1]);
    assert_eq!(log.tail().unwrap(), place(3, 20));
}

fn tail_keeps_the_time_of_a_last_message_that_was_trimmed(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_times(&log, &[10, 30, 20]);
    log.trim(3).unwrap();
    assert_eq!(log.tail().unwrap(), place(3, 20));
}

fn tail_behind_a_control_record_has_its_time(new: Factory<'_>) {
    let log = new(Setup::PLAIN.at(77));
    publish_times(&log, &[10]);
    let ack = control(&log, Control::Trim(0));
    assert_eq!((log.tail().unwrap(), ack.tail), (place(2, 77), place(2, 77)));
}

fn append_of_control_records_alone_tells_where_they_are(new: Factory<'_>) {
    let log = new(Setup::PLAIN.at(77));
    publish_times(&log, &[10]);
    let both = how().and(Control::Trim(0)).and(Control::Trim(0));
    let ack = log.append(&[], &both).unwrap();
    assert_eq!(ack, Ack::new(place(1, 77), place(3, 77), place(3, 77)));
}

fn append_of_messages_and_control_records_ends_behind_both(new: Factory<'_>) {
    let log = new(Setup::PLAIN.at(77));
    let batch = [M.time(us(500)), M.time(us(3))];
    let ack = log.append(&batch, &how().and(Control::Trim(0))).unwrap();
    assert_eq!(ack, Ack::new(place(0, 500), place(3, 77), place(3, 77)));
}

fn publish_with_control_records_returns_the_offset_behind_them(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let how = how().and(Control::Trim(0)).and(Control::Trim(0));
    assert_eq!(log.publish_with(&[M], &how).unwrap(), 3);
    assert_eq!(log.publish_with(&[], &how).unwrap(), 5);
    assert_eq!(log.next_offset().unwrap(), 5);
    assert_eq!(offsets(&all(&log)), [0]);
}
