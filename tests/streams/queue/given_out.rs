//! Which messages are given out, and in which order.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use duramen::queue::QueueOptions;
use duramen::{Control, Error, Log, NewMessage, PublishOptions, Start};

use super::support::{Bench, SECOND, drain, job, poll};
use crate::support::until;

#[test]
fn messages_come_in_order_and_each_once() {
    let bench = Bench::new(600);
    let queue = bench.open();
    assert_eq!(drain(&queue), (0..600).collect::<Vec<_>>());
    assert!(poll(&queue).is_none());
    let stat = queue.stat().expect("figures").partitions[0];
    assert_eq!((stat.floor, stat.next_offset, stat.open()), (600, 600, 0));
}

#[test]
fn next_waits_until_a_message_is_published() {
    let bench = Bench::new(0);
    let queue = bench.open();
    thread::scope(|scope| {
        let worker = scope.spawn(|| queue.next(None).expect("a look").expect("a job").offset);
        thread::sleep(Duration::from_millis(20));
        bench.publish("late");
        assert_eq!(worker.join().expect("no panic"), 0);
    });
}

#[test]
fn next_returns_nothing_when_its_timeout_has_passed() {
    let bench = Bench::new(0);
    let none = bench.open().next(Some(Duration::from_millis(5)));
    assert!(none.expect("a look").is_none());
}

#[test]
fn a_sealed_log_ends_once_everything_in_it_is_settled() {
    let bench = Bench::new(1);
    let seal = PublishOptions::new().and(Control::Seal);
    bench.log.append(&[], &seal).expect("sealed");
    let queue = bench.open();
    let last = job(&queue);
    thread::scope(|scope| {
        let (ended, wait) = mpsc::channel();
        let queue = &queue;
        scope.spawn(move || ended.send(queue.next(None).expect("a look").is_none()));
        let early = wait.recv_timeout(Duration::from_millis(30));
        assert!(early.is_err(), "the job may still fail");
        last.done().expect("done");
        assert_eq!(wait.recv_timeout(20 * SECOND), Ok(true));
    });
}

#[test]
fn at_the_limit_of_jobs_in_flight_the_next_one_waits() {
    let bench = Bench::new(3);
    let queue = bench.open_with(bench.options().in_flight_max(2));
    let (first, _second) = (job(&queue), job(&queue));
    assert!(poll(&queue).is_none());
    thread::scope(|scope| {
        let worker = scope.spawn(|| queue.next(None).expect("a look").expect("a job").offset);
        thread::sleep(Duration::from_millis(10));
        first.done().expect("done");
        assert_eq!(worker.join().expect("no panic"), 2);
    });
}

#[test]
fn by_key_a_later_message_waits_for_the_earlier_ones_of_its_key_alone() {
    let bench = Bench::new(0);
    for key in ["a", "a", "b", "a"] {
        bench.publish_key(key);
    }
    bench.publish("without a key");
    let queue = bench.open_with(bench.options().by_key(true));
    let first = job(&queue);
    assert_eq!(drain(&queue), [2, 4]);
    first.retry(SECOND).expect("later");
    assert!(drain(&queue).is_empty());
    bench.clock.advance(SECOND);
    assert_eq!(drain(&queue), [0, 1, 3]);
}

#[test]
fn by_key_a_message_that_was_given_up_holds_nothing_back() {
    let bench = Bench::new(0);
    for key in ["a", "a"] {
        bench.publish_key(key);
    }
    let queue = bench.open_with(bench.options().by_key(true));
    job(&queue).bury("hopeless").expect("buried");
    assert_eq!(drain(&queue), [1]);
}

#[test]
fn without_by_key_nothing_is_held_back() {
    let bench = Bench::new(0);
    for key in ["a", "a"] {
        bench.publish_key(key);
    }
    let queue = bench.open();
    let _first = job(&queue);
    assert_eq!(drain(&queue), [1]);
}

#[test]
fn messages_that_are_deleted_or_trimmed_settle_themselves() {
    let bench = Bench::new(10);
    bench.log.delete(&[5].into()).expect("deleted");
    let queue = bench.open();
    let jobs = [job(&queue), job(&queue), job(&queue)];
    for job in jobs {
        job.retry(SECOND).expect("later");
    }
    bench.log.trim(2).expect("trimmed");
    bench.log.delete(&[2].into()).expect("deleted");
    bench.clock.advance(SECOND);
    assert_eq!(drain(&queue), [3, 4, 6, 7, 8, 9]);
    assert_eq!(queue.stat().expect("figures").partitions[0].floor, 10);
}

#[test]
fn control_records_are_passed() {
    let bench = Bench::new(1);
    let fence = PublishOptions::new().and(Control::Fence("a".parse().expect("a token")));
    bench.log.append(&[], &fence).expect("fenced");
    bench.publish("behind");
    bench.log.append(&[], &fence).expect("fenced");
    let queue = bench.open();
    assert_eq!(drain(&queue), [0, 2]);
    assert_eq!(queue.stat().expect("figures").partitions[0].floor, 4);
}

