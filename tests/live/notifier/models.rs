//! What publishers, readers and closers do with the eventcount, at their shortest. Compiled once for each eventcount,
//! next to it.

use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::sync::{Arc, Notify};
use loom::thread;

use super::eventcount::Changes;
use super::watch::Watch;

models!(
    a_publish_wakes_a_waiter,
    a_publish_wakes_all_waiters,
    each_of_two_publishers_wakes_a_waiter,
    a_reader_gets_every_message_once,
    a_close_wakes_a_waiter_and_takes_no_message_from_it,
    a_poisoned_log_wakes_a_waiter_after_the_last_message,
    a_publish_wakes_a_task,
    a_task_that_gave_up_is_in_nobodys_way,
    a_publisher_that_tells_too_early,
    a_reader_that_does_not_look_again,
);

/// A log as the eventcount sees it.
struct Log {
    end: AtomicU64,
    is_closed: AtomicBool,
    changes: Changes,
}

impl Log {
    fn new() -> Arc<Log> {
        Arc::new(Log {
            end: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            changes: Changes::new(),
        })
    }

    fn publish(&self) {
        self.end.fetch_add(1, Ordering::Release);
        self.changes.notify();
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.changes.notify();
    }

    fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// What is there behind `at`.
    fn look(&self, at: u64) -> Option<u64> {
        Some(self.end()).filter(|end| *end > at)
    }

    fn wait(&self, at: u64) -> u64 {
        self.changes
            .wait_until(None, || self.look(at))
            .expect("it waits for ever")
    }
}

fn spawn<T: 'static>(log: &Arc<Log>, work: impl FnOnce(&Log) -> T + 'static) -> thread::JoinHandle<T> {
    let log = Arc::clone(log);
    thread::spawn(move || work(&log))
}

fn join<T>(thread: thread::JoinHandle<T>) -> T {
    thread.join().expect("no panic")
}

fn a_publish_wakes_a_waiter() {
    let log = Log::new();
    let reader = spawn(&log, |log| log.wait(0));
    log.publish();
    assert_eq!(join(reader), 1);
}

fn a_publish_wakes_all_waiters() {
    let log = Log::new();
    let readers = [spawn(&log, |log| log.wait(0)), spawn(&log, |log| log.wait(0))];
    log.publish();
    assert_eq!(readers.map(join), [1, 1]);
}

fn each_of_two_publishers_wakes_a_waiter() {
    let log = Log::new();
    let publisher = spawn(&log, Log::publish);
    let reader = spawn(&log, |log| log.wait(1));
    log.publish();
    assert_eq!(join(reader), 2);
    join(publisher);
}

fn a_reader_gets_every_message_once() {
    let log = Log::new();
    let reader = spawn(&log, |log| {
        let mut at = 0;
        while at < 2 {
            let end = log.wait(at);
            assert!(end > at, "nothing comes twice");
            at = end;
        }
    });
    log.publish();
    log.publish();
    join(reader);
}

fn a_close_wakes_a_waiter_and_takes_no_message_from_it() {
    let log = Log::new();
    let reader = spawn(&log, |log| {
        let found = log.changes.wait_until(None, || {
            let is_closed = log.is_closed.load(Ordering::Acquire);
            log.look(0).or(is_closed.then_some(0))
        });
        found.expect("it waits for ever")
    });
    let publisher = spawn(&log, Log::publish);
    log.close();
    // Closed or a message: whatever came first. It does not stay asleep.
    assert!(join(reader) <= 1);
    join(publisher);
}

fn a_poisoned_log_wakes_a_waiter_after_the_last_message() {
    let log = Log::new();
    let reader = spawn(&log, |log| {
        let mut at = 0;
        loop {
            let found = log.changes.wait_until(None, || {
                let is_poisoned = log.changes.is_poisoned();
                log.look(at).map(Some).or(is_poisoned.then_some(None))
            });
            match found.expect("it waits for ever") {
                Some(end) => at = end,
                None => return at,
            }
        }
    });
    log.publish();
    log.changes.poison();
    assert_eq!(join(reader), 1);
}

/// Wakes a thread that runs a task.
struct Alarm(Notify);

impl Wake for Alarm {
    fn wake(self: StdArc<Alarm>) {
        self.0.notify();
    }
}

fn run_task(log: &Log, at: u64) -> u64 {
    let alarm = StdArc::new(Alarm(Notify::new()));
    let waker = Waker::from(StdArc::clone(&alarm));
    let (watch, context) = (Watch::new(), Context::from_waker(&waker));
    loop {
        match log.changes.poll_until(&watch, &context, || log.look(at)) {
            Poll::Ready(end) => {
                log.changes.forget(&watch);
                return end;
            }
            Poll::Pending => alarm.0.wait(),
        }
    }
}

fn a_publish_wakes_a_task() {
    let log = Log::new();
    let reader = spawn(&log, |log| run_task(log, 0));
    log.publish();
    assert_eq!(join(reader), 1);
}

fn a_task_that_gave_up_is_in_nobodys_way() {
    let log = Log::new();
    let reader = spawn(&log, |log| log.wait(0));
    let (watch, context) = (Watch::new(), Context::from_waker(Waker::noop()));
    let _ = log.changes.poll_until(&watch, &context, || log.look(0));
    log.changes.forget(&watch);
    log.publish();
    assert_eq!(join(reader), 1);
}

/// Broken: tells of the message before it is there.
fn a_publisher_that_tells_too_early() {
    let log = Log::new();
    let reader = spawn(&log, |log| log.wait(0));
    log.changes.notify();
    log.end.fetch_add(1, Ordering::Release);
    assert_eq!(join(reader), 1);
}

/// Broken: has looked before it joined those who are woken, and goes to sleep on that.
fn a_reader_that_does_not_look_again() {
    let log = Log::new();
    let reader = spawn(&log, |log| {
        let mut seen = log.look(0);
        log.changes.wait_until(None, || {
            let found = seen;
            seen = log.look(0);
            found
        })
    });
    log.publish();
    assert_eq!(join(reader), Some(1));
}
