//! What the trait does not have, of a log in memory: to open a sealed log again, and a clock that goes back.

use std::sync::Arc;

use duramen::{
    Control, Error, Log, ManualClock, MemoryLog, Options, PublishOptions, ReadOptions, Start, Stop,
    TimestampPolicy,
};

use super::{M, place, us};

/// A log with this policy, and its clock, which shows 1200.
fn timed(policy: TimestampPolicy) -> (MemoryLog, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(us(1200)));
    let options = Options::new().timestamps(policy).clock(clock.clone());
    (MemoryLog::with_options(&options), clock)
}

fn seal(log: &MemoryLog) {
    let sealing = PublishOptions::new().and(Control::Seal);
    log.append(&[], &sealing).expect("sealed");
}

#[test]
fn a_log_that_is_unsealed_goes_on_behind_its_seal() {
    let log = MemoryLog::new();
    log.publish(&[M]).expect("published");
    seal(&log);
    log.unseal().expect("unsealed");
    assert!(!log.is_sealed().expect("open") && !log.stat().expect("open").is_sealed);
    assert_eq!(log.next_offset().expect("open"), 3);
    assert_eq!(log.publish(&[M]).expect("published"), 4);
    let showing = ReadOptions::new().control(true);
    let batch = log.read(Start::Oldest, &showing).expect("read");
    let controls = batch
        .controls
        .iter()
        .map(|record| (record.offset, record.control));
    let expected = [(1, Some(Control::Seal)), (2, Some(Control::Unseal))];
    assert!(controls.eq(expected));
    assert_eq!(
        (batch.messages.len(), batch.next_offset, batch.stopped),
        (2, 4, Stop::AtEnd)
    );
}

#[test]
fn unsealing_a_log_that_is_not_sealed_writes_nothing() {
    let log = MemoryLog::new();
    log.publish(&[M]).expect("published");
    log.unseal().expect("nothing to do");
    assert_eq!(log.next_offset().expect("open"), 1);
    log.close().expect("closed");
    assert!(matches!(log.unseal(), Err(Error::Closed)));
}

#[test]
fn a_log_can_be_sealed_again() {
    let log = MemoryLog::new();
    for _ in 0..3 {
        seal(&log);
        assert!(matches!(log.publish(&[M]), Err(Error::Sealed)));
        log.unseal().expect("unsealed");
    }
    assert_eq!(log.next_offset().expect("open"), 6);
}

#[test]
fn times_do_not_go_back_with_the_clock() {
    for policy in [TimestampPolicy::ClientPrefer, TimestampPolicy::Arrival] {
        let (log, clock) = timed(policy);
        log.publish(&[M]).expect("published");
        clock.set(us(1000));
        let ack = log.append(&[M], &PublishOptions::new()).expect("published");
        assert_eq!(ack.start, place(1, 1200));
        let ack = log
            .append(&[M.time(us(1100))], &PublishOptions::new())
            .expect("published");
        assert_eq!(ack.start, place(2, 1200));
        seal(&log);
        assert_eq!(log.tail().expect("open"), place(4, 1200));
        log.unseal().expect("unsealed");
        assert_eq!(log.tail().expect("open"), place(5, 1200));
    }
}

#[test]
fn times_as_given_go_back_with_the_clock() {
    let (log, clock) = timed(TimestampPolicy::AsGiven);
    log.publish(&[M]).expect("published");
    clock.set(us(1000));
    let ack = log.append(&[M], &PublishOptions::new()).expect("published");
    assert_eq!(ack.start, place(1, 1000));
}
