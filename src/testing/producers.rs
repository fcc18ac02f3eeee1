use super::control_support::{M, assert_refused, control, fence, how, refused, token, with_token};
use super::support::{all, delete, offsets, publish_numbers, publish_times, us};
use super::{Case, Factory, Setup, case};
use crate::{Ack, Control, Error, Log, NewMessage};

pub(super) const CASES: &[Case] = case::list![control:
    a_new_sequence_is_published,
    a_repeated_sequence_gives_the_first_ack_and_writes_nothing,
    any_known_sequence_gives_its_own_ack,
    a_repeated_sequence_is_known_by_its_number_and_not_by_its_messages,
    a_repeated_sequence_tells_the_tail_of_now,
    sequences_may_have_gaps,
    a_sequence_in_a_gap_is_out_of_sequence,
    sequences_may_begin_anywhere,
    producers_have_sequences_of_their_own,
    the_last_64_batches_of_a_producer_are_known,
    what_was_before_the_last_64_batches_is_out_of_sequence,
    a_refused_batch_leaves_its_sequence_free,
    an_empty_batch_has_no_sequence,
    a_batch_of_control_records_has_a_sequence,
    a_repeated_fence_fences_once,
    a_repeated_trim_control_trims_once,
    a_repeated_sequence_through_publish_with_is_written_once,
    a_repeated_sequence_that_syncs_is_written_once,
    publishes_without_producer_are_no_part_of_a_sequence,
    the_producers_outlive_a_trim,
    the_producers_outlive_a_delete,
    stat_counts_the_producers,
    of_more_than_4096_producers_the_one_silent_for_the_longest_is_forgotten,
];

#[track_caller]
fn publish(log: &dyn Log, id: u64, sequence: u64) -> Ack {
    log.append(&[M], &how().producer(id, sequence)).unwrap()
}

/// Panics unless the ack is the first one again.
#[track_caller]
fn assert_again(log: &dyn Log, again: Ack, first: Ack) {
    assert_eq!((again.start, again.end), (first.start, first.end));
    assert!(again.is_duplicate && !first.is_duplicate);
    assert_eq!(again.tail, log.tail().unwrap());
}

#[track_caller]
fn assert_out_of_sequence(log: &dyn Log, id: u64, number: u64, at: u64) {
    match refused(log, || log.append(&[M], &how().producer(id, number))) {
        Error::OutOfSequence {
            producer,
            sequence,
            last,
        } => assert_eq!((producer, sequence, last), (id, number, at)),
        other => panic!("the publish should be out of sequence, but the error is {other:?}"),
    }
}

fn a_new_sequence_is_published(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for sequence in 1..5 {
        let ack = publish(&log, 7, sequence);
        assert_eq!((ack.start.offset, ack.is_duplicate), (sequence - 1, false));
    }
    assert_eq!(all(&log).len(), 4);
}

fn a_repeated_sequence_gives_the_first_ack_and_writes_nothing(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    let batch = [M.time(us(5)), M.time(us(9)), M.time(us(-2))];
    let first = log.append(&batch, &how().producer(7, 1)).unwrap();
    let before = log.stat().unwrap();
    for _ in 0..3 {
        let again = log.append(&batch, &how().producer(7, 1)).unwrap();
        assert_again(&log, again, first);
        assert_eq!(again, first.duplicate());
    }
    let after = log.stat().unwrap();
    assert_eq!((after.next_offset, after.size), (before.next_offset, before.size));
    assert_eq!(offsets(&all(&log)), [0, 1, 2, 3, 4, 5]);
}

fn any_known_sequence_gives_its_own_ack(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let acks: Vec<Ack> = (1..20).map(|sequence| publish(&log, 7, sequence)).collect();
    for (sequence, first) in (1..20).zip(acks) {
        assert_again(&log, publish(&log, 7, sequence), first);
    }
    assert_eq!(log.next_offset().unwrap(), 19);
}

