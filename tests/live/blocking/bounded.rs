//! `BlockingLog::follow` with an end: by time, by another thread, by an offset.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use duramen::{Awaited, BlockingLog, Log, MemoryLog, Options, Start, TBlockingLog, TNewMessage, codec};

use super::support::{LONG, Waiter, on_each, publish, publish_many};

/// Goal: a reader with other work to do tells a message, no message yet, and the end apart. Method: one after another,
/// with a timeout that passes and one that does not.
#[test]
fn next_timeout_tells_nothing_yet_from_the_end() {
    on_each(|subject| {
        publish(&subject.log, "0");
        let mut tail = subject.log.follow(Start::Oldest);
        let Awaited::Item(Ok(message)) = tail.next_timeout(Duration::ZERO) else {
            panic!("it is there");
        };
        assert_eq!(message.offset, 0);
        for timeout in [Duration::ZERO, Duration::from_millis(20)] {
            let begun = Instant::now();
            assert!(matches!(tail.next_timeout(timeout), Awaited::TimedOut));
            assert!(begun.elapsed() >= timeout);
        }
        let beside = Arc::clone(&subject.beside);
        let publisher = thread::spawn(move || publish(&*beside, "1"));
        let Awaited::Item(Ok(message)) = tail.next_timeout(Duration::MAX) else {
            panic!("it comes");
        };
        assert_eq!((message.offset, tail.next_offset()), (1, 2));
        publisher.join().expect("published");
        subject.log.close().unwrap();
        for _ in 0..2 {
            assert!(matches!(tail.next_timeout(LONG), Awaited::Ended));
        }
    });
}

/// Goal: a thread that waits in `next` can be ended without closing the log. Method: stopped while it sleeps, by a
/// clone of the handle on another thread; the log goes on, and a reader that continues misses nothing.
#[test]
fn a_stop_handle_ends_a_reader_that_waits() {
    on_each(|subject| {
        publish_many(&subject.log, 3);
        let mut tail = subject.log.follow(Start::Oldest);
        let stop = tail.stop_handle();
        let (ended, end) = mpsc::channel();
        let waiter = Waiter::new(move || {
            let count = tail.by_ref().count();
            ended.send(()).expect("awaited");
            (count, tail.next_offset(), tail.next().is_none())
        });
        waiter.assert_waits();
        assert!(!stop.is_stopped());
        let begun = Instant::now();
        let clone = stop.clone();
        thread::spawn(move || clone.stop()).join().expect("stopped");
        end.recv_timeout(LONG).expect("it ends");
        println!("{}: {:?}", subject.name, begun.elapsed());
        assert_eq!(waiter.join(), (3, 3, true));
        assert!(stop.is_stopped());
        publish(&subject.log, "3");
        assert_eq!(
            subject.log.follow(Start::At(3)).next().unwrap().unwrap().offset,
            3
        );
    });
}

#[test]
fn what_was_read_ahead_of_a_stop_is_not_lost() {
    on_each(|subject| {
        publish_many(&subject.log, 10);
        let mut tail = subject.log.follow(Start::Oldest);
        assert_eq!(tail.next().unwrap().unwrap().offset, 0);
        tail.stop_handle().stop();
        tail.stop_handle().stop();
        assert!(tail.next().is_none());
        assert!(matches!(tail.next_timeout(LONG), Awaited::Ended));
        assert_eq!(tail.next_offset(), 1);
    });
}

#[test]
fn a_stop_handle_keeps_no_log_open() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = BlockingLog::new(Options::new().open(dir.path()).expect("a log"));
    let tail = log.follow(Start::Oldest);
    let stop = tail.stop_handle();
    drop((tail, log));
    Options::new().open(dir.path()).expect("nobody has it open");
    stop.stop();
}

/// Goal: a reader of a part of the log ends as soon as the log has that part, and not before. Method: an end that is
/// there, one that comes later, one where the last messages were deleted, and one behind which the reader begins.
#[test]
fn follow_until_ends_at_an_offset() {
    on_each(|subject| {
        publish_many(&subject.log, 10);
        let offsets = |from, end| {
            let mut tail = subject.log.follow_until(from, end);
            let offsets: Vec<u64> = tail.by_ref().map(|message| message.unwrap().offset).collect();
            assert!(tail.next().is_none());
            (offsets, tail.next_offset())
        };
        assert_eq!(offsets(Start::At(7), 9), (vec![7, 8], 9));
        assert_eq!(offsets(Start::At(7), 10), (vec![7, 8, 9], 10));
        assert_eq!(offsets(Start::At(7), 7), (vec![], 7));
        assert_eq!(offsets(Start::At(7), 3), (vec![], 7));
        assert_eq!(offsets(Start::Oldest, 0), (vec![], 0));

        let mut tail = subject.log.follow_until(Start::At(8), 11);
        let waiter = Waiter::new(move || (tail.by_ref().count(), tail.next_offset()));
        waiter.assert_waits();
        publish_many(&*subject.beside, 2);
        assert_eq!(waiter.join(), (3, 11));
    });
}

#[test]
fn follow_until_does_not_wait_for_what_was_deleted() {
    let log = BlockingLog::new(MemoryLog::new());
    publish_many(&log, 10);
    log.delete(&(6..10).collect()).unwrap();
    let mut tail = log.follow_until(Start::At(4), 10);
    assert_eq!(
        tail.by_ref().map(|message| message.unwrap().offset).sum::<u64>(),
        4 + 5
    );
    assert_eq!(tail.next_offset(), 10);
    log.trim(8).unwrap();
    let mut tail = log.follow_until(Start::At(4), 10);
    assert!(tail.next().unwrap().unwrap_err().is_trimmed());
    assert!(tail.next().is_none());
}

#[test]
fn typed_readers_end_in_the_same_ways() {
    let log = TBlockingLog::new(MemoryLog::new(), codec::Utf8, codec::U64);
    let key = "k".to_owned();
    for value in 0..3 {
        log.publish(&[TNewMessage::new(&key, &value)]).unwrap();
    }
    let values = log
        .follow_until(Start::Oldest, 2)
        .map(|message| message.unwrap().value);
    assert_eq!(values.collect::<Vec<_>>(), [Some(0), Some(1)]);
    let mut tail = log.follow(Start::At(2));
    let last = tail.next_timeout(LONG).map(|message| message.unwrap().value);
    assert_eq!(last, Awaited::Item(Some(2)));
    assert!(matches!(tail.next_timeout(Duration::ZERO), Awaited::TimedOut));
    let stop = tail.stop_handle();
    thread::scope(|scope| {
        let end = scope.spawn(move || tail.next().is_none());
        stop.stop();
        assert!(end.join().expect("no panic"));
    });
}
