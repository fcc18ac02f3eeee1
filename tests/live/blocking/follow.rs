//! `BlockingLog::follow`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use duramen::{BlockingLog, Error, Log, MemoryLog, Message, NewMessage, ReadOptions, Result, Start};

use super::support::{Waiter, on_each, publish, publish_many, until};

fn offsets(messages: Vec<Result<Message>>) -> Vec<u64> {
    messages
        .into_iter()
        .map(|message| message.unwrap().offset)
        .collect()
}

#[test]
fn it_replays_then_tails_and_ends_at_the_close() {
    on_each(|subject| {
        publish_many(&subject.log, 600);
        let got = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&got);
        let tail = subject.log.follow(Start::Oldest);
        let tail = tail.inspect(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let waiter = Waiter::new(move || offsets(tail.collect()));
        for _ in 0..50 {
            publish(&*subject.beside, "new");
        }
        until(|| got.load(Ordering::Relaxed) == 650);
        waiter.assert_waits();
        subject.log.close().unwrap();
        let got = waiter.join();
        assert_eq!(got, (0..650).collect::<Vec<_>>());
    });
}

#[test]
fn it_honours_its_start() {
    on_each(|subject| {
        publish_many(&subject.log, 10);
        for (from, first) in [
            (Start::Oldest, 0),
            (Start::At(4), 4),
            (Start::Last(3), 7),
            (Start::Newest, 10),
            (Start::At(10), 10),
        ] {
            let next_offset = subject.log.next_offset().unwrap();
            let mut tail = subject.log.follow(from);
            let first = if first == 10 || from == Start::Last(3) {
                first + next_offset - 10
            } else {
                first
            };
            assert_eq!(tail.next_offset(), if from == Start::At(10) { 10 } else { first });
            publish(&subject.log, "new");
            let got = tail.next().unwrap().unwrap().offset;
            assert_eq!(got, if from == Start::At(10) { 10 } else { first }, "{from:?}");
            assert_eq!(tail.next_offset(), got + 1);
        }
    });
}

/// From `Newest` nothing is missed that is published after the call, also before the first `next`.
#[test]
fn newest_is_resolved_when_it_is_called() {
    on_each(|subject| {
        publish(&subject.log, "old");
        let mut tail = subject.log.follow(Start::Newest);
        publish(&subject.log, "new");
        assert_eq!(tail.next().unwrap().unwrap().offset, 1);
    });
}

#[test]
fn a_trim_that_overtakes_it_is_told_once() {
    let log = BlockingLog::new(MemoryLog::new());
    publish_many(&log, 4);
    let mut tail = log.follow(Start::At(1));
    log.trim(3).unwrap();
    let error = tail.next().unwrap().unwrap_err();
    assert!(
        error.is_trimmed()
            && matches!(
                error,
                Error::OffsetOutOfRange {
                    offset: 1,
                    start: 3,
                    ..
                }
            )
    );
    assert_eq!(tail.next_offset(), 3);
    assert_eq!(tail.next().unwrap().unwrap().offset, 3);

    // From the oldest there is nothing to tell: it had begun with nothing yet.
    let mut tail = log.follow(Start::Oldest);
    publish(&log, "4");
    log.trim(4).unwrap();
    assert_eq!(tail.next().unwrap().unwrap().offset, 4);
    // But afterwards there is.
    publish_many(&log, 895);
    log.trim(800).unwrap();
    assert!(tail.next().unwrap().unwrap_err().is_trimmed());
    assert_eq!(tail.next().unwrap().unwrap().offset, 800);

    // Where it begins may be trimmed already.
    let mut tail = log.follow(Start::At(2));
    assert_eq!(tail.next_offset(), 800);
    assert!(tail.next().unwrap().unwrap_err().is_trimmed());
    assert_eq!(tail.next().unwrap().unwrap().offset, 800);
}

/// A trim of everything, and past the waiter, wakes it.
#[test]
fn a_waiter_survives_the_trim_of_everything() {
    let log = BlockingLog::new(MemoryLog::new());
    publish(&log, "0");
    let mut tail = log.follow(Start::At(1));
    let waiter = Waiter::new(move || tail.next());
    log.trim(1).unwrap();
    waiter.assert_waits();
    publish(&log, "1");
    assert_eq!(waiter.join().unwrap().unwrap().offset, 1);
}

#[test]
fn another_error_ends_it() {
    let log = BlockingLog::new(MemoryLog::new());
    let mut tail = log.follow(Start::At(7));
    assert!(matches!(tail.next(), Some(Err(Error::OffsetOutOfRange { .. }))));
    assert!(tail.next().is_none());
    log.publish(&[NewMessage::default()]).unwrap();
    assert!(tail.next().is_none());
}

#[test]
fn of_a_closed_log_there_is_nothing_to_follow() {
    on_each(|subject| {
        publish(&subject.log, "0");
        subject.log.close().unwrap();
        assert!(subject.log.follow(Start::Oldest).next().is_none());
    });
}

/// Goal: who reads on where he was, or as near as the log reaches, is told of no trim. Method: trimmed before the
/// reader starts, between its start and its first message, and behind that.
#[test]
fn at_or_oldest_passes_over_what_was_trimmed_before_the_first_message() {
    on_each(|subject| {
        publish_many(&subject.log, 10);
        subject.log.trim(2).unwrap();
        let mut tail = subject.log.follow(Start::AtOrOldest(1));
        assert_eq!(tail.next_offset(), 2);
        subject.log.trim(4).unwrap();
        assert_eq!(tail.next().unwrap().unwrap().offset, 4);
        assert_eq!(subject.log.follow(Start::AtOrOldest(7)).next_offset(), 7);
        let batch = subject
            .log
            .consume_blocking(Start::AtOrOldest(3), 2, None)
            .unwrap();
        assert_eq!(batch.messages[0].offset, 4);
        let read = subject
            .log
            .read_blocking(Start::AtOrOldest(3), &ReadOptions::new(), None);
        assert_eq!(read.unwrap().messages[0].offset, 4);
    });
}
