//! `consume_blocking` and `consume_by_key_blocking`.

use std::time::{Duration, Instant};

use duramen::{BlockingLog, Changes, Error, Log, MemoryLog, NewMessage, Start, Timestamp};

use super::support::{LONG, Waiter, file_log, offsets, on_each, publish, publish_many};

const SOON: Option<Duration> = Some(Duration::from_millis(20));

#[test]
fn what_is_there_is_returned_at_once() {
    on_each(|subject| {
        publish(&subject.log, "0");
        publish(&subject.log, "1");
        let batch = subject.log.consume_blocking(Start::Oldest, 10, None).unwrap();
        assert_eq!((offsets(&batch), batch.next_offset), (vec![0, 1], 2));
        let batch = subject.log.consume_blocking(Start::Last(1), 10, None).unwrap();
        assert_eq!(offsets(&batch), [1]);
    });
}

#[test]
fn a_waiter_wakes_for_a_publish_by_the_wrapper() {
    on_each(|subject| {
        for from in [Start::Oldest, Start::At(0), Start::Newest, Start::Last(3)] {
            let at = subject.log.next_offset().unwrap();
            let from = if at == 0 { from } else { Start::At(at) };
            let log = subject.log.clone();
            let waiter = Waiter::new(move || log.consume_blocking(from, 10, None));
            publish(&subject.log, "there");
            let batch = waiter.join().unwrap();
            assert_eq!((offsets(&batch), batch.next_offset), (vec![at], at + 1));
        }
    });
}

#[test]
fn a_waiter_wakes_for_a_publish_by_any_handle() {
    on_each(|subject| {
        let log = subject.log.clone();
        let waiter = Waiter::new(move || log.consume_blocking(Start::Oldest, 10, None));
        waiter.assert_waits();
        publish(&*subject.beside, "there");
        assert_eq!(offsets(&waiter.join().unwrap()), [0]);
        // Another wrapper is another handle, too.
        let log = subject.log.clone();
        let waiter = Waiter::new(move || log.consume_blocking(Start::At(1), 10, None));
        publish(&BlockingLog::new(&*subject.beside), "there");
        assert_eq!(offsets(&waiter.join().unwrap()), [1]);
    });
}

#[test]
fn newest_waits_for_the_next_message() {
    on_each(|subject| {
        publish(&subject.log, "old");
        let log = subject.log.clone();
        let waiter = Waiter::new(move || log.consume_blocking(Start::Newest, 10, None));
        waiter.assert_waits();
        publish(&subject.log, "new");
        assert_eq!(offsets(&waiter.join().unwrap()), [1]);
    });
}

#[test]
fn a_time_after_all_waits_for_the_next_message() {
    on_each(|subject| {
        publish(&subject.log, "old");
        let log = subject.log.clone();
        let from = Start::Time(Timestamp::MAX);
        let waiter = Waiter::new(move || log.consume_blocking(from, 10, None));
        publish(&subject.log, "new");
        assert_eq!(offsets(&waiter.join().unwrap()), [1]);
    });
}

#[test]
fn an_empty_publish_wakes_nobody_for_nothing() {
    on_each(|subject| {
        let log = subject.log.clone();
        let waiter = Waiter::new(move || log.consume_blocking(Start::Oldest, 10, None));
        subject.log.publish(&[]).unwrap();
        waiter.assert_waits();
        publish(&subject.log, "there");
        assert_eq!(offsets(&waiter.join().unwrap()), [0]);
    });
}

#[test]
fn all_waiters_wake() {
    on_each(|subject| {
        let waiters: Vec<_> = (0..8)
            .map(|_| {
                let log = subject.log.clone();
                Waiter::new(move || log.consume_blocking(Start::Oldest, 10, None))
            })
            .collect();
        publish(&*subject.beside, "there");
        for waiter in waiters {
            assert_eq!(offsets(&waiter.join().unwrap()), [0]);
        }
    });
}

#[test]
fn a_timeout_gives_an_empty_batch_and_where_to_go_on() {
    on_each(|subject| {
        for from in [Start::Oldest, Start::Newest, Start::At(0), Start::Last(7)] {
            let begun = Instant::now();
            let batch = subject.log.consume_blocking(from, 10, SOON).unwrap();
            assert_eq!((batch.messages.len(), batch.next_offset), (0, 0));
            assert!(begun.elapsed() >= SOON.unwrap());
        }
        publish(&subject.log, "0");
        let batch = subject.log.consume_blocking(Start::Newest, 10, SOON).unwrap();
        assert_eq!((batch.messages.len(), batch.next_offset), (0, 1));
        publish(&subject.log, "1");
        let from = Start::At(batch.next_offset);
        let batch = subject.log.consume_blocking(from, 10, SOON).unwrap();
        assert_eq!(offsets(&batch), [1], "nothing is missed after a timeout");
    });
}