fn a_repeated_sequence_is_known_by_its_number_and_not_by_its_messages(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let first = publish(&log, 7, 1);
    let other = [NewMessage::value(b"other"), M];
    let again = log.append(&other, &how().producer(7, 1)).unwrap();
    assert_again(&log, again, first);
    // The same messages under another number are other messages.
    assert!(!publish(&log, 7, 2).is_duplicate);
}

fn a_repeated_sequence_tells_the_tail_of_now(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let first = publish(&log, 7, 1);
    publish_times(&log, &[4, 5, 6]);
    let again = publish(&log, 7, 1);
    assert_again(&log, again, first);
    assert_eq!(
        (again.end.offset, again.tail.offset, again.tail.time),
        (1, 4, us(6))
    );
}

fn sequences_may_have_gaps(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let acks: Vec<Ack> = [1, 2, 4, 1000, u64::MAX]
        .map(|sequence| publish(&log, 7, sequence))
        .into();
    assert!(acks.iter().all(|ack| !ack.is_duplicate));
    assert_again(&log, publish(&log, 7, 4), acks[2]);
    assert_again(&log, publish(&log, 7, u64::MAX), acks[4]);
}

fn a_sequence_in_a_gap_is_out_of_sequence(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish(&log, 7, 10);
    publish(&log, 7, 20);
    for missed in [0, 9, 11, 19] {
        assert_out_of_sequence(&log, 7, missed, 20);
    }
    assert!(!publish(&log, 7, 21).is_duplicate);
}

fn sequences_may_begin_anywhere(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for (id, sequence) in [(0, 0), (1, 5), (2, u64::MAX), (u64::MAX, 0)] {
        let first = publish(&log, id, sequence);
        assert_again(&log, publish(&log, id, sequence), first);
    }
    assert_eq!(log.next_offset().unwrap(), 4);
}

fn producers_have_sequences_of_their_own(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let first = publish(&log, 7, 5);
    let other = publish(&log, 8, 5);
    assert_eq!((first.start.offset, other.start.offset), (0, 1));
    assert!(!publish(&log, 8, 6).is_duplicate);
    assert_again(&log, publish(&log, 7, 5), first);
    assert_again(&log, publish(&log, 8, 5), other);
    assert!(!publish(&log, 7, 6).is_duplicate);
}

fn the_last_64_batches_of_a_producer_are_known(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let acks: Vec<Ack> = (0..100).map(|n| publish(&log, 7, 10 * n)).collect();
    for n in 36..100_u64 {
        let again = publish(&log, 7, 10 * n);
        assert_eq!(again.start.offset, n);
        assert_eq!(acks.iter().filter(|ack| ack.start == again.start).count(), 1);
    }
    assert_eq!(log.next_offset().unwrap(), 100);
}

fn what_was_before_the_last_64_batches_is_out_of_sequence(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for n in 0..100 {
        publish(&log, 7, n);
    }
    for forgotten in [0, 1, 35] {
        assert_out_of_sequence(&log, 7, forgotten, 99);
    }
    assert!(publish(&log, 7, 36).is_duplicate);
}

fn a_refused_batch_leaves_its_sequence_free(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish(&log, 7, 1);
    let second = how().producer(7, 2);
    assert_refused!(
        log,
        log.append(&[M], &second.token(token("x"))),
        Error::Fenced { .. }
    );
    let late = second.expect_next_offset(9);
    assert_refused!(log, log.append(&[M], &late), Error::OffsetMismatch { .. });
    let other = second.expect_key(b"k", Some(3));
    assert_refused!(log, log.append(&[M], &other), Error::KeyMismatch { .. });
    assert!(!log.append(&[M], &second).unwrap().is_duplicate);
    assert!(log.append(&[M], &second).unwrap().is_duplicate);
}

fn an_empty_batch_has_no_sequence(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let first = how().producer(7, 1);
    let empty = log.append(&[], &first).unwrap();
    assert_eq!(empty, Ack::default());
    let ack = log.append(&[M], &first).unwrap();
    assert_eq!((ack.start.offset, ack.is_duplicate), (0, false));
    let empty = log.append(&[], &first).unwrap();
    assert_eq!((empty.start, empty.is_duplicate), (log.tail().unwrap(), false));
    // Nor is it noted by a number that is still to come.
    log.append(&[], &how().producer(7, 9)).unwrap();
    assert!(!publish(&log, 7, 2).is_duplicate);
}

