//! What a queue keeps across restarts.

use std::sync::Arc;
use std::time::Duration;

use duramen::queue::Queue;
use duramen::{Corruption, Durability, Error, FileLog, Log, NewMessage, Options, Start, Timestamp, restore};

use super::support::{Bench, SECOND, drain, job, poll};

#[test]
fn what_is_done_stays_done_and_what_is_open_comes_again() {
    let bench = Bench::new(6);
    let queue = bench.open();
    let jobs = [(); 5].map(|()| job(&queue));
    for job in jobs {
        if job.offset % 2 == 1 {
            job.done().expect("done");
        } else {
            // As if the process died with it.
            std::mem::forget(job);
        }
    }
    queue.close().expect("closed");
    let queue = bench.open();
    assert_eq!(queue.stat().expect("figures").partitions[0].floor, 0);
    let mut again = Vec::new();
    while let Some(job) = poll(&queue) {
        again.push((job.offset, job.attempt()));
        job.done().expect("done");
    }
    assert_eq!(again, [(0, 2), (2, 2), (4, 2), (5, 1)]);
    drop(queue);
    // Before anything is read.
    assert_eq!(bench.open().stat().expect("figures").partitions[0].floor, 6);
}

#[test]
fn a_delay_outlasts_a_restart_and_is_never_longer_than_it_was() {
    for (step, is_over) in [(4 * SECOND, false), (5 * SECOND, true)] {
        let bench = Bench::new(1);
        job(&bench.open()).retry(5 * SECOND).expect("later");
        bench.clock.advance(step);
        assert_eq!(poll(&bench.open()).is_some(), is_over);
    }
    let bench = Bench::new(1);
    job(&bench.open()).retry(5 * SECOND).expect("later");
    bench.clock.set(Timestamp::from_micros(-1_000_000_000_000_000));
    let queue = bench.open();
    assert!(poll(&queue).is_none());
    bench.clock.advance(5 * SECOND);
    assert_eq!(job(&queue).attempt(), 2);
}

#[test]
fn a_message_that_kills_the_process_still_reaches_its_limit() {
    let bench = Bench::new(2);
    for attempt in 1..=5 {
        let queue = bench.open_with_letters();
        let deadly = job(&queue);
        assert_eq!((deadly.offset, deadly.attempt()), (0, attempt));
        std::mem::forget(deadly);
        queue.close().expect("closed");
    }
    let queue = bench.open_with_letters();
    assert_eq!(drain(&queue), [1]);
    assert_eq!(bench.letters(), ["0"]);
}

#[test]
fn the_state_is_forgotten_in_front_of_its_newest_snapshot() {
    let bench = Bench::new(0);
    let batch = vec![NewMessage::value(b"job"); 10_000];
    let queue = bench.open();
    for _ in 0..12 {
        bench.log.publish(&batch).expect("published");
        assert_eq!(drain(&queue).len(), 10_000);
    }
    queue.close().expect("closed");
    let state = Options::new().read_only(true).open(bench.dir()).expect("opened");
    assert!(state.start_offset().expect("a start") > 100_000);
    let queue = bench.open();
    assert!(drain(&queue).is_empty());
    assert_eq!(queue.stat().expect("figures").partitions[0].floor, 120_000);
}

#[test]
fn a_second_handle_is_locked_out() {
    let bench = Bench::new(1);
    let queue = bench.open();
    assert!(matches!(bench.fail_to_open(), Error::Locked { .. }));
    drop(queue);
    drop(bench.open());
}

/// Opens the state as a log.
fn state(bench: &Bench) -> FileLog {
    Options::new().open(bench.dir()).expect("opened")
}

#[test]
fn a_state_that_begins_too_late_is_no_new_one() {
    let bench = Bench::new(3);
    drain(&bench.open());
    let log = state(&bench);
    log.trim(log.next_offset().expect("an end")).expect("trimmed");
    log.close().expect("closed");
    let error = bench.fail_to_open();
    let kind = Corruption::Queue;
    assert!(
        matches!(error, Error::Corrupt { kind: found, .. } if found == kind),
        "{error}"
    );
}

