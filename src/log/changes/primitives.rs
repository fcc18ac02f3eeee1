//! The synchronization primitives of `eventcount`. `tests/live/notifier` replaces this file with
//! primitives that try every order of steps.
//!
//! They are those of the standard library. Its condition variable wakes all sleepers with one
//! system call and lets them run at once; that of `parking_lot` hands the lock from one sleeper to
//! the next.

use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

pub(super) use super::ticker::wake_soon;
pub(super) use crate::sys::Bell;
pub(super) use std::sync::atomic::{AtomicBool, Ordering, fence};

/// A mutex without poisoning: a panic under the lock does not affect later users.
pub(super) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(super) const fn new(value: T) -> Mutex<T> {
        Mutex(std::sync::Mutex::new(value))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Condvar(std::sync::Condvar);

impl Condvar {
    pub(super) const fn new() -> Condvar {
        Condvar(std::sync::Condvar::new())
    }

    /// Sleeps until it is woken or the deadline has passed. It may also wake spuriously.
    pub(super) fn wait<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Option<Instant>,
    ) -> MutexGuard<'a, T> {
        let Some(deadline) = deadline else {
            return self.0.wait(guard).unwrap_or_else(PoisonError::into_inner);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let woken = self.0.wait_timeout(guard, left);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn notify_all(&self) {
        self.0.notify_all();
    }
}