#[test]
fn the_oldest_open_message_holds_back_what_is_65536_offsets_behind() {
    const WINDOW: u64 = 65_536;
    let bench = Bench::new(0);
    let batch = vec![NewMessage::value(b"job"); 4096];
    for _ in 0..17 {
        bench.log.publish(&batch).expect("published");
    }
    let queue = bench.open();
    let first = job(&queue);
    assert_eq!(drain(&queue).last(), Some(&(WINDOW - 1)));
    let stat = queue.stat().expect("figures").partitions[0];
    assert_eq!((stat.floor, stat.settled, stat.leased), (0, WINDOW - 1, 1));
    first.done().expect("done");
    assert_eq!(drain(&queue).len(), 4096);
}

#[test]
fn a_new_group_begins_where_it_is_told_and_an_old_one_where_it_was() {
    let bench = Bench::new(3);
    let newest = || bench.options().begin(Start::Newest);
    let queue = bench.open_with(newest());
    assert!(drain(&queue).is_empty());
    bench.publish("new");
    assert_eq!(drain(&queue), [3]);
    drop(queue);
    bench.publish("newer");
    assert_eq!(drain(&bench.open_with(newest())), [4]);
}

#[test]
fn peek_shows_what_is_to_be_given_out_and_gives_nothing_out() {
    let bench = Bench::new(5);
    let queue = bench.open();
    let _leased = job(&queue);
    job(&queue).retry(SECOND).expect("later");
    let offsets = |max| {
        let peeked = queue.peek(max).expect("messages");
        peeked
            .iter()
            .map(|(_, message)| message.offset)
            .collect::<Vec<_>>()
    };
    assert_eq!(offsets(2), [1, 2]);
    assert_eq!(offsets(100), [1, 2, 3, 4]);
    assert_eq!(job(&queue).attempt(), 1);
    let stat = queue.stat().expect("figures").partitions[0];
    assert_eq!((stat.leased, stat.delayed, stat.open()), (1, 2, 5));
}

#[test]
fn a_queue_that_is_closed_wakes_its_workers_and_refuses_everything() {
    let bench = Bench::new(1);
    let queue = bench.open();
    let open = job(&queue);
    thread::scope(|scope| {
        let worker = scope.spawn(|| queue.next(None).map(|job| job.is_some()));
        thread::sleep(Duration::from_millis(10));
        queue.close().expect("closed");
        let woken = worker.join().expect("no panic");
        assert!(matches!(woken, Err(Error::Closed)), "{woken:?}");
    });
    assert!(matches!(open.done(), Err(Error::Closed)));
    assert!(matches!(queue.next(None), Err(Error::Closed)));
    assert!(matches!(queue.stat(), Err(Error::Closed)));
    queue.close().expect("closed already");
    assert_eq!(drain(&bench.open()), [0]);
}

#[test]
fn a_log_that_is_closed_ends_the_waiting() {
    let bench = Bench::new(0);
    let queue = bench.open();
    thread::scope(|scope| {
        let worker = scope.spawn(|| queue.next(None).map(|job| job.is_some()));
        thread::sleep(Duration::from_millis(10));
        bench.log.close().expect("closed");
        let woken = worker.join().expect("no panic");
        assert!(matches!(woken, Err(Error::Closed)), "{woken:?}");
    });
}

#[test]
fn options_out_of_range_are_refused() {
    let refused: [fn(QueueOptions) -> QueueOptions; 5] = [
        |options| options.lease(Duration::ZERO),
        |options| options.attempts_max(0),
        |options| options.in_flight_max(0),
        |options| options.in_flight_max(65_537),
        |options| options.dead_letter("a stream"),
    ];
    let bench = Bench::new(0);
    for change in refused {
        let opened = duramen::queue::Queue::open(&*bench.log, bench.dir(), change(bench.options()));
        assert!(matches!(opened, Err(Error::Invalid(_))), "{opened:?}");
    }
}

#[test]
fn many_workers_do_each_message_once() {
    let bench = Bench::new(2000);
    let queue = bench.open_with(bench.options().in_flight_max(5));
    let (done, count) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..8 {
            let (queue, done) = (queue.clone(), done.clone());
            scope.spawn(move || {
                while let Some(job) = queue.next(Some(Duration::from_millis(50))).expect("a look") {
                    done.send(job.offset).expect("a test");
                    job.done().expect("done");
                }
            });
        }
    });
    drop(done);
    let mut offsets: Vec<u64> = count.iter().collect();
    offsets.sort_unstable();
    assert_eq!(offsets, (0..2000).collect::<Vec<_>>());
    until("all is settled", || {
        queue.stat().expect("figures").partitions[0].floor == 2000
    });
}
