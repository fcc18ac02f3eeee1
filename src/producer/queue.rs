//! What senders and the producer's thread tell each other.
//!
//! `tests/live/producer/models` compiles this file and tries its steps in every order. The
//! invariants:
//!
//! 1. All counts change under the one lock. Batches are numbered from 0. `begun` of them exist;
//!    those below `given` were given to the thread, and those below `finished` have come to an end.
//!    Those below `due` wait for nothing: `given <= due <= begun` and `finished <= given`.
//! 2. The thread decides to sleep under the lock, and says so in `is_asleep`. Whoever begins a
//!    batch, makes one due, or closes, does so under the lock and wakes the thread if it sleeps.
//! 3. Whatever somebody else may wait for, that a batch ends or that everything fails, is done
//!    under the lock, and then `changes` is notified. Whoever waits looks again after it has joined
//!    those who are woken.
//! 4. Nothing is added once there is a failure. So what the thread finds when it fails the queue is
//!    all that will ever be there.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::primitives::{Changes, Condvar, Mutex, Watch};

/// Where records gather in batches. Only the last batch may take more.
pub(super) trait Pile {
    /// Whether there is a last batch, and it takes another record of this size.
    fn takes(&self, size: u64) -> bool;

    /// Whether the last batch takes no more records, whatever their size.
    fn is_full(&self) -> bool;

    /// Moves the first `count` batches to `to`, which is empty.
    fn give(&mut self, count: u64, to: &mut Self);
}

/// Why a record was not added.
pub(super) enum Refused<F> {
    Full,
    Failed(F),
}

pub(super) struct Queue<P, F> {
    state: Mutex<State<P, F>>,
    /// Wakes the thread.
    work: Condvar,
    /// Wakes everybody else.
    changes: Changes,
    /// How long a batch waits for more, from its first record on.
    linger: Duration,
    in_flight_max: u64,
}

struct State<P, F> {
    pile: P,
    begun: u64,
    given: u64,
    finished: u64,
    due: u64,
    /// When the last batch that was begun becomes due; `None` for never.
    due_at: Option<Instant>,
    /// The size of all records of batches that have not ended.
    in_flight: u64,
    failure: Option<F>,
    is_closing: bool,
    is_asleep: bool,
}

impl<P, F> State<P, F> {
    /// How many batches can be given to the thread now.
    fn ready(&mut self) -> u64 {
        if self.given < self.begun && self.due_at.is_some_and(|due_at| due_at <= Instant::now()) {
            self.due = self.begun;
        }
        self.due - self.given
    }
}

impl<P: Pile, F: Clone> Queue<P, F> {
    pub(super) fn new(pile: P, linger: Duration, in_flight_max: u64) -> Queue<P, F> {
        let state = State {
            pile,
            begun: 0,
            given: 0,
            finished: 0,
            due: 0,
            due_at: None,
            in_flight: 0,
            failure: None,
            is_closing: false,
            is_asleep: false,
        };
        Queue {
            state: Mutex::from(state),
            work: Condvar::default(),
            changes: Changes::new(),
            linger,
            in_flight_max,
        }
    }

    /// Calls `change` under the lock. If it returns true, the thread has something to look at.
    fn changing<T>(&self, change: impl FnOnce(&mut State<P, F>) -> (T, bool)) -> T {
        let mut state = self.state.lock();
        let (changed, is_news) = change(&mut state);
        // Invariant 2. One wake-up is enough until it sleeps again.
        let wakes = is_news && std::mem::take(&mut state.is_asleep);
        drop(state);
        if wakes {
            self.work.notify_all();
        }
        changed
    }

    /// Adds a record of this size, if there is room. `add` gets the pile, and whether the record
    /// begins a batch.
    pub(super) fn try_add<T>(
        &self,
        size: u64,
        add: &mut impl FnMut(&mut P, bool) -> T,
    ) -> Result<T, Refused<F>> {
        self.changing(|state| {
            if let Some(failure) = &state.failure {
                return (Err(Refused::Failed(failure.clone())), false);
            }
            let was_due = state.due;
            if state.in_flight.saturating_add(size) > self.in_flight_max {
                // There is room once what is here is written.
                state.due = state.begun;
                return (Err(Refused::Full), state.due > was_due);
            }
            let begins = !state.pile.takes(size);
            if begins {
                // What it would have overflowed is complete.
                state.due = state.begun;
                state.begun += 1;
                state.due_at = Instant::now().checked_add(self.linger);
            }
            let added = add(&mut state.pile, begins);
            state.in_flight += size;
            if self.linger.is_zero() || state.pile.is_full() {
                state.due = state.begun;
            }
            (Ok(added), begins || state.due > was_due)
        })
    }

