//! Producers with an id: what is written once, and what is refused.

use std::sync::Arc;

use duramen::{Error, Log, MemoryLog, NewMessage, Options, PublishOptions, Timestamp};

use super::{eager, offset, own, probed, producer, small};
use crate::common::{fast_dir, read_all};

/// Goal: a new producer of the same id is not taken for the old one, and what it sends is written. Method: several, one
/// after the other, also over a log that was opened again.
#[test]
fn a_producer_that_is_made_later_goes_on() {
    let dir = fast_dir();
    for life in 0..3 {
        let log = Arc::new(Options::new().open(dir.path()).expect("opened"));
        for round in 0..3 {
            let producer = producer(Arc::clone(&log), eager().id(7).records_max(2));
            let tickets = [(); 5].map(|()| producer.send(small()).expect("sent"));
            let start = (life * 3 + round) * 5;
            assert_eq!(tickets.map(offset), [0, 1, 2, 3, 4].map(|at| start + at));
            producer.close().expect("closed");
        }
        log.close().expect("closed");
    }
}

#[test]
fn of_two_producers_with_one_id_the_older_one_fails() {
    let log = Arc::new(MemoryLog::new());
    let older = producer(Arc::clone(&log), eager().id(7));
    offset(older.send(small()).expect("sent"));
    std::thread::sleep(std::time::Duration::from_millis(2));
    let newer = producer(Arc::clone(&log), eager().id(7));
    offset(newer.send(small()).expect("sent"));
    let error = own(older.send(small()).expect("sent").wait());
    assert!(
        matches!(*error, Error::OutOfSequence { producer: 7, .. }),
        "{error}"
    );
    assert_eq!(offset(newer.send(small()).expect("sent")), 2);
}

#[test]
fn a_clock_that_was_set_back_fails_the_first_batch() {
    let log = Arc::new(MemoryLog::new());
    let producer = producer(Arc::clone(&log), eager().id(7));
    // An earlier producer whose clock was two weeks ahead.
    let ahead = u64::try_from(Timestamp::now().as_micros()).expect("after 1970") + (1 << 40);
    log.append(&[small()], &PublishOptions::new().producer(7, ahead))
        .expect("published");
    let error = own(producer.send(small()).expect("sent").wait());
    assert!(
        matches!(*error, Error::OutOfSequence { last, .. } if last == ahead),
        "{error}"
    );
    assert_eq!(log.next_offset().expect("open"), 1);
}

/// A sequence that somebody else has used must not pass for a batch of this producer: that would be lost.
#[test]
fn a_duplicate_of_somebody_elses_batch_is_a_failure() {
    let (probe, producer) = probed(eager().id(7));
    probe.know_all();
    let error = own(producer.send(small()).expect("sent").wait());
    assert!(
        matches!(*error, Error::OutOfSequence { producer: 7, .. }),
        "{error}"
    );
}

#[test]
fn messages_with_sequences_of_their_own_can_be_sent_again() {
    let log = Arc::new(MemoryLog::new());
    let send = |numbers: std::ops::Range<u64>| {
        let options = eager().id(7).records_max(1).first_sequence(numbers.start);
        let producer = producer(Arc::clone(&log), options);
        let tickets: Vec<_> = numbers
            .map(|number| {
                producer
                    .send(NewMessage::value(&number.to_be_bytes()))
                    .expect("sent")
            })
            .collect();
        let acks = tickets.into_iter().map(|ticket| ticket.wait().expect("acked"));
        acks.map(|(offset, ack)| (offset, ack.is_duplicate))
            .collect::<Vec<_>>()
    };
    let fresh = |range: std::ops::Range<u64>| range.map(|at| (at, false)).collect::<Vec<_>>();
    assert_eq!(send(100..110), fresh(0..10));
    // The application does not know how far it got.
    let again: Vec<_> = (5..10).map(|at| (at, true)).chain(fresh(10..20)).collect();
    assert_eq!(send(105..120), again);
    let values: Vec<_> = read_all(&log)
        .expect("read")
        .into_iter()
        .map(|message| message.value)
        .collect();
    assert_eq!(values.len(), 20);
    assert!(values.is_sorted());
}

#[test]
fn a_producer_that_has_used_all_sequences_fails() {
    let options = eager().id(7).records_max(1).first_sequence(u64::MAX);
    let producer = producer(MemoryLog::new(), options);
    assert_eq!(offset(producer.send(small()).expect("sent")), 0);
    let error = own(producer.send(small()).expect("sent").wait());
    assert!(matches!(*error, Error::Invalid(_)), "{error}");
}
