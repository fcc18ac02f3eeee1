//! In which order the conditions of a publish are checked. All of them see the log before the
//! batch.

use super::control_support::{M, assert_fenced, assert_refused, control, fence, how, token, with_token};
use super::support::{publish_keys, publish_numbers, us};
use super::{Case, Factory, Setup, case};
use crate::{Control, Error, Log, PublishOptions, TimestampPolicy};

pub(super) const CASES: &[Case] = case::list![control:
    the_error_of_the_token_wins_over_that_of_the_offset,
    the_error_of_the_token_wins_over_that_of_the_key,
    the_error_of_the_token_wins_over_a_duplicate,
    the_error_of_the_token_wins_over_a_missing_time,
    the_error_of_a_required_token_wins_over_that_of_the_offset,
    a_seal_wins_over_the_error_of_the_token,
    a_seal_wins_over_the_error_of_the_offset_and_of_the_key,
    a_seal_wins_over_a_duplicate,
    a_seal_wins_over_a_missing_time,
    the_error_of_the_offset_wins_over_a_duplicate,
    the_error_of_the_key_wins_over_a_duplicate,
    the_error_of_the_offset_or_of_the_key_is_told_when_both_fail,
    the_error_of_the_offset_wins_over_a_missing_time,
    a_duplicate_wins_over_a_missing_time,
    an_old_sequence_wins_over_a_missing_time,
    all_conditions_together_publish_when_each_holds,
    every_condition_is_checked_when_others_hold,
];

fn the_error_of_the_token_wins_over_that_of_the_offset(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    let both = with_token("x").expect_next_offset(99);
    assert_fenced(&log, "x", "", || log.append(&[M], &both));
    assert_fenced(&log, "x", "", || log.publish_with(&[M], &both));
    assert_fenced(&log, "x", "", || log.append(&[], &both));
}

fn the_error_of_the_token_wins_over_that_of_the_key(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let both = with_token("x").expect_key(b"key", Some(3));
    assert_fenced(&log, "x", "", || log.append(&[M], &both));
}

fn the_error_of_the_token_wins_over_a_duplicate(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    log.append(&[M], &how().producer(7, 1)).unwrap();
    fence(&log, "b");
    for sequence in [0, 1, 2] {
        let late = with_token("a").producer(7, sequence);
        assert_fenced(&log, "a", "b", || log.append(&[M], &late));
    }
}

fn the_error_of_the_token_wins_over_a_missing_time(new: Factory<'_>) {
    let log = new(Setup::PLAIN.stamping(TimestampPolicy::ClientRequire));
    assert_fenced(&log, "x", "", || log.append(&[M], &with_token("x")));
}

fn the_error_of_a_required_token_wins_over_that_of_the_offset(new: Factory<'_>) {
    let log = new(Setup::GUARDED);
    fence(&log, "b");
    assert_fenced(&log, "", "b", || log.append(&[M], &how().expect_next_offset(99)));
    assert_fenced(&log, "", "b", || {
        log.append(&[M], &how().expect_key(b"k", Some(0)))
    });
}

fn sealed(new: Factory<'_>, setup: Setup) -> Box<dyn Log> {
    let log = new(setup);
    log.append(&[M.time(us(1))], &how().producer(7, 1)).unwrap();
    control(&log, Control::Seal);
    log
}

fn a_seal_wins_over_the_error_of_the_token(new: Factory<'_>) {
    let log = sealed(new, Setup::PLAIN);
    assert_refused!(log, log.append(&[M], &with_token("x")), Error::Sealed);
}

fn a_seal_wins_over_the_error_of_the_offset_and_of_the_key(new: Factory<'_>) {
    let log = sealed(new, Setup::KEYS);
    assert_refused!(
        log,
        log.append(&[M], &how().expect_next_offset(99)),
        Error::Sealed
    );
    assert_refused!(
        log,
        log.append(&[M], &how().expect_key(b"k", Some(0))),
        Error::Sealed
    );
}

fn a_seal_wins_over_a_duplicate(new: Factory<'_>) {
    let log = sealed(new, Setup::PLAIN);
    for sequence in [0, 1, 2] {
        assert_refused!(log, log.append(&[M], &how().producer(7, sequence)), Error::Sealed);
    }
}

