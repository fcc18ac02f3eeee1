//! Loom's lock and condition variable in the form of the library's own.

use std::ops::{Deref, DerefMut};
use std::time::Instant;

use loom::sync;

pub(crate) struct Mutex<T>(sync::Mutex<T>);

/// `None` only while a condition variable has it.
pub(crate) struct MutexGuard<'a, T>(Option<sync::MutexGuard<'a, T>>);

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Mutex<T> {
        Mutex(sync::Mutex::new(value))
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::from(T::default())
    }
}

impl<T> Mutex<T> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(Some(self.0.lock().expect("no panic under the lock")))
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("the lock is held")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("the lock is held")
    }
}

pub(crate) struct Condvar(sync::Condvar);

impl Default for Condvar {
    fn default() -> Condvar {
        Condvar(sync::Condvar::new())
    }
}

impl Condvar {
    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let held = guard.0.take().expect("the lock is held");
        guard.0 = Some(self.0.wait(held).expect("no panic under the lock"));
    }

    /// In a model no deadline ever passes.
    pub(crate) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _: Instant) {
        self.wait(guard);
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// A condition variable that wakes nobody.
#[derive(Default)]
pub(crate) struct SilentCondvar(Condvar);

impl SilentCondvar {
    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        self.0.wait(guard);
    }

    pub(crate) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, deadline: Instant) {
        self.0.wait_until(guard, deadline);
    }

    #[expect(clippy::unused_self, reason = "it is called as the real one")]
    pub(crate) fn notify_all(&self) {}
}