#[test]
fn no_timeout_is_too_short_or_too_long() {
    on_each(|subject| {
        let zero = Some(Duration::ZERO);
        let batch = subject.log.consume_blocking(Start::Oldest, 10, zero).unwrap();
        assert_eq!((batch.messages.len(), batch.next_offset), (0, 0));
        for timeout in [Duration::MAX, Duration::from_secs(u64::MAX / 2), LONG] {
            let at = subject.log.next_offset().unwrap();
            let log = subject.log.clone();
            let waiter = Waiter::new(move || log.consume_blocking(Start::At(at), 10, Some(timeout)));
            publish(&subject.log, "there");
            assert_eq!(offsets(&waiter.join().unwrap()), [at]);
        }
    });
}

#[test]
fn nothing_asked_for_is_not_waited_for() {
    on_each(|subject| {
        let batch = subject.log.consume_blocking(Start::Oldest, 0, None).unwrap();
        assert_eq!((batch.messages.len(), batch.next_offset), (0, 0));
        let batch = subject.log.consume_by_key_blocking(b"a", Start::Oldest, 0, None);
        assert_eq!(batch.unwrap().next_offset, 0);
    });
}

#[test]
fn a_wrong_start_is_an_error_at_once() {
    on_each(|subject| {
        let error = subject.log.consume_blocking(Start::At(1), 10, None).unwrap_err();
        assert!(matches!(error, Error::OffsetOutOfRange { .. }) && !error.is_trimmed());
        subject.log.close().unwrap();
        let error = subject.log.consume_blocking(Start::Oldest, 10, None).unwrap_err();
        assert!(matches!(error, Error::Closed));
    });
}

#[test]
fn by_key_waits_for_a_match() {
    on_each(|subject| {
        let log = subject.log.clone();
        let waiter = Waiter::new(move || log.consume_by_key_blocking(b"b", Start::Oldest, 10, None));
        for _ in 0..3 {
            subject.log.publish(&[NewMessage::new(b"a", b"0")]).unwrap();
        }
        waiter.assert_waits();
        subject.beside.publish(&[NewMessage::new(b"b", b"1")]).unwrap();
        let batch = waiter.join().unwrap();
        assert_eq!((offsets(&batch), batch.next_offset), (vec![3], 4));
    });
}

#[test]
fn by_key_passes_what_went_by_when_the_time_is_over() {
    on_each(|subject| {
        publish(&subject.log, "no key");
        let batch = subject
            .log
            .consume_by_key_blocking(b"b", Start::Oldest, 10, SOON)
            .unwrap();
        assert_eq!((batch.messages.len(), batch.next_offset), (0, 1));
    });
}

#[test]
fn by_key_without_an_index_is_an_error_at_once() {
    let (log, _dir) = file_log(|options| options.key_index(false));
    let log = BlockingLog::new(log);
    let error = log
        .consume_by_key_blocking(b"a", Start::Oldest, 1, None)
        .unwrap_err();
    assert!(matches!(error, Error::NoIndex { .. }));
}

#[test]
fn gaps_at_the_end_are_not_the_end() {
    let log = BlockingLog::new(MemoryLog::new());
    publish_many(&log, 5);
    log.delete(&[2, 3, 4].into()).unwrap();
    let batch = log.consume_blocking(Start::At(2), 10, SOON).unwrap();
    assert_eq!((batch.messages.len(), batch.next_offset), (0, 5));
    let reader = log.clone();
    let waiter = Waiter::new(move || reader.consume_blocking(Start::At(2), 10, None));
    publish(&log, "new");
    assert_eq!(offsets(&waiter.join().unwrap()), [5]);
}

#[test]
fn a_waiter_that_is_overtaken_by_a_trim_is_told() {
    let log = BlockingLog::new(MemoryLog::new());
    publish(&log, "0");
    // It sleeps at 1. While it wakes, 1 and 2 come and go.
    let changes: &Changes = log.changes().unwrap();
    assert!(!changes.is_poisoned());
    log.publish(&[NewMessage::default(), NewMessage::default()])
        .unwrap();
    log.trim(3).unwrap();
    let error = log.consume_blocking(Start::At(1), 10, None).unwrap_err();
    assert!(error.is_trimmed() && matches!(error, Error::OffsetOutOfRange { start: 3, .. }));
    // Whoever asks for the oldest gets whatever that is.
    let reader = log.clone();
    let waiter = Waiter::new(move || reader.consume_blocking(Start::Oldest, 10, None));
    publish(&log, "3");
    assert_eq!(offsets(&waiter.join().unwrap()), [3]);
}

#[test]
fn wrappers_of_wrappers_wait_too() {
    on_each(|subject| {
        let outer = BlockingLog::new(subject.log.clone());
        assert_eq!(outer.changes().is_some(), subject.name != "silent");
        let waiter = Waiter::new(move || outer.consume_blocking(Start::Oldest, 10, None));
        publish(&*subject.beside, "there");
        assert_eq!(offsets(&waiter.join().unwrap()), [0]);
    });
}
