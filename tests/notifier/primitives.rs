//! Loom's locks and atomics in the form of the real ones.

use std::ops::{Deref, DerefMut};
use std::time::Instant;

pub(crate) use loom::sync::atomic::{AtomicBool, Ordering, fence};

pub(crate) fn no_fence(_: Ordering) {}

pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

/// `None` only while its thread sleeps.
pub(crate) struct Guard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Mutex<T> {
        Mutex(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        Guard(Some(self.0.lock().expect("no panic under the lock")))
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("awake")
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("awake")
    }
}

pub(crate) struct Condvar(loom::sync::Condvar);

/// Whether the time was over: in a model it never is.
pub(crate) struct NeverOver;

impl NeverOver {
    #[expect(clippy::unused_self, reason = "as the real one")]
    pub(crate) fn timed_out(&self) -> bool {
        false
    }
}

impl Condvar {
    pub(crate) fn new() -> Condvar {
        Condvar(loom::sync::Condvar::new())
    }

    pub(crate) fn wait<T>(&self, guard: &mut Guard<'_, T>) {
        let held = guard.0.take().expect("awake");
        guard.0 = Some(self.0.wait(held).expect("no panic under the lock"));
    }

    pub(crate) fn wait_until<T>(&self, guard: &mut Guard<'_, T>, _: Instant) -> NeverOver {
        self.wait(guard);
        NeverOver
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// A condition variable that wakes one of all.
pub(crate) struct CondvarOfOne(Condvar);

impl CondvarOfOne {
    pub(crate) fn new() -> CondvarOfOne {
        CondvarOfOne(Condvar::new())
    }

    pub(crate) fn wait<T>(&self, guard: &mut Guard<'_, T>) {
        self.0.wait(guard);
    }

    pub(crate) fn wait_until<T>(&self, guard: &mut Guard<'_, T>, time: Instant) -> NeverOver {
        self.0.wait_until(guard, time)
    }

    pub(crate) fn notify_all(&self) {
        self.0.0.notify_one();
    }
}
