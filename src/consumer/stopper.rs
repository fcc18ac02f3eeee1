use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Stops a [`Consumer`](crate::Consumer) from any thread. Cheap to clone.
#[derive(Clone, Default)]
pub struct Stopper(Arc<State>);

#[derive(Default)]
struct State {
    /// Set before anybody is woken.
    is_stopped: AtomicBool,
    wakers: Mutex<Wakers>,
    stopped: Condvar,
}

#[derive(Default)]
struct Wakers {
    /// What wakes those that wait elsewhere, each with its number.
    each: Vec<(u64, Box<dyn Fn() + Send>)>,
    next_number: u64,
}

/// Somebody who waits elsewhere, and is woken there when the stopper stops.
pub(super) struct Woken<'a>(&'a Stopper, u64);

impl Stopper {
    /// One that has not stopped anything yet.
    #[must_use]
    pub fn new() -> Stopper {
        Stopper::default()
    }

    /// Stops all consumers that have this stopper, also while they wait for messages, for a permit,
    /// or after an error. The message that a handler is at is the last one. Calling it again does
    /// nothing.
    pub fn stop(&self) {
        self.0.is_stopped.store(true, Ordering::Release);
        let wakers = self.0.wakers.lock();
        wakers.each.iter().for_each(|(_, wake)| wake());
        self.0.stopped.notify_all();
    }

    /// Whether it has stopped them.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.is_stopped.load(Ordering::Acquire)
    }

    /// Waits this long, or until it stops; returns whether it has.
    pub(super) fn wait(&self, delay: Duration) -> bool {
        let deadline = Instant::now().checked_add(delay);
        let mut wakers = self.0.wakers.lock();
        while !self.is_stopped() {
            let Some(deadline) = deadline else {
                self.0.stopped.wait(&mut wakers);
                continue;
            };
            if self.0.stopped.wait_until(&mut wakers, deadline).timed_out() {
                break;
            }
        }
        self.is_stopped()
    }

    /// Has `wake` called when this stops, or at once if it has. `wake` must not wait for anything
    /// that is held while this is called.
    pub(super) fn wake_by(&self, wake: impl Fn() + Send + 'static) -> Woken<'_> {
        let mut wakers = self.0.wakers.lock();
        if self.is_stopped() {
            wake();
        }
        let number = wakers.next_number;
        wakers.next_number += 1;
        wakers.each.push((number, Box::new(wake)));
        Woken(self, number)
    }
}

impl Drop for Woken<'_> {
    fn drop(&mut self) {
        let Woken(stopper, number) = self;
        stopper.0.wakers.lock().each.retain(|(other, _)| other != number);
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopper")
            .field("is_stopped", &self.is_stopped())
            .finish_non_exhaustive()
    }
}