#[test]
fn a_state_that_says_something_unknown_is_refused() {
    for value in [
        &[][..],
        &[1, 99],
        &[1, 1, 0, 0],
        &[1, 2, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let bench = Bench::new(1);
        drop(bench.open());
        state(&bench)
            .publish(&[NewMessage::value(value)])
            .expect("published");
        let error = bench.fail_to_open();
        assert!(
            matches!(
                error,
                Error::Corrupt {
                    kind: Corruption::Queue,
                    ..
                }
            ),
            "{value:?}: {error}"
        );
    }
}

#[test]
fn a_state_of_another_version_is_refused_and_left_alone() {
    let bench = Bench::new(1);
    drop(bench.open());
    state(&bench)
        .publish(&[NewMessage::value(&[2, 0])])
        .expect("published");
    let end = || state(&bench).next_offset().expect("an end");
    let before = end();
    assert!(matches!(bench.fail_to_open(), Error::Version { version: 2, .. }));
    assert_eq!(end(), before);
}

#[test]
fn a_log_that_was_restored_to_an_earlier_point_is_told() {
    let bench = Bench::new(0);
    let file = |name: &str| Options::new().create_dirs(true).open(bench.path(name));
    let log = file("log").expect("opened");
    let batch = [NewMessage::value(b"job"); 5];
    log.publish(&batch).expect("published");
    log.backup(&bench.path("backup")).expect("a backup");
    log.publish(&batch).expect("published");
    let queue = Queue::open(log, bench.dir(), bench.options()).expect("opened");
    assert_eq!(drain(&queue).len(), 10);
    drop(queue);

    restore(bench.path("backup"), bench.path("again"), Start::Newest).expect("restored");
    let log = Arc::new(file("again").expect("opened"));
    log.publish(&batch[..2]).expect("published");
    let error = Queue::open(&*log, bench.dir(), bench.options()).expect_err("another life");
    assert!(
        matches!(
            error,
            Error::EpochChanged {
                parted_at: Some(5),
                ..
            }
        ),
        "{error}"
    );
    let queue = Queue::open(&*log, bench.dir(), bench.options().follow_epoch(true)).expect("opened");
    assert_eq!(drain(&queue), [5, 6]);
    drop(queue);
    // From now on the state is of this life.
    log.publish(&batch[..1]).expect("published");
    let queue = Queue::open(&*log, bench.dir(), bench.options()).expect("opened");
    assert_eq!(drain(&queue), [7]);
}

#[test]
fn a_queue_with_the_durability_of_each_publish_keeps_the_same() {
    let bench = Bench::new(4);
    let durable = || bench.options().durability(Durability::EachPublish);
    let queue = bench.open_with(durable());
    job(&queue).done().expect("done");
    job(&queue).retry(Duration::ZERO).expect("at once");
    queue.sync().expect("synced");
    drop(queue);
    assert_eq!(drain(&bench.open_with(durable())), [1, 2, 3]);
    assert_eq!(
        bench
            .log
            .consume(Start::Oldest, 9)
            .expect("messages")
            .messages
            .len(),
        4
    );
}

#[test]
fn what_was_settled_is_neither_shown_nor_counted_as_open_after_a_restart() {
    let bench = Bench::new(6);
    let queue = bench.open();
    let jobs = [(); 4].map(|()| job(&queue));
    for job in jobs {
        if job.offset == 0 {
            job.retry(10 * SECOND).expect("rests");
        } else {
            job.done().expect("done");
        }
    }
    queue.close().expect("closed");
    let queue = bench.open();
    let stat = queue.stat().expect("figures").partitions[0];
    assert_eq!((stat.floor, stat.settled, stat.delayed), (0, 3, 1));
    let shown = queue.peek(9).expect("messages");
    let shown: Vec<_> = shown.iter().map(|(_, message)| message.offset).collect();
    assert_eq!(shown, [0, 4, 5]);
}

#[test]
fn what_is_to_be_buried_is_not_forgotten_where_there_are_no_letters() {
    let bench = Bench::new(1);
    let dead = Arc::clone(&bench.dead);
    let queue = bench.open_with(bench.options().dead_letter_log(dead).name("jobs"));
    bench.dead.close().expect("closed");
    let failed = job(&queue).bury("why");
    assert!(failed.is_err());
    drop(queue);
    assert!(matches!(bench.fail_to_open(), Error::Invalid(_)));
}