fn a_batch_of_control_records_has_a_sequence(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let fencing = how().producer(7, 1).and(Control::Fence(token("a")));
    let first = log.append(&[], &fencing).unwrap();
    assert_again(&log, log.append(&[], &fencing).unwrap(), first);
    assert_eq!(log.next_offset().unwrap(), 1);
}

fn a_repeated_fence_fences_once(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let fencing = how().producer(7, 1).and(Control::Fence(token("a")));
    let first = log.append(&[M], &fencing).unwrap();
    fence(&log, "b");
    assert_again(&log, log.append(&[M], &fencing).unwrap(), first);
    assert_eq!(
        (log.token().unwrap(), log.next_offset().unwrap()),
        (token("b"), 3)
    );
}

fn a_repeated_trim_control_trims_once(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish(&log, 7, 1);
    publish_numbers(&log, 1..5);
    let trim = how().producer(7, 1).and(Control::Trim(4));
    assert!(log.append(&[], &trim).unwrap().is_duplicate);
    assert_eq!((log.start_offset().unwrap(), log.next_offset().unwrap()), (0, 5));
}

fn a_repeated_sequence_through_publish_with_is_written_once(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for sequence in 1..4 {
        let how = how().producer(7, sequence);
        assert_eq!(log.publish_with(&[M], &how).unwrap(), sequence);
        assert_eq!(log.publish_with(&[M], &how).unwrap(), sequence);
    }
    assert_eq!(offsets(&all(&log)), [0, 1, 2]);
}

fn a_repeated_sequence_that_syncs_is_written_once(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish(&log, 7, 1);
    let again = log.append(&[M], &how().producer(7, 1).sync(true)).unwrap();
    assert!(again.is_duplicate && log.next_offset().unwrap() == 1);
    assert!(log.stat().unwrap().synced_offset >= again.end.offset);
}

fn publishes_without_producer_are_no_part_of_a_sequence(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let first = publish(&log, 7, 1);
    for _ in 0..100 {
        log.publish(&[M]).unwrap();
    }
    assert_again(&log, publish(&log, 7, 1), first);
    assert_eq!(publish(&log, 7, 2).start.offset, 101);
}

fn the_producers_outlive_a_trim(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let first = publish(&log, 7, 1);
    log.trim(1).unwrap();
    assert_again(&log, publish(&log, 7, 1), first);
    control(&log, Control::Trim(u64::MAX));
    assert_again(&log, publish(&log, 7, 1), first);
    assert_eq!(all(&log), []);
}

fn the_producers_outlive_a_delete(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let first = publish(&log, 7, 1);
    publish(&log, 7, 2);
    delete(&log, &[0, 1]);
    assert_again(&log, publish(&log, 7, 1), first);
    assert!(publish(&log, 7, 2).is_duplicate);
}

fn stat_counts_the_producers(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    assert_eq!(log.stat().unwrap().producers, 0);
    for (id, count) in [(7, 1), (8, 2), (7, 2), (0, 3)] {
        publish(&log, id, count);
        assert_eq!(log.stat().unwrap().producers, count);
    }
    log.append(&[M], &with_token("").producer(9, 9)).unwrap();
    assert_eq!(log.stat().unwrap().producers, 4);
}

fn of_more_than_4096_producers_the_one_silent_for_the_longest_is_forgotten(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for id in 0..4096 {
        publish(&log, id, 1);
    }
    assert!(!publish(&log, 0, 2).is_duplicate);
    assert!(!publish(&log, 4096, 1).is_duplicate);
    assert_eq!(log.stat().unwrap().producers, 4096);
    assert!(publish(&log, 0, 1).is_duplicate);
    assert!(publish(&log, 2, 1).is_duplicate);
    assert!(
        !publish(&log, 1, 1).is_duplicate,
        "the producer 1 should be forgotten"
    );
}
