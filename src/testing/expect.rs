use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::support::{all, assert_fails, in_threads, join, number, offsets, publish_numbers};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, NewMessage, PublishOptions, Result, Start};

pub(super) const CASES: &[Case] = case::list![
    the_expected_offset_publishes_when_it_is_the_next,
    an_expected_offset_that_is_taken_is_a_mismatch,
    an_expected_offset_that_is_not_reached_is_a_mismatch,
    an_expected_offset_of_u64_max_is_a_mismatch,
    on_a_new_log_offset_0_can_be_expected,
    a_mismatch_writes_nothing,
    a_mismatch_leaves_the_log_usable,
    an_empty_batch_at_the_expected_offset_returns_it,
    an_empty_batch_at_another_offset_is_a_mismatch,
    an_expectation_holds_for_one_call_only,
    an_expectation_goes_together_with_sync,
    of_two_publishers_that_expect_the_same_offset_one_wins,
    expecting_publishers_never_lose_an_update,
    an_expectation_is_kept_against_plain_publishers,
];

fn publish_expecting(log: &dyn Log, value: &[u8], expected: u64) -> Result<u64> {
    let how = PublishOptions::new().expect_next_offset(expected);
    log.publish_with(&[NewMessage::value(value)], &how)
}

fn the_expected_offset_publishes_when_it_is_the_next(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    assert_eq!(publish_expecting(&log, b"3", 3).unwrap(), 4);
    assert_eq!(publish_expecting(&log, b"4", 4).unwrap(), 5);
    let how = PublishOptions::new().expect_next_offset(5);
    let batch = [NewMessage::value(b"5"), NewMessage::value(b"6")];
    assert_eq!(log.publish_with(&batch, &how).unwrap(), 7);
    assert!(all(&log).iter().all(|m| number(m) == m.offset));
}

fn an_expected_offset_that_is_taken_is_a_mismatch(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    assert_fails!(
        publish_expecting(&log, b"x", 2),
        Error::OffsetMismatch {
            expected: 2,
            actual: 3
        }
    );
    assert_fails!(
        publish_expecting(&log, b"x", 0),
        Error::OffsetMismatch {
            expected: 0,
            actual: 3
        }
    );
}

fn an_expected_offset_that_is_not_reached_is_a_mismatch(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    assert_fails!(
        publish_expecting(&log, b"x", 1),
        Error::OffsetMismatch {
            expected: 1,
            actual: 0
        }
    );
    publish_numbers(&log, 0..3);
    assert_fails!(
        publish_expecting(&log, b"x", 4),
        Error::OffsetMismatch {
            expected: 4,
            actual: 3
        }
    );
}

fn an_expected_offset_of_u64_max_is_a_mismatch(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..1);
    assert_fails!(
        publish_expecting(&log, b"x", u64::MAX),
        Error::OffsetMismatch {
            expected: u64::MAX,
            actual: 1
        }
    );
}

fn on_a_new_log_offset_0_can_be_expected(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    assert_eq!(publish_expecting(&log, b"x", 0).unwrap(), 1);
    assert_fails!(
        publish_expecting(&log, b"x", 0),
        Error::OffsetMismatch {
            expected: 0,
            actual: 1
        }
    );
}

fn a_mismatch_writes_nothing(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_numbers(&log, 0..3);
    let before = log.stat().unwrap();
    let how = PublishOptions::new().expect_next_offset(9);
    let batch = [
        NewMessage::new(b"key", b"value"),
        NewMessage::new(b"key", b"value"),
    ];
    assert_fails!(log.publish_with(&batch, &how), Error::OffsetMismatch { .. });
    let after = log.stat().unwrap();
    assert_eq!((after.messages, after.next_offset), (3, 3));
    assert_eq!(after.size, before.size);
    assert_fails!(log.get_by_key(b"key"), Error::NotFound);
    assert_eq!(offsets(&all(&log)), [0, 1, 2]);
}

fn a_mismatch_leaves_the_log_usable(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    assert_fails!(publish_expecting(&log, b"x", 9), Error::OffsetMismatch { .. });
    publish_numbers(&log, 0..3);
    assert_fails!(publish_expecting(&log, b"x", 0), Error::OffsetMismatch { .. });
    assert_eq!(publish_expecting(&log, b"3", 3).unwrap(), 4);
    assert!(all(&log).iter().all(|m| number(m) == m.offset));
}

