//! Which messages share a batch, and when it is published.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use duramen::{Error, Log, MemoryLog, NewMessage, Start, Timestamp, metered_size};

use super::{MOMENT, NEVER, eager, is_open, lazy, offset, probed, producer, range, small};
use crate::common::read_all;

#[test]
fn a_batch_waits_for_more_until_it_has_lingered() {
    let linger = Duration::from_millis(60);
    let (probe, producer) = probed(lazy().linger(linger));
    let start = Instant::now();
    let tickets = [producer.send(small()), producer.send(small())].map(|ticket| ticket.expect("sent"));
    assert_eq!(tickets.map(offset), [0, 1]);
    assert!(start.elapsed() >= linger);
    assert_eq!(probe.batches(), [2]);
}

#[test]
fn a_batch_lingers_from_its_first_message_on() {
    let (probe, producer) = probed(lazy().linger(Duration::from_millis(100)));
    let first = producer.send(small()).expect("sent");
    let mut more = 0;
    // If each message began the wait anew, this would not end.
    while is_open(&first) {
        producer.send(small()).expect("sent");
        more += 1;
        assert!(more < 1_000, "it never ends");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(!probe.batches().is_empty());
}

#[test]
fn a_message_that_must_not_linger_goes_at_once() {
    let (_, producer) = probed(eager());
    assert_eq!(offset(producer.send(small()).expect("sent")), 0);
    assert_eq!(offset(producer.send(small()).expect("sent")), 1);
}

#[test]
fn what_comes_while_a_batch_is_published_goes_together() {
    let (probe, producer) = probed(eager());
    probe.shut();
    let first = producer.send(small()).expect("sent");
    probe.held_up();
    let others: Vec<_> = (0..5).map(|_| producer.send(small()).expect("sent")).collect();
    probe.open();
    assert_eq!(offset(first), 0);
    for (at, other) in (1..).zip(others) {
        assert_eq!(offset(other), at);
    }
    assert_eq!(probe.batches(), [1, 5]);
}

#[test]
fn a_batch_that_has_its_count_does_not_linger() {
    let (probe, producer) = probed(lazy().records_max(3));
    let tickets: Vec<_> = (0..7).map(|_| producer.send(small()).expect("sent")).collect();
    assert!(is_open(&tickets[6]));
    for (at, ticket) in (0..6).zip(tickets) {
        assert_eq!(offset(ticket), at);
    }
    assert_eq!(probe.batches(), [3, 3]);
    producer.flush().expect("flushed");
    assert_eq!(probe.batches(), [3, 3, 1]);
}

#[test]
fn a_batch_that_has_its_bytes_does_not_linger() {
    let (probe, producer) = probed(lazy().bytes_max(30));
    for at in 0..3 {
        let ticket = producer.send(small()).expect("sent");
        assert_eq!(
            at < 2,
            ticket
                .wait_timeout(if at < 2 { MOMENT } else { NEVER })
                .expect("fine")
                .is_none()
        );
    }
    assert_eq!(probe.batches(), [3]);
}

#[test]
fn a_batch_goes_before_it_would_overflow() {
    let (probe, producer) = probed(lazy().bytes_max(29));
    let tickets = [producer.send(small()), producer.send(small())].map(|ticket| ticket.expect("sent"));
    let third = producer.send(small()).expect("sent");
    assert_eq!(tickets.map(offset), [0, 1]);
    // The third lingers in a batch of its own.
    assert!(third.wait_timeout(MOMENT).expect("no failure").is_none());
    assert_eq!(probe.batches(), [2]);
    producer.flush().expect("flushed");
    assert_eq!(offset(third), 2);
}

#[test]
fn bytes_are_counted_as_metered() {
    let message = NewMessage::new(b"key", b"value").headers(&[(b"name", b"")]);
    let size = metered_size(&message);
    let (probe, producer) = probed(lazy().bytes_max(2 * size));
    let first = producer.send(message).expect("sent");
    assert_eq!(producer.in_flight().expect("no fork"), size);
    producer.send(message).expect("sent");
    assert_eq!(offset(first), 0);
    assert_eq!(probe.batches(), [2]);
    producer.flush().expect("flushed");
    assert_eq!(producer.in_flight().expect("no fork"), 0);
}

#[test]
fn messages_arrive_whole_and_in_order() {
    let log = Arc::new(MemoryLog::new());
    let producer = producer(Arc::clone(&log), lazy().records_max(2));
    let headers: &[(&[u8], &[u8])] = &[(b"a", b"1"), (b"", b""), (b"a", b"2")];
    let messages = [
        NewMessage::new(b"key", b"value").time(Timestamp::from_micros(5)),
        NewMessage::tombstone(b"").time(Timestamp::from_micros(-5)),
        NewMessage::value(b"")
            .headers(headers)
            .time(Timestamp::from_micros(0)),
        NewMessage::default()
            .headers(&headers[..1])
            .time(Timestamp::from_micros(7)),
        NewMessage::value(b"alone").time(Timestamp::from_micros(8)),
    ];
    for message in messages {
        producer.send(message).expect("sent");
    }
    producer.close().expect("closed");
    let read = read_all(&log).expect("read");
    let read: Vec<_> = read.iter().map(duramen::Message::as_new).collect();
    assert_eq!(read, messages);
}

#[test]
fn messages_without_a_time_get_that_of_publishing() {
    let log = Arc::new(MemoryLog::new());
    let producer = producer(Arc::clone(&log), lazy());
    producer.send(small()).expect("sent");
    let before = Timestamp::now();
    producer.close().expect("closed");
    assert!(log.get(Start::At(0)).expect("there").time >= before);
}

#[test]
fn each_ticket_has_the_offset_of_its_message() {
    let log = Arc::new(MemoryLog::new());
    let producer = producer(Arc::clone(&log), eager().records_max(7));
    thread::scope(|scope| {
        for thread in 0..4_u32 {
            let (producer, log) = (&producer, &log);
            scope.spawn(move || {
                let mut last = None;
                for number in 0..200_u32 {
                    let value = [thread.to_be_bytes(), number.to_be_bytes()].concat();
                    let (offset, ack) = producer
                        .send(NewMessage::value(&value))
                        .expect("sent")
                        .wait()
                        .expect("acked");
                    let (start, end) = range(&ack);
                    assert!(start <= offset && offset < end && last < Some(offset));
                    last = Some(offset);
                    let message = log.get(Start::At(offset)).expect("there");
                    assert_eq!(message.value.as_deref(), Some(&value[..]));
                }
            });
        }
    });
    assert_eq!(log.next_offset().expect("open"), 800);
}

#[test]
fn tickets_are_resolved_in_the_order_of_sending() {
    let (probe, producer) = probed(eager().records_max(2));
    probe.hook(|_| {
        thread::sleep(Duration::from_millis(1));
        Ok(None)
    });
    let tickets: Vec<_> = (0..20).map(|_| producer.send(small()).expect("sent")).collect();
    while is_open(&tickets[19]) {
        // Looked at from the last to the first: none is open in front of one that was resolved.
        let open: Vec<_> = tickets.iter().rev().map(is_open).collect();
        assert!(open.is_sorted_by(|later, earlier| later >= earlier), "{open:?}");
    }
}

#[test]
fn a_message_that_is_too_large_harms_no_other() {
    let (probe, producer) = probed(lazy().bytes_max(40));
    let first = producer.send(small()).expect("sent");
    let is_refused = |value: &[u8], expected: u64| {
        let message = NewMessage::value(value);
        let refused = producer.send(message);
        matches!(refused, Err(Error::TooLarge { size, limit: 40, .. }) if size == expected)
            && matches!(producer.try_send(message), Err(Error::TooLarge { .. }))
    };
    assert!(is_refused(&[0; 33], 41));
    let second = producer.send(NewMessage::value(&[0; 20])).expect("it fits");
    assert!(is_refused(&[0; 1_000], 1_008));
    producer.flush().expect("nothing is wrong");
    assert_eq!((offset(first), offset(second)), (0, 1));
    assert_eq!(probe.batches(), [2]);
}

#[test]
fn a_message_that_exceeds_what_may_be_in_flight_is_too_large() {
    let (_, producer) = probed(lazy().in_flight_max(39));
    let refused = producer.send(NewMessage::value(&[0; 32]));
    assert!(matches!(
        refused,
        Err(Error::TooLarge {
            size: 40,
            limit: 39,
            ..
        })
    ));
    let sent = producer.send(NewMessage::value(&[0; 31])).expect("it fits");
    producer.flush().expect("flushed");
    assert_eq!(offset(sent), 0);
}

#[test]
fn options_out_of_range_are_refused() {
    for options in [
        lazy().records_max(0),
        lazy().bytes_max(0),
        lazy().in_flight_max(0),
        lazy().bytes_max((1 << 30) + 1),
        lazy().first_sequence(1).records_max(1),
        lazy().first_sequence(1).id(7),
    ] {
        let refused = duramen::Producer::new(MemoryLog::new(), options);
        assert!(matches!(refused, Err(Error::Invalid(_))), "{options:?}");
    }
}
