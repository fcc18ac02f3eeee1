//! The first failure is that of everything behind it.

use std::panic;
use std::sync::Arc;
use std::thread;

use duramen::{
    AckMode, Control, Error, ErrorKind, FileLog, Log, MemoryLog, Options, ProducerOptions, PublishOptions,
    Token,
};

use super::probe::no_space;
use super::{MOMENT, behind, eager, lazy, offset, own, probed, producer, small};
use crate::common::fast_dir;
use crate::minimal::Minimal;

fn token(text: &str) -> Token {
    text.parse().expect("a token")
}

/// The vector of the specification: inputs that expect 0, 0 and 1.
#[test]
fn what_follows_a_failure_is_not_written_although_it_might_match() {
    let (probe, producer) = probed(lazy().records_max(1));
    probe.hook(|number| Ok([Some(0), Some(0), Some(1)][number]));
    probe.shut();
    let [first, second, third] = [(); 3].map(|()| producer.send(small()).expect("sent"));
    probe.open();
    assert_eq!(offset(first), 0);
    let is_mismatch = |error: Arc<Error>| {
        matches!(
            *error,
            Error::OffsetMismatch {
                expected: 0,
                actual: 1
            }
        )
    };
    assert!(is_mismatch(own(second.wait())));
    assert!(is_mismatch(behind(third.wait())));
    assert_eq!(probe.log.next_offset().expect("open"), 1);
    assert_eq!(probe.batches().len(), 2, "the third did not get to the log");
}

#[test]
fn the_expected_offset_goes_up_by_each_batch() {
    let log = Arc::new(MemoryLog::new());
    log.publish(&[small(), small()]).expect("published");
    let producer = producer(Arc::clone(&log), eager().expect_next_offset(2).records_max(3));
    for _ in 0..50 {
        producer.send(small()).expect("sent");
    }
    producer.flush().expect("nobody else has published");
    log.publish(&[small()]).expect("published");
    let error = own(producer.send(small()).expect("sent").wait());
    assert!(
        matches!(
            *error,
            Error::OffsetMismatch {
                expected: 52,
                actual: 53
            }
        ),
        "{error}"
    );
    assert_eq!(log.next_offset().expect("open"), 53);
}

#[test]
fn a_producer_that_is_fenced_off_writes_nothing_more() {
    let dir = fast_dir();
    let logs: [Arc<dyn Log>; 2] = [
        Arc::new(MemoryLog::new()),
        Arc::new(Options::new().open(dir.path()).expect("a new log")),
    ];
    for log in logs {
        let fence = |token| PublishOptions::new().and(Control::Fence(token));
        log.append(&[], &fence(token("a"))).expect("fenced");
        let producer = producer(Arc::clone(&log), lazy().records_max(2).token(token("a")));
        let before = [(); 2].map(|()| producer.send(small()).expect("sent"));
        assert_eq!(before.map(offset), [1, 2]);
        log.append(&[], &fence(token("b"))).expect("fenced");
        let after = [(); 2].map(|()| producer.send(small()).expect("sent"));
        for ticket in after {
            let result = ticket.wait();
            assert_eq!(result.as_ref().err().map(Error::kind), Some(ErrorKind::Conflict));
            assert!(matches!(*own(result), Error::Fenced { .. }));
        }
        assert_eq!(log.next_offset().expect("open"), 4);
    }
}

#[test]
fn the_failed_batch_is_told_from_those_behind_it() {
    let (probe, producer) = probed(lazy().records_max(2));
    probe.hook(|_| Err(no_space()));
    probe.shut();
    let tickets = [(); 5].map(|()| producer.send(small()).expect("sent"));
    probe.open();
    for (at, ticket) in tickets.into_iter().enumerate() {
        let error = ticket.wait().expect_err("it has failed");
        let expected = if at < 2 {
            ErrorKind::NotWritten
        } else {
            ErrorKind::Unusable
        };
        assert_eq!(error.kind(), expected, "{error}");
        let text = error.to_string();
        let begin = if at < 2 {
            "the batch of a producer failed: "
        } else {
            "not written, because a batch in front of it failed: "
        };
        assert!(text.starts_with(begin) && text.contains("cannot write"), "{text}");
    }
    assert_eq!(probe.batches(), [2]);
}