fn an_empty_batch_at_the_expected_offset_returns_it(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let expect = |offset| PublishOptions::new().expect_next_offset(offset);
    assert_eq!(log.publish_with(&[], &expect(0)).unwrap(), 0);
    publish_numbers(&log, 0..3);
    assert_eq!(log.publish_with(&[], &expect(3)).unwrap(), 3);
}

fn an_empty_batch_at_another_offset_is_a_mismatch(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    for wrong in [0, 2, 4, u64::MAX] {
        let how = PublishOptions::new().expect_next_offset(wrong);
        match log.publish_with(&[], &how) {
            Err(Error::OffsetMismatch { expected, actual: 3 }) => assert_eq!(expected, wrong),
            other => panic!("expecting {wrong} with an empty batch gives {other:?}"),
        }
    }
}

fn an_expectation_holds_for_one_call_only(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_expecting(&log, b"0", 0).unwrap();
    assert_eq!(log.publish(&[NewMessage::value(b"1")]).unwrap(), 2);
    assert_eq!(log.publish(&[NewMessage::value(b"2")]).unwrap(), 3);
}

fn an_expectation_goes_together_with_sync(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let how = PublishOptions::new().sync(true).expect_next_offset(0);
    let message = [NewMessage::value(b"0")];
    assert_eq!(log.publish_with(&message, &how).unwrap(), 1);
    assert_eq!(log.stat().unwrap().synced_offset, 1);
    assert_fails!(
        log.publish_with(&message, &how),
        Error::OffsetMismatch {
            expected: 0,
            actual: 1
        }
    );
}

fn of_two_publishers_that_expect_the_same_offset_one_wins(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for round in 0..200 {
        let barrier = Barrier::new(2);
        let race = || {
            barrier.wait();
            publish_expecting(&log, b"x", round)
        };
        let (one, other) = thread::scope(|scope| {
            let (one, other) = (scope.spawn(race), scope.spawn(race));
            (join(one), join(other))
        });
        let (winner, loser) = if one.is_ok() { (one, other) } else { (other, one) };
        assert_eq!(winner.unwrap(), round + 1);
        match loser {
            Err(Error::OffsetMismatch { expected, actual }) => {
                assert_eq!((expected, actual), (round, round + 1));
            }
            other => panic!("in round {round} the loser's result is {other:?}"),
        }
        assert_eq!(log.next_offset().unwrap(), round + 1);
    }
}

/// Reads the last number and publishes the next one, again and again until it succeeds.
fn add_one(log: &dyn Log) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let next_offset = log.next_offset().unwrap();
        let last = match next_offset.checked_sub(1) {
            Some(last) => number(&log.get(Start::At(last)).unwrap()),
            None => 0,
        };
        match publish_expecting(log, (last + 1).to_string().as_bytes(), next_offset) {
            Ok(_) => return,
            Err(Error::OffsetMismatch { .. }) => thread::yield_now(),
            Err(other) => panic!("{other:?}"),
        }
        assert!(Instant::now() < deadline, "no chance to publish in a minute");
    }
}

fn expecting_publishers_never_lose_an_update(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    in_threads(4, |_| (0..25).for_each(|_| add_one(&log)));
    let messages = all(&log);
    assert_eq!(messages.len(), 100);
    assert!(messages.iter().all(|m| number(m) == m.offset + 1));
}

fn an_expectation_is_kept_against_plain_publishers(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let (log, barrier) = (&*log, &Barrier::new(3));
    let won = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                barrier.wait();
                for _ in 0..50 {
                    log.publish(&[NewMessage::value(b"plain")]).unwrap();
                }
            });
        }
        let expecting = scope.spawn(move || {
            barrier.wait();
            let mut won = Vec::new();
            for _ in 0..100 {
                let expected = log.next_offset().unwrap();
                if let Ok(next_offset) = publish_expecting(log, b"expecting", expected) {
                    assert_eq!(next_offset, expected + 1);
                    won.push(expected);
                }
            }
            won
        });
        join(expecting)
    });
    let read = all(log)
        .iter()
        .filter(|m| m.value.as_deref() == Some(&b"expecting"[..]))
        .map(|m| m.offset)
        .collect::<Vec<u64>>();
    assert_eq!(read, won);
    assert_eq!(log.next_offset().unwrap(), 100 + won.len() as u64);
}
