//! When tickets are resolved: visible, durable, at once.

use std::sync::Arc;

use duramen::{Ack, AckMode, Durability, ErrorKind, Log, Options, Producer, Ticket};

use super::probe::{Probe, Seen, no_space, poisoned, sync_failed};
use super::{behind, eager, is_open, lazy, offset, own, probed, producer, small};
use crate::common::fast_dir;

#[test]
fn a_durable_ticket_is_resolved_when_its_message_is_durable() {
    for durability in [
        Durability::Os,
        Durability::Bytes(1 << 20),
        Durability::EachPublish,
    ] {
        let dir = fast_dir();
        let log = Arc::new(
            Options::new()
                .durability(durability)
                .open(dir.path())
                .expect("a new log"),
        );
        let producer = producer(Arc::clone(&log), eager().ack(AckMode::Durable).records_max(3));
        let tickets: Vec<_> = (0..20).map(|_| producer.send(small()).expect("sent")).collect();
        for ticket in tickets {
            let offset = offset(ticket);
            assert!(log.synced_offset().expect("open") > offset, "{durability:?}");
        }
        producer.send(small()).expect("sent");
        producer.flush().expect("flushed");
        assert_eq!(log.synced_offset().expect("open"), 21);
    }
}

#[test]
fn a_visible_ticket_syncs_nothing() {
    let (probe, producer) = probed(eager());
    for _ in 0..3 {
        offset(producer.send(small()).expect("sent"));
    }
    producer.close().expect("closed");
    assert_eq!(
        probe.seen(),
        [
            Seen::Append(1, false),
            Seen::Append(1, false),
            Seen::Append(1, false)
        ]
    );
}

#[test]
fn one_sync_is_for_all_batches_that_are_there() {
    let (probe, producer) = probed(eager().ack(AckMode::Durable).records_max(2));
    probe.shut();
    let first = producer.send(small()).expect("sent");
    probe.held_up();
    let tickets: Vec<_> = (0..7).map(|_| producer.send(small()).expect("sent")).collect();
    probe.open();
    assert_eq!(offset(first), 0);
    for (at, ticket) in (1..).zip(tickets) {
        assert_eq!(offset(ticket), at);
    }
    let (plain, syncing) = (Seen::Append(2, false), Seen::Append(1, true));
    assert_eq!(
        probe.seen(),
        [syncing.clone(), plain.clone(), plain.clone(), plain, syncing]
    );
}

#[test]
fn what_was_published_before_a_failure_is_made_durable() {
    let (probe, producer) = probed(eager().ack(AckMode::Durable).records_max(1));
    probe.hook(|number| if number == 3 { Err(no_space()) } else { Ok(None) });
    probe.shut();
    producer.send(small()).expect("sent");
    probe.held_up();
    let [a, b, c, d] = [(); 4].map(|()| producer.send(small()).expect("sent"));
    probe.open();
    assert_eq!([a, b].map(offset), [1, 2]);
    assert!(matches!(*own(c.wait()), duramen::Error::Io { .. }));
    behind(d.wait());
    let (plain, syncing) = (Seen::Append(1, false), Seen::Append(1, true));
    assert_eq!(
        probe.seen(),
        [syncing, plain.clone(), plain.clone(), plain, Seen::Sync]
    );
}

#[test]
fn a_sync_that_fails_fails_all_that_it_was_for() {
    for fails_at in [3, 4] {
        let (probe, producer) = probed(eager().ack(AckMode::Durable).records_max(1));
        probe.hook(move |number| match number {
            // The last append syncs for all, or, if one fails that has written nothing, a sync of its own.
            3 if fails_at == 4 => Err(no_space()),
            _ if number == fails_at => Err(sync_failed()),
            _ => Ok(None),
        });
        let [a, b, c] = sent_behind(&probe, &producer);
        for ticket in [a, b] {
            let error = own(ticket.wait());
            assert!(matches!(*error, duramen::Error::SyncFailed { .. }), "{error}");
        }
        if fails_at == 3 {
            // It may have been written.
            own(c.wait());
        } else {
            behind(c.wait());
        }
    }
}

/// Sends three messages while the thread is at another one, so that it takes all three at once.
fn sent_behind(probe: &Probe, producer: &Producer<Arc<Probe>>) -> [Ticket; 3] {
    probe.shut();
    producer.send(small()).expect("sent");
    probe.held_up();
    let sent = [(); 3].map(|()| producer.send(small()).expect("sent"));
    probe.open();
    sent
}

/// What was published before a failure may be there, whatever the failure says of itself.
#[test]
fn what_is_published_and_not_durable_is_never_told_as_unwritten() {
    for fails_at in [3, 4] {
        let (probe, producer) = probed(eager().ack(AckMode::Durable).records_max(1));
        probe.hook(move |number| match number {
            3 if fails_at == 3 => Err(poisoned()),
            3 => Err(no_space()),
            4 => Err(duramen::Error::Closed),
            _ => Ok(None),
        });
        let [a, b, c] = sent_behind(&probe, &producer);
        for ticket in [a, b] {
            let result = ticket.wait();
            assert_eq!(
                result.as_ref().err().map(duramen::Error::kind),
                Some(ErrorKind::Unknown)
            );
            own(result);
        }
        if fails_at == 3 {
            // Its own sync may have been the one that failed.
            own(c.wait());
        } else {
            behind(c.wait());
        }
    }
}

#[test]
fn tickets_that_nobody_waits_for_are_resolved_at_once() {
    let (probe, producer) = probed(eager().ack(AckMode::None).in_flight_max(20));
    probe.shut();
    for _ in 0..2 {
        let ticket = producer.send(small()).expect("sent");
        assert!(!is_open(&ticket));
        assert_eq!(
            ticket.wait().expect("resolved"),
            (Ticket::OFFSET_UNKNOWN, Ack::default())
        );
    }
    // Room is counted all the same.
    assert!(matches!(
        producer.try_send(small()),
        Err(duramen::Error::QueueFull)
    ));
    probe.open();
    producer.close().expect("closed");
    assert_eq!(probe.log.next_offset().expect("open"), 2);
}

#[test]
fn a_failure_that_no_ticket_tells_is_told_later() {
    let failing = || {
        let (probe, producer) = probed(lazy().ack(AckMode::None));
        probe.hook(|_| Err(no_space()));
        assert!(producer.send(small()).expect("sent").wait().is_ok());
        producer
    };
    own(failing().flush());
    own(failing().close());
    let producer = failing();
    own(producer.flush());
    behind(producer.send(small()));
    own(producer.flush());
    own(producer.close());
}
