//! Wakes tasks that wait for something of which nobody tells them: a log that others change, or a
//! time.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::watch::Watch;
use crate::sys::{Mutex, PerProcess};

/// How long a task waits before it looks again.
const TICK: Duration = Duration::from_millis(5);

/// One thread for all tasks of the process, while there are any.
static TICKER: PerProcess<Mutex<Ticker>> = PerProcess::new();

#[derive(Default)]
struct Ticker {
    /// When to wake whom, by the number of the watch.
    wakers: HashMap<u64, (Instant, Waker)>,
    thread: Option<Thread>,
    /// Before this the thread does not look again, if nobody wakes it.
    sleeps_until: Option<Instant>,
}

/// Wakes the task of a watch after a while.
pub(super) fn wake_soon(id: u64, waker: &Waker) {
    wake(id, TICK, waker);
}

/// Wakes a task after so long; takes the place of an earlier call with this watch.
pub(crate) fn wake_in(watch: &Watch, wait: Duration, waker: &Waker) {
    wake(watch.id(), wait, waker);
}

fn wake(id: u64, wait: Duration, waker: &Waker) {
    let at = Instant::now() + wait;
    let mut ticker = TICKER.get().lock();
    let replaced = ticker.wakers.insert(id, (at, waker.clone()));
    if let Some(thread) = &ticker.thread {
        if ticker.sleeps_until.is_some_and(|until| at < until) {
            thread.unpark();
        }
    } else {
        let named = thread::Builder::new().name("duramen-ticker".into());
        match named.spawn(tick) {
            Ok(spawned) => ticker.thread = Some(spawned.thread().clone()),
            Err(_) => waker.wake_by_ref(),
        }
    }
    drop(ticker);
    // Dropping the last waker of a task may run foreign code, so it happens without the lock.
    drop(replaced);
}

/// The task is not to be woken any more.
pub(crate) fn wake_no_more(watch: &Watch) {
    let forgotten = TICKER.get().lock().wakers.remove(&watch.id());
    drop(forgotten);
}

fn tick() {
    loop {
        let now = Instant::now();
        let (due, next) = {
            let mut ticker = TICKER.get().lock();
            let due = ticker.wakers.extract_if(|_, (at, _)| *at <= now);
            let due: Vec<Waker> = due.map(|(_, (_, waker))| waker).collect();
            let next = ticker.wakers.values().map(|(at, _)| *at).min();
            if due.is_empty() && next.is_none() {
                ticker.thread = None;
                return;
            }
            ticker.sleeps_until = next.filter(|_| due.is_empty());
            (due, next)
        };
        if due.is_empty() {
            let left = next.map_or(TICK, |next| next.saturating_duration_since(now));
            thread::park_timeout(left.max(Duration::from_millis(1)));
        }
        for waker in due {
            // One that panics harms no other task.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}
