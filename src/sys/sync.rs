//! A mutex and a condition variable for what a forked child uses at once.
//!
//! Those of `parking_lot` keep sleeping threads in a table that all locks of the process share. A
//! fork can find a part of that table locked, and then it stays locked in the child, whose threads
//! hang as soon as they have to sleep. These, of the standard library, share nothing.

use std::ops::{Deref, DerefMut};
use std::sync::{self, PoisonError};
use std::time::Instant;

/// A mutex without poisoning: a panic under the lock does not affect later users.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(sync::Mutex<T>);

#[derive(Debug)]
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// `None` only while the guard is borrowed by whoever has released the lock.
    held: Option<sync::MutexGuard<'a, T>>,
}

#[derive(Debug, Default)]
pub(crate) struct Condvar(sync::Condvar);

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Mutex<T> {
        Mutex(value.into())
    }
}

impl<T> Mutex<T> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            mutex: self,
            held: Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

impl<T> MutexGuard<'_, T> {
    /// Releases the lock while `work` is done.
    pub(crate) fn unlocked<R>(guard: &mut Self, work: impl FnOnce() -> R) -> R {
        guard.held = None;
        let result = work();
        guard.held = guard.mutex.lock().held;
        result
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.held.as_ref().expect("the lock is held")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().expect("the lock is held")
    }
}

impl Condvar {
    /// Sleeps until it is woken. It may also wake spuriously.
    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        if let Some(held) = guard.held.take() {
            guard.held = Some(self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// As [`wait`](Condvar::wait), until `deadline` at most.
    pub(crate) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, deadline: Instant) {
        if let Some(held) = guard.held.take() {
            let left = deadline.saturating_duration_since(Instant::now());
            let woken = self.0.wait_timeout(held, left);
            guard.held = Some(woken.unwrap_or_else(PoisonError::into_inner).0);
        }
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}
