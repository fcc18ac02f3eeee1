//! Leases, delays and attempts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use duramen::Backoff;
use duramen::Timestamp;

use super::support::{Bench, SECOND, drain, is_lost, job, poll};

#[test]
fn a_job_that_is_dropped_comes_again_after_a_backoff_that_doubles_up_to_its_maximum() {
    let bench = Bench::new(1);
    let backoff = bench
        .options()
        .backoff(Backoff::new().first(SECOND).max(3 * SECOND))
        .attempts_max(9);
    let queue = bench.open_with(backoff);
    for (attempt, rest) in [(1, 1), (2, 2), (3, 3), (4, 3)] {
        let dropped = job(&queue);
        assert_eq!(dropped.attempt(), attempt);
        drop(dropped);
        bench
            .clock
            .advance((rest * SECOND).saturating_sub(Duration::from_micros(1)));
        assert!(poll(&queue).is_none(), "attempt {attempt}");
        bench.clock.advance(Duration::from_micros(1));
    }
    assert_eq!(drain(&queue), [0]);
}

#[test]
fn a_panic_of_a_worker_drops_its_job() {
    let bench = Bench::new(1);
    let queue = bench.open();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _job = job(&queue);
        std::panic::resume_unwind(Box::new("a worker that fails"));
    }));
    assert!(panicked.is_err());
    bench.clock.advance(SECOND);
    assert_eq!(job(&queue).attempt(), 2);
}

#[test]
fn a_job_to_be_tried_again_comes_after_its_delay() {
    let bench = Bench::new(2);
    let queue = bench.open();
    job(&queue).retry(5 * SECOND).expect("later");
    assert_eq!(drain(&queue), [1]);
    bench.clock.advance(4 * SECOND);
    assert!(poll(&queue).is_none());
    bench.clock.advance(SECOND);
    assert_eq!(job(&queue).attempt(), 2);
}

#[test]
fn a_worker_that_waits_is_woken_when_a_delay_is_over() {
    let bench = Bench::new(1);
    let queue = bench.open_with(duramen::queue::QueueOptions::new());
    job(&queue).retry(Duration::from_millis(30)).expect("later");
    let begun = Instant::now();
    let again = queue.next(Some(20 * SECOND)).expect("a look").expect("a job");
    assert_eq!(again.attempt(), 2);
    assert!(begun.elapsed() >= Duration::from_millis(25) && begun.elapsed() < 10 * SECOND);
}

#[test]
fn a_worker_that_waits_is_woken_for_a_job_that_is_given_back() {
    let bench = Bench::new(1);
    let queue = bench.open_with(duramen::queue::QueueOptions::new());
    let first = job(&queue);
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            queue
                .next(Some(20 * SECOND))
                .expect("a look")
                .expect("a job")
                .attempt()
        });
        thread::sleep(Duration::from_millis(10));
        first.retry(Duration::ZERO).expect("at once");
        assert_eq!(worker.join().expect("no panic"), 2);
    });
}

#[test]
fn a_late_worker_has_lost_its_job_once_somebody_else_has_it() {
    let bench = Bench::new(1);
    let queue = bench.open_with(bench.options().lease(SECOND));
    let [mut a, b, c, d] = [(); 4].map(|()| {
        let job = job(&queue);
        bench.clock.advance(SECOND);
        job
    });
    let last = job(&queue);
    assert_eq!(last.attempt(), 5);
    assert!(is_lost(&a.extend(SECOND)));
    assert!(is_lost(&a.done()) && is_lost(&b.retry(SECOND)) && is_lost(&c.bury("late")));
    drop(d);
    last.done().expect("done");
    assert!(drain(&queue).is_empty());
}

#[test]
fn a_late_worker_counts_as_long_as_nobody_else_has_its_job() {
    let bench = Bench::new(1);
    let queue = bench.open_with(bench.options().lease(SECOND));
    let late = job(&queue);
    bench.clock.advance(10 * SECOND);
    late.done().expect("done");
    assert!(poll(&queue).is_none());
    assert_eq!(queue.stat().expect("figures").partitions[0].floor, 1);
}

#[test]
fn a_lease_can_be_made_longer() {
    let bench = Bench::new(1);
    let queue = bench.open_with(bench.options().lease(SECOND));
    let mut slow = job(&queue);
    slow.extend(10 * SECOND).expect("longer");
    bench.clock.advance(9 * SECOND);
    assert!(poll(&queue).is_none());
    bench.clock.advance(SECOND);
    assert_eq!(job(&queue).attempt(), 2);
}

#[test]
fn a_wall_clock_that_steps_changes_no_lease_and_no_delay() {
    let bench = Bench::new(2);
    let queue = bench.open_with(bench.options().lease(SECOND));
    let leased = job(&queue);
    job(&queue).retry(SECOND).expect("later");
    for year in [0, 2_000_000_000_000_000] {
        bench.clock.set(Timestamp::from_micros(year));
        assert!(poll(&queue).is_none());
    }
    leased.done().expect("done");
    bench.clock.advance(SECOND);
    assert_eq!(drain(&queue), [1]);
}

#[test]
fn a_message_is_given_out_no_more_often_than_is_allowed() {
    let bench = Bench::new(2);
    let queue = bench.open_with(bench.options().attempts_max(3));
    for attempt in 1..=3 {
        let failed = job(&queue);
        assert_eq!((failed.offset, failed.attempt()), (0, attempt));
        failed.retry(Duration::ZERO).expect("at once");
    }
    assert_eq!(drain(&queue), [1]);
    let stat = queue.stat().expect("figures");
    assert_eq!((stat.buried, stat.partitions[0].floor), (1, 2));
}