#[test]
fn every_later_call_tells_the_failure() {
    let (probe, producer) = probed(eager());
    probe.hook(|_| Err(no_space()));
    own(producer.send(small()).expect("sent").wait());
    let is_space = |error: Arc<Error>| matches!(*error, Error::Io { .. });
    assert!(is_space(behind(producer.send(small()))));
    assert!(is_space(behind(producer.try_send(small()))));
    assert!(is_space(behind(producer.send_timeout(small(), MOMENT))));
    assert!(is_space(own(producer.flush())));
    assert_eq!(producer.in_flight().expect("no fork"), 0);
    assert!(is_space(own(producer.close())));
    assert_eq!(probe.batches(), [1]);
}

#[test]
fn a_failure_wakes_senders_that_wait_for_room() {
    let (probe, producer) = probed(eager().in_flight_max(10));
    probe.hook(|_| Err(no_space()));
    probe.shut();
    let first = producer.send(small()).expect("sent");
    thread::scope(|scope| {
        let senders = [(); 3].map(|()| scope.spawn(|| producer.send(small())));
        thread::sleep(MOMENT);
        probe.open();
        for sender in senders {
            behind(sender.join().expect("no panic"));
        }
    });
    own(first.wait());
}

#[test]
fn closed_and_sealed_logs_fail_with_their_own_errors() {
    let log = Arc::new(MemoryLog::new());
    let sealed = producer(Arc::clone(&log), eager());
    let closed = producer(Arc::clone(&log), eager());
    log.append(&[], &PublishOptions::new().and(Control::Seal))
        .expect("sealed");
    assert!(matches!(
        *own(sealed.send(small()).expect("sent").wait()),
        Error::Sealed
    ));
    log.close().expect("closed");
    let result = closed.send(small()).expect("sent").wait();
    assert_eq!(result.as_ref().err().map(Error::kind), Some(ErrorKind::Unusable));
    assert!(matches!(*own(result), Error::Closed));
}

#[test]
fn a_closed_file_log_fails_durable_sends() {
    let dir = fast_dir();
    let log: Arc<FileLog> = Arc::new(Options::new().open(dir.path()).expect("a new log"));
    let producer = producer(Arc::clone(&log), eager().ack(AckMode::Durable));
    offset(producer.send(small()).expect("sent"));
    log.close().expect("closed");
    own(producer.send(small()).expect("sent").wait());
    own(producer.close());
}

#[test]
fn a_panic_in_the_log_leaves_nobody_waiting() {
    for ack in [AckMode::Visible, AckMode::Durable] {
        let (probe, producer) = probed(eager().records_max(1).ack(ack));
        probe.hook(|number| {
            // Quietly.
            (number == 1).then(|| panic::resume_unwind(Box::new(())));
            Ok(None)
        });
        assert_eq!(offset(producer.send(small()).expect("sent")), 0);
        probe.shut();
        let [second, third] = [(); 2].map(|()| producer.send(small()).expect("sent"));
        probe.open();
        let result = second.wait();
        assert_eq!(result.as_ref().err().map(Error::kind), Some(ErrorKind::Unknown));
        assert!(matches!(*own(result), Error::Unconfirmed { .. }));
        behind(third.wait());
        behind(producer.send(small()));
        own(producer.close());
    }
}

#[test]
fn a_log_that_knows_no_tokens_is_told_as_such() {
    let fails = |options: ProducerOptions| {
        let producer = producer(Minimal::default(), options);
        let error = own(producer.send(small()).expect("sent").wait());
        assert!(matches!(*error, Error::NotSupported(_)), "{error}");
    };
    fails(eager().token(token("a")));
    fails(eager().id(7));
    // What it knows is enough for all else.
    let producer = producer(
        Minimal::default(),
        eager().expect_next_offset(0).ack(AckMode::Durable),
    );
    assert_eq!(offset(producer.send(small()).expect("sent")), 0);
}
