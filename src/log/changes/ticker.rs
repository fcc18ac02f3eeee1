//! Wakes tasks that wait for something of which nobody tells them: a log that others change, or a
//! time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use crate::sys::{Mutex, PerProcess};

/// How long a task waits before it looks again.
const TICK: Duration = Duration::from_millis(5);

/// One thread for all tasks of the process, while there are any.
static TICKER: PerProcess<Mutex<Ticker>> = PerProcess::new();

#[derive(Default)]
struct Ticker {
    /// Each with the time before which it need not be woken.
    wakers: Vec<(Instant, Waker)>,
    is_running: bool,
}

/// Wakes a task after a while.
pub(super) fn wake_soon(waker: &Waker) {
    wake_in(Duration::ZERO, waker);
}

/// Wakes a task after so long, and some milliseconds.
pub(crate) fn wake_in(wait: Duration, waker: &Waker) {
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
    ticker.wakers.push((Instant::now() + wait, waker.clone()));
}

fn tick() {
    loop {
        thread::sleep(TICK);
        let due: Vec<Waker> = {
            let mut ticker = TICKER.get().lock();
            ticker.is_running = !ticker.wakers.is_empty();
            if !ticker.is_running {
                return;
            }
            let now = Instant::now();
            let due = ticker.wakers.extract_if(.., |(time, _)| *time <= now);
            due.map(|(_, waker)| waker).collect()
        };
        for waker in due {
            // One that panics harms no other task.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}