    /// As [`try_add`](Queue::try_add), and waits for room until `deadline` at most.
    pub(super) fn add<T>(
        &self,
        size: u64,
        deadline: Option<Instant>,
        mut add: impl FnMut(&mut P, bool) -> T,
    ) -> Result<T, Refused<F>> {
        let mut look = || settled(self.try_add(size, &mut add));
        let added = look().or_else(|| self.changes.wait_until(deadline, look));
        added.unwrap_or(Err(Refused::Full))
    }

    /// As [`add`](Queue::add), for a task: it is woken when there may be room.
    pub(super) fn poll_add<T>(
        &self,
        size: u64,
        (watch, context): (&Watch, &Context<'_>),
        mut add: impl FnMut(&mut P, bool) -> T,
    ) -> Poll<Result<T, Refused<F>>> {
        let mut look = || settled(self.try_add(size, &mut add));
        if let Some(added) = look() {
            return Poll::Ready(added);
        }
        let added = self.changes.poll_until(watch, context, look);
        if added.is_ready() {
            self.forget(watch);
        }
        added
    }

    /// Wakes this task no more.
    pub(super) fn forget(&self, watch: &Watch) {
        self.changes.forget(watch);
    }

    /// Waits until all batches that exist now have ended, or everything has failed. They wait for
    /// nothing more.
    pub(super) fn flush(&self) -> Result<(), F> {
        let end = self.changing(|state| {
            state.due = state.begun;
            (state.begun, state.given < state.begun)
        });
        let flushed = self.changes.wait_until(None, || {
            let state = self.state.lock();
            match &state.failure {
                Some(failure) => Some(Err(failure.clone())),
                None => (state.finished >= end).then_some(Ok(())),
            }
        });
        flushed.unwrap_or(Ok(()))
    }

    /// Has the thread end after what is there. Nothing may be added from now on.
    pub(super) fn begin_closing(&self) {
        self.changing(|state| {
            state.due = state.begun;
            state.is_closing = true;
            ((), true)
        });
    }

    pub(super) fn failure(&self) -> Option<F> {
        self.state.lock().failure.clone()
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.state.lock().in_flight
    }

    /// For the thread: waits for batches that are due, and moves them to `to`, which is empty.
    /// Returns false at the end.
    pub(super) fn take(&self, to: &mut P) -> bool {
        let mut state = self.state.lock();
        loop {
            let ready = state.ready();
            if ready > 0 {
                state.given = state.due;
                state.pile.give(ready, to);
                return true;
            }
            if state.is_closing || state.failure.is_some() {
                return false;
            }
            state.is_asleep = true;
            let is_waiting = state.given < state.begun;
            match state.due_at.filter(|_| is_waiting) {
                Some(due_at) => self.work.wait_until(&mut state, due_at),
                None => self.work.wait(&mut state),
            }
            state.is_asleep = false;
        }
    }

    /// For the thread: the first batch that had not ended has. Its records had this size.
    pub(super) fn finish(&self, size: u64) {
        let mut state = self.state.lock();
        state.finished += 1;
        state.in_flight -= size;
        drop(state);
        self.changes.notify();
    }

    /// For the thread: everything that has not ended fails, and whatever is to be added. Moves the
    /// batches that were not given to the thread to `to`, which is empty.
    pub(super) fn fail(&self, failure: F, to: &mut P) {
        let mut state = self.state.lock();
        state.failure = Some(failure);
        let rest = state.begun - state.given;
        if rest > 0 {
            state.pile.give(rest, to);
        }
        (state.due, state.given, state.finished) = (state.begun, state.begun, state.begun);
        state.in_flight = 0;
        drop(state);
        self.changes.notify();
    }
}

/// What there is no use in waiting for: everything but room.
fn settled<T, F>(added: Result<T, Refused<F>>) -> Option<Result<T, Refused<F>>> {
    match added {
        Err(Refused::Full) => None,
        settled => Some(settled),
    }
}
