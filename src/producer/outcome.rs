//! What has become of a batch: set once, by the producer's thread, for any number of waiters.
//!
//! `tests/live/producer/models` compiles this file and tries its steps in every order. The waiting
//! is that of the eventcount: the result is stored before the waiters are woken, and whoever waits
//! looks for it after it has joined those who are woken.

use std::task::{Context, Poll};
use std::time::Instant;

use super::primitives::{Changes, Mutex, Watch};

pub(super) struct Outcome<T> {
    result: Mutex<Option<T>>,
    changes: Changes,
}

impl<T: Clone> Outcome<T> {
    pub(super) fn new() -> Outcome<T> {
        Outcome {
            result: Mutex::default(),
            changes: Changes::new(),
        }
    }

    /// Sets the result and wakes all who wait for it.
    pub(super) fn resolve(&self, result: T) {
        *self.result.lock() = Some(result);
        self.changes.notify();
    }

    pub(super) fn get(&self) -> Option<T> {
        self.result.lock().clone()
    }

    /// Waits for the result, until `deadline` at most.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Option<T> {
        self.get()
            .or_else(|| self.changes.wait_until(deadline, || self.get()))
    }

    /// The result, or the task is woken when there is one.
    pub(super) fn poll(&self, watch: &Watch, context: &Context<'_>) -> Poll<T> {
        self.changes.poll_until(watch, context, || self.get())
    }

    /// Wakes this task no more.
    pub(super) fn forget(&self, watch: &Watch) {
        self.changes.forget(watch);
    }
}
