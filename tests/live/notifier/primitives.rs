//! Loom's locks and atomics in the form of the real ones.

use std::task::Waker;
use std::time::Instant;

use loom::sync::MutexGuard;

pub(crate) use loom::sync::atomic::{AtomicBool, Ordering, fence};

pub(crate) fn no_fence(_: Ordering) {}

/// In a model there are no other processes.
#[derive(Debug)]
pub(crate) enum Bell {}

impl Bell {
    pub(crate) fn listen(&self) -> u32 {
        match *self {}
    }

    pub(crate) fn wait(&self, _: u32, _: Option<Instant>) -> bool {
        match *self {}
    }

    pub(crate) fn ring_if_awaited(&self) {
        match *self {}
    }

    pub(crate) fn let_go(&self) {
        match *self {}
    }

    pub(crate) fn ring(&self) {
        match *self {}
    }
}

/// In a model nobody changes a log in silence.
pub(crate) fn wake_soon(_: u64, _: &Waker) {}

pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Mutex<T> {
        Mutex(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("no panic under the lock")
    }
}

pub(crate) struct Condvar(loom::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Condvar {
        Condvar(loom::sync::Condvar::new())
    }

    /// In a model no deadline ever passes.
    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>, _: Option<Instant>) -> MutexGuard<'a, T> {
        self.0.wait(guard).expect("no panic under the lock")
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

    pub(crate) fn wait<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Option<Instant>,
    ) -> MutexGuard<'a, T> {
        self.0.wait(guard, deadline)
    }

    pub(crate) fn notify_all(&self) {
        self.0.0.notify_one();
    }
}