fn a_seal_wins_over_a_missing_time(new: Factory<'_>) {
    let log = sealed(new, Setup::PLAIN.stamping(TimestampPolicy::ClientRequire));
    assert_refused!(log, log.publish(&[M]), Error::Sealed);
}

fn the_error_of_the_offset_wins_over_a_duplicate(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let first = how().expect_next_offset(0).producer(7, 1);
    log.append(&[M], &first).unwrap();
    assert_refused!(
        log,
        log.append(&[M], &first),
        Error::OffsetMismatch { actual: 1, .. }
    );
    let old = how().expect_next_offset(0).producer(7, 0);
    assert_refused!(
        log,
        log.append(&[M], &old),
        Error::OffsetMismatch { actual: 1, .. }
    );
}

fn the_error_of_the_key_wins_over_a_duplicate(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["k"]);
    log.append(&[M], &how().producer(7, 1)).unwrap();
    let again = how().expect_key(b"k", None).producer(7, 1);
    assert_refused!(log, log.append(&[M], &again), Error::KeyMismatch { .. });
}

fn the_error_of_the_offset_or_of_the_key_is_told_when_both_fail(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let both = how().expect_next_offset(9).expect_key(b"k", Some(0));
    assert_refused!(
        log,
        log.append(&[M], &both),
        Error::OffsetMismatch { .. } | Error::KeyMismatch { .. }
    );
}

fn the_error_of_the_offset_wins_over_a_missing_time(new: Factory<'_>) {
    let log = new(Setup::KEYS.stamping(TimestampPolicy::ClientRequire));
    let late = how().expect_next_offset(9);
    assert_refused!(log, log.append(&[M], &late), Error::OffsetMismatch { .. });
    let other = how().expect_key(b"k", Some(0));
    assert_refused!(log, log.append(&[M], &other), Error::KeyMismatch { .. });
}

fn a_duplicate_wins_over_a_missing_time(new: Factory<'_>) {
    let log = new(Setup::PLAIN.stamping(TimestampPolicy::ClientRequire));
    let first = log.append(&[M.time(us(5))], &how().producer(7, 1)).unwrap();
    let again = log.append(&[M], &how().producer(7, 1)).unwrap();
    assert_eq!((again.start, again.is_duplicate), (first.start, true));
}

fn an_old_sequence_wins_over_a_missing_time(new: Factory<'_>) {
    let log = new(Setup::PLAIN.stamping(TimestampPolicy::ClientRequire));
    log.append(&[M.time(us(5))], &how().producer(7, 5)).unwrap();
    let old = how().producer(7, 3);
    assert_refused!(log, log.append(&[M], &old), Error::OutOfSequence { .. });
}

/// Conditions that all hold in a log made by [`whole`].
fn holding<'a>() -> PublishOptions<'a> {
    with_token("a")
        .expect_next_offset(2)
        .expect_key(b"k", Some(1))
        .producer(7, 2)
        .and(Control::Fence(token("b")))
}

fn whole(new: Factory<'_>) -> Box<dyn Log> {
    let log = new(Setup::GUARDED);
    fence(&log, "a");
    let message = crate::NewMessage::new(b"k", b"v");
    log.append(&[message], &with_token("a").producer(7, 1)).unwrap();
    log
}

fn all_conditions_together_publish_when_each_holds(new: Factory<'_>) {
    let log = whole(new);
    let ack = log.append(&[M], &holding().sync(true)).unwrap();
    assert_eq!((ack.start.offset, ack.end.offset), (2, 4));
    assert_eq!(log.token().unwrap(), token("b"));
    assert!(log.stat().unwrap().synced_offset >= 4);
}

fn every_condition_is_checked_when_others_hold(new: Factory<'_>) {
    let log = whole(new);
    assert_fenced(&log, "x", "a", || log.append(&[M], &holding().token(token("x"))));
    let wrong = holding().expect_next_offset(1);
    assert_refused!(log, log.append(&[M], &wrong), Error::OffsetMismatch { .. });
    let wrong = holding().expect_key(b"k", None);
    assert_refused!(log, log.append(&[M], &wrong), Error::KeyMismatch { .. });
    let wrong = holding().producer(7, 0);
    assert_refused!(log, log.append(&[M], &wrong), Error::OutOfSequence { .. });
    assert!(log.append(&[M], &holding().producer(7, 1)).unwrap().is_duplicate);
}
