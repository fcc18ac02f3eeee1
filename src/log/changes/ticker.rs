//! Wakes the tasks that wait for a log which others change.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use crate::sys::{Mutex, PerProcess};

/// How long a task waits before it looks again.
const TICK: Duration = Duration::from_millis(5);

/// One thread for all tasks of the process, while there are any.
static TICKER: PerProcess<Mutex<Ticker>> = PerProcess::new();

#[derive(Default)]
struct Ticker {
    wakers: Vec<Waker>,
    is_running: bool,
}

/// Wakes a task after a while.
pub(super) fn wake_soon(waker: &Waker) {
    let mut ticker = TICKER.get().lock();
    if !ticker.is_running {
        let named = thread::Builder::new().name("duramen-ticker".into());
        if named.spawn(tick).is_err() {
            drop(ticker);
            waker.wake_by_ref();
            return;
        }
        ticker.is_running = true;
    }
    ticker.wakers.push(waker.clone());
}

fn tick() {
    loop {
        thread::sleep(TICK);
        let wakers = {
            let mut ticker = TICKER.get().lock();
            ticker.is_running = !ticker.wakers.is_empty();
            std::mem::take(&mut ticker.wakers)
        };
        if wakers.is_empty() {
            return;
        }
        for waker in wakers {
            // One that panics harms no other task.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}
