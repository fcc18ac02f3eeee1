use std::time::Duration;

use super::control_support::{
    M, assert_refused, control, delete_by_some, fence, how, outline, read_options, token, with_token,
};
use super::support::{
    all, assert_fails, delete, drain, offsets, publish_keys, publish_numbers, publish_times, us,
};
use super::{Case, Factory, Setup, case};
use crate::{Control, Error, Filter, Log, Start, Stop};

pub(super) const CASES: &[Case] = case::list![control:
    a_sealed_log_refuses_every_publish,
    a_sealed_log_refuses_an_empty_batch,
    a_sealed_log_refuses_control_records,
    a_seal_publishes_the_messages_in_front_of_it,
    a_seal_takes_an_offset,
    control_records_behind_a_seal_in_its_batch_are_taken,
    a_seal_with_a_condition_that_fails_seals_nothing,
    a_seal_by_publish_with_is_a_seal,
    is_sealed_and_stat_tell_of_a_seal,
    a_sealed_log_is_read_as_before,
    a_read_of_a_sealed_log_stops_with_sealed_at_its_end,
    a_read_of_a_sealed_log_that_ends_earlier_says_why,
    a_filtered_read_of_a_sealed_log_stops_with_sealed,
    a_clamped_read_of_a_sealed_log_stops_with_sealed,
    a_read_beyond_a_seal_is_out_of_range,
    a_read_of_a_log_sealed_when_empty_stops_with_sealed,
    a_sealed_log_can_be_trimmed,
    a_sealed_log_can_be_deleted_from,
    a_sealed_log_can_be_synced_and_released,
    a_sealed_log_that_was_trimmed_is_still_sealed,
    a_sealed_log_keeps_its_token,
    unseal_cannot_be_published,
    a_sealed_log_after_close_is_closed,
];

fn sealed(new: Factory<'_>) -> Box<dyn Log> {
    let log = new(Setup::INDEXED);
    publish_numbers(&log, 0..3);
    control(&log, Control::Seal);
    log
}

fn a_sealed_log_refuses_every_publish(new: Factory<'_>) {
    let log = sealed(new);
    assert_refused!(log, log.publish(&[M]), Error::Sealed);
    assert_refused!(log, log.publish_with(&[M], &how()), Error::Sealed);
    assert_refused!(log, log.publish_with(&[M], &how().sync(true)), Error::Sealed);
    assert_refused!(log, log.append(&[M], &how()), Error::Sealed);
    assert_refused!(log, log.append(&[M], &how().expect_next_offset(4)), Error::Sealed);
    assert_refused!(log, log.append(&[M], &with_token("")), Error::Sealed);
    assert_refused!(log, log.append(&[M], &how().producer(1, 1)), Error::Sealed);
}

fn a_sealed_log_refuses_an_empty_batch(new: Factory<'_>) {
    let log = sealed(new);
    assert_refused!(log, log.publish(&[]), Error::Sealed);
    assert_refused!(log, log.append(&[], &how()), Error::Sealed);
    assert_refused!(log, log.append(&[], &how().expect_next_offset(4)), Error::Sealed);
}

fn a_sealed_log_refuses_control_records(new: Factory<'_>) {
    let log = sealed(new);
    for control in [Control::Seal, Control::Trim(2), Control::Fence(token("a"))] {
        assert_refused!(log, log.append(&[], &how().and(control)), Error::Sealed);
        assert_refused!(log, log.append(&[M], &how().and(control)), Error::Sealed);
    }
}

fn a_seal_publishes_the_messages_in_front_of_it(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let ack = log.append(&[M, M], &how().and(Control::Seal)).unwrap();
    assert_eq!((ack.start.offset, ack.end.offset), (0, 3));
    assert_eq!(offsets(&all(&log)), [0, 1]);
    assert_refused!(log, log.publish(&[M]), Error::Sealed);
}

fn a_seal_takes_an_offset(new: Factory<'_>) {
    let log = sealed(new);
    let stat = log.stat().unwrap();
    assert_eq!((stat.messages, stat.next_offset), (3, 4));
    assert_eq!((log.next_offset().unwrap(), log.tail().unwrap().offset), (4, 4));
}

fn control_records_behind_a_seal_in_its_batch_are_taken(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    let all = how()
        .and(Control::Seal)
        .and(Control::Fence(token("b")))
        .and(Control::Trim(2));
    let ack = log.append(&[M], &all).unwrap();
    assert_eq!((ack.end.offset, log.token().unwrap()), (7, token("b")));
    assert_eq!((log.start_offset().unwrap(), log.is_sealed().unwrap()), (2, true));
}

fn a_seal_with_a_condition_that_fails_seals_nothing(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let seal = how().and(Control::Seal);
    assert_refused!(
        log,
        log.append(&[M], &seal.token(token("x"))),
        Error::Fenced { .. }
    );
    let late = seal.expect_next_offset(1);
    assert_refused!(log, log.append(&[M], &late), Error::OffsetMismatch { .. });
    assert!(!log.is_sealed().unwrap());
    assert_eq!(log.publish(&[M]).unwrap(), 1);
}

fn a_seal_by_publish_with_is_a_seal(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    assert_eq!(log.publish_with(&[M], &how().and(Control::Seal)).unwrap(), 2);
    assert!(log.is_sealed().unwrap());
    assert_refused!(log, log.publish_with(&[M], &how()), Error::Sealed);
}

fn is_sealed_and_stat_tell_of_a_seal(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    assert!(!log.is_sealed().unwrap() && !log.stat().unwrap().is_sealed);
    control(&log, Control::Seal);
    assert!(log.is_sealed().unwrap() && log.stat().unwrap().is_sealed);
}

