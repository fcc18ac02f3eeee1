//! `flush`, `close` and dropping.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use duramen::{BlockingLog, Log, MemoryLog, NewMessage, Start};

use super::{MOMENT, eager, is_open, lazy, offset, probed, producer, small};

#[test]
fn a_flush_publishes_what_lingers() {
    let (probe, producer) = probed(lazy());
    let ticket = producer.send(small()).expect("sent");
    assert!(ticket.wait_timeout(MOMENT).expect("no failure").is_none());
    producer.flush().expect("flushed");
    assert!(!is_open(&ticket));
    // What comes later lingers again.
    let later = producer.send(small()).expect("sent");
    assert!(later.wait_timeout(MOMENT).expect("no failure").is_none());
    assert_eq!(probe.batches(), [1]);
}

#[test]
fn a_flush_of_nothing_returns_at_once() {
    let (probe, producer) = probed(lazy());
    producer.flush().expect("flushed");
    producer.send(small()).expect("sent");
    producer.flush().expect("flushed");
    producer.flush().expect("flushed");
    assert_eq!(probe.batches(), [1]);
}

#[test]
fn a_flush_does_not_wait_for_what_comes_later() {
    let (probe, producer) = probed(eager().records_max(1));
    probe.hook(|number| {
        if number >= 3 {
            thread::sleep(Duration::from_millis(300));
        }
        Ok(None)
    });
    for _ in 0..3 {
        producer.send(small()).expect("sent");
    }
    producer.flush().expect("flushed");
    let start = Instant::now();
    thread::scope(|scope| {
        probe.shut();
        let first = producer.send(small()).expect("sent");
        probe.held_up();
        let flushing = scope.spawn(|| {
            producer.flush().expect("flushed");
            start.elapsed()
        });
        // Long enough for it to begin.
        thread::sleep(5 * MOMENT);
        for _ in 0..10 {
            producer.send(small()).expect("sent");
        }
        probe.open();
        assert_eq!(offset(first), 3);
        let elapsed = flushing.join().expect("no panic");
        assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
    });
}

#[test]
fn many_flush_at_once() {
    let log = Arc::new(MemoryLog::new());
    let producer = producer(Arc::clone(&log), lazy());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let ticket = producer.send(small()).expect("sent");
                    producer.flush().expect("flushed");
                    assert!(!is_open(&ticket));
                }
            });
        }
    });
    assert_eq!(log.next_offset().expect("open"), 400);
}

#[test]
fn a_close_drains_and_leaves_the_log_open() {
    let log = Arc::new(MemoryLog::new());
    let producer = producer(Arc::clone(&log), lazy().records_max(4));
    let tickets: Vec<_> = (0..10).map(|_| producer.send(small()).expect("sent")).collect();
    producer.close().expect("closed");
    assert!(!tickets.iter().any(is_open));
    // The thread has let go of it.
    let log = Arc::try_unwrap(log).expect("nobody else has it");
    assert_eq!(log.publish(&[small()]).expect("open"), 11);
}

#[test]
fn dropping_a_producer_publishes_and_does_not_wait() {
    let (probe, producer) = probed(lazy());
    probe.shut();
    let tickets = [producer.send(small()), producer.send(small())].map(|ticket| ticket.expect("sent"));
    drop(producer);
    // It is back here while the log is still held up.
    assert!(tickets.iter().all(is_open));
    probe.open();
    assert_eq!(tickets.map(offset), [0, 1]);
}

#[test]
fn the_thread_of_a_dropped_producer_ends() {
    let log = Arc::new(MemoryLog::new());
    for _ in 0..10 {
        drop(producer(Arc::clone(&log), lazy()));
        let kept = producer(Arc::clone(&log), eager());
        kept.send(small()).expect("sent");
    }
    let start = Instant::now();
    while Arc::strong_count(&log) > 1 {
        assert!(start.elapsed() < Duration::from_secs(20), "threads are left");
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(log.next_offset().expect("open"), 10);
}

#[test]
fn dropping_a_ticket_takes_nothing_back() {
    let (probe, producer) = probed(lazy());
    drop(producer.send(small()).expect("sent"));
    producer.close().expect("closed");
    assert_eq!(probe.batches(), [1]);
}

#[test]
fn readers_that_wait_are_woken_by_what_is_sent() {
    let log = BlockingLog::new(MemoryLog::new());
    let producer = producer(log.clone(), eager());
    let mut follow = log.follow(Start::Oldest);
    thread::scope(|scope| {
        let reading = scope.spawn(move || follow.next().expect("no end").expect("read").value);
        thread::sleep(MOMENT);
        producer.send(NewMessage::value(b"woken")).expect("sent");
        assert_eq!(reading.join().expect("no panic").as_deref(), Some(&b"woken"[..]));
    });
}
