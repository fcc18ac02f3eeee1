//! No more is in flight than allowed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use duramen::{Error, ErrorKind, NewMessage};

use super::{MOMENT, NEVER, eager, lazy, offset, probed, small};

fn is_full<T>(result: &duramen::Result<T>) -> bool {
    matches!(result, Err(error @ Error::QueueFull) if error.kind() == ErrorKind::NotWritten)
}

#[test]
fn try_send_does_not_wait_for_room() {
    let (probe, producer) = probed(eager().in_flight_max(25));
    probe.shut();
    let tickets =
        [producer.try_send(small()), producer.try_send(small())].map(|ticket| ticket.expect("room"));
    let message = small();
    assert!(is_full(&producer.try_send(message)));
    probe.open();
    assert_eq!(tickets.map(offset), [0, 1]);
    producer.flush().expect("flushed");
    // The message is the caller's still.
    assert_eq!(offset(producer.try_send(message).expect("room")), 2);
}

#[test]
fn send_timeout_waits_for_room_no_longer_than_that() {
    let (probe, producer) = probed(eager().in_flight_max(10));
    probe.shut();
    let first = producer.send(small()).expect("sent");
    let start = Instant::now();
    assert!(is_full(&producer.send_timeout(small(), MOMENT)));
    assert!(start.elapsed() >= MOMENT);
    thread::scope(|scope| {
        let sending = scope.spawn(|| producer.send_timeout(small(), NEVER));
        thread::sleep(MOMENT);
        assert!(!sending.is_finished());
        probe.open();
        let second = sending.join().expect("no panic").expect("sent");
        assert_eq!((offset(first), offset(second)), (0, 1));
    });
}

#[test]
fn send_waits_for_room() {
    let (probe, producer) = probed(eager().in_flight_max(10));
    probe.shut();
    producer.send(small()).expect("sent");
    thread::scope(|scope| {
        let senders = [(); 4].map(|()| scope.spawn(|| producer.send(small()).expect("sent").wait()));
        thread::sleep(MOMENT);
        assert!(senders.iter().all(|sender| !sender.is_finished()));
        probe.open();
        let mut offsets = senders.map(|sender| sender.join().expect("no panic").expect("acked").0);
        offsets.sort_unstable();
        assert_eq!(offsets, [1, 2, 3, 4]);
    });
}

#[test]
fn batches_do_not_linger_while_there_is_no_room() {
    let (probe, producer) = probed(lazy().in_flight_max(35));
    for _ in 0..4 {
        producer.send(small()).expect("sent");
    }
    assert_eq!(probe.batches(), [3]);
    // Not even if nobody waits.
    let (probe, producer) = probed(lazy().in_flight_max(10));
    let first = producer.try_send(small()).expect("room");
    assert!(is_full(&producer.try_send(small())));
    assert_eq!(offset(first), 0);
    assert_eq!(probe.batches(), [1]);
}

/// Goal: a slow log does not make memory grow. Method: many threads send as fast as they can, and what is in flight is
/// looked at all the time, from inside of each append too.
#[test]
fn a_slow_log_bounds_what_is_in_flight() {
    const IN_FLIGHT_MAX: u64 = 1_000;
    let (probe, producer) = probed(eager().in_flight_max(IN_FLIGHT_MAX).bytes_max(300));
    probe.hook(|_| {
        thread::sleep(Duration::from_millis(1));
        Ok(None)
    });
    let highest = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..4 {
            let (producer, highest) = (&producer, &highest);
            scope.spawn(move || {
                for number in 0..150 {
                    let value = vec![7; (number * 31 + thread * 77) % 290];
                    producer.send(NewMessage::value(&value)).expect("sent");
                    highest.fetch_max(producer.in_flight().expect("no fork"), Ordering::Relaxed);
                }
            });
        }
    });
    producer.close().expect("closed");
    let highest = highest.into_inner();
    assert!(
        (IN_FLIGHT_MAX / 2..=IN_FLIGHT_MAX).contains(&highest),
        "{highest}"
    );
    assert_eq!(probe.batches().iter().sum::<usize>(), 600);
}