fn a_sealed_log_is_read_as_before(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_keys(&log, &["a", "b", "a"]);
    let before = all(&log);
    control(&log, Control::Seal);
    assert_eq!(all(&log), before);
    assert_eq!(log.get(Start::Newest).unwrap(), before[2]);
    assert_eq!(log.get_by_key(b"a").unwrap(), before[2]);
    assert_eq!(log.get_by_time(before[0].time).unwrap(), before[0]);
    let end = drain(&log, Start::At(3), 9);
    assert_eq!((end.messages.len(), end.next_offset), (0, 4));
}

fn a_read_of_a_sealed_log_stops_with_sealed_at_its_end(new: Factory<'_>) {
    let log = sealed(new);
    assert_eq!(
        outline(&log, Start::Oldest, &read_options()),
        (vec![0, 1, 2], 4, Stop::Sealed)
    );
    assert_eq!(
        outline(&log, Start::At(2), &read_options()),
        (vec![2], 4, Stop::Sealed)
    );
    for from in [Start::At(3), Start::At(4), Start::Newest] {
        assert_eq!(outline(&log, from, &read_options()), (vec![], 4, Stop::Sealed));
    }
}

fn a_read_of_a_sealed_log_that_ends_earlier_says_why(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_times(&log, &[10, 20, 30]);
    control(&log, Control::Seal);
    for (how, stopped) in [
        (read_options().max_count(2), Stop::Count),
        (read_options().max_bytes(16), Stop::Bytes),
        (read_options().until_offset(2), Stop::Until),
        (read_options().until_time(us(30)), Stop::Until),
    ] {
        assert_eq!(outline(&log, Start::Oldest, &how), (vec![0, 1], 2, stopped));
    }
}

fn a_filtered_read_of_a_sealed_log_stops_with_sealed(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_keys(&log, &["a", "b", "a", "b"]);
    control(&log, Control::Seal);
    let how = read_options().filter(Filter::key(b"a"));
    assert_eq!(outline(&log, Start::Oldest, &how), (vec![0, 2], 5, Stop::Sealed));
    assert_eq!(outline(&log, Start::At(3), &how), (vec![], 5, Stop::Sealed));
}

fn a_clamped_read_of_a_sealed_log_stops_with_sealed(new: Factory<'_>) {
    let how = read_options().clamp(true);
    assert_eq!(
        outline(&sealed(new), Start::At(9), &how),
        (vec![], 4, Stop::Sealed)
    );
}

fn a_read_beyond_a_seal_is_out_of_range(new: Factory<'_>) {
    let log = sealed(new);
    assert_fails!(
        log.read(Start::At(5), &read_options()),
        Error::OffsetOutOfRange { next: 4, .. }
    );
}

fn a_read_of_a_log_sealed_when_empty_stops_with_sealed(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    control(&log, Control::Seal);
    assert_eq!(
        outline(&log, Start::Oldest, &read_options()),
        (vec![], 1, Stop::Sealed)
    );
    assert_fails!(log.get(Start::Newest), Error::NotFound);
}

fn a_sealed_log_can_be_trimmed(new: Factory<'_>) {
    let log = sealed(new);
    assert_eq!(log.trim(2).unwrap().count, 2);
    assert_eq!((log.start_offset().unwrap(), offsets(&all(&log))), (2, vec![2]));
    assert_eq!(log.trim(u64::MAX).unwrap().count, 1);
    assert_eq!((log.start_offset().unwrap(), log.next_offset().unwrap()), (4, 4));
    assert_eq!(
        outline(&log, Start::Oldest, &read_options()),
        (vec![], 4, Stop::Sealed)
    );
}

fn a_sealed_log_can_be_deleted_from(new: Factory<'_>) {
    let log = sealed(new);
    assert_eq!(delete(&log, &[1, 3]).messages, 1);
    assert_eq!(
        outline(&log, Start::Oldest, &read_options()),
        (vec![0, 2], 4, Stop::Sealed)
    );
    assert_eq!(delete_by_some(&log, [0, 2].into()), 2);
    assert_eq!(
        outline(&log, Start::At(0), &read_options()),
        (vec![], 4, Stop::Sealed)
    );
}

fn a_sealed_log_can_be_synced_and_released(new: Factory<'_>) {
    let log = sealed(new);
    assert_eq!(log.sync().unwrap(), 4);
    assert_eq!(log.wait_synced(4, None).unwrap(), 4);
    log.gc(Duration::ZERO).unwrap();
    log.apply_retention(false).unwrap();
    assert_eq!(offsets(&all(&log)), [0, 1, 2]);
}

fn a_sealed_log_that_was_trimmed_is_still_sealed(new: Factory<'_>) {
    let log = sealed(new);
    log.trim(4).unwrap();
    assert!(log.is_sealed().unwrap());
    assert_refused!(log, log.publish(&[M]), Error::Sealed);
}

fn a_sealed_log_keeps_its_token(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    fence(&log, "a");
    control(&log, Control::Seal);
    assert_eq!(log.token().unwrap(), token("a"));
}

fn unseal_cannot_be_published(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    let unseal = how().and(Control::Unseal);
    assert_refused!(log, log.append(&[M], &unseal), Error::Invalid(_));
    assert_refused!(log, log.publish_with(&[], &unseal), Error::Invalid(_));
    let hidden = how().and(Control::Fence(token("a"))).and(Control::Unseal);
    assert_refused!(log, log.append(&[M], &hidden), Error::Invalid(_));
}

fn a_sealed_log_after_close_is_closed(new: Factory<'_>) {
    let log = sealed(new);
    log.close().unwrap();
    assert_fails!(log.publish(&[M]), Error::Closed);
    assert_fails!(log.append(&[M], &how()), Error::Closed);
    assert_fails!(log.read(Start::Oldest, &read_options()), Error::Closed);
}
