//! An eventcount: waiting for a change that is made without a lock.
//!
//! Invariants, tried in every order by `tests/notifier`, which compiles this very file:
//!
//! 1. `is_awaited` and `round` change under the lock of `state` only, and `is_awaited` goes from true to false only
//!    together with a step of `round` and the waking of all who wait.
//! 2. Whoever changes the log makes the change, then the fence, then reads `is_awaited`. Whoever waits sets
//!    `is_awaited` and notes `round`, then the fence, then looks at the log. So one of the two sees the other: either
//!    the waiter finds the change, or the other finds the mark and steps `round`, and nobody sleeps in a round that is
//!    over.

use std::collections::BTreeMap;
use std::fmt;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::primitives::{AtomicBool, Condvar, Mutex, Ordering, fence};
use super::watch::Watch;

/// Wakes those who wait for a [`Log`](crate::Log) to change, whichever handle or thread changes it.
///
/// [`Log::changes`](crate::Log::changes) lends it. Applications wait by [`BlockingLog`](crate::BlockingLog), which
/// uses it; whoever writes an implementation of `Log` may have one too:
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use duramen::Changes;
///
/// let (end, changes) = (AtomicU64::new(0), Changes::new());
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         end.store(7, Ordering::Relaxed);
///         changes.notify();
///     });
///     let found = changes.wait_until(None, || match end.load(Ordering::Relaxed) {
///         0 => None,
///         end => Some(end),
///     });
///     assert_eq!(found, Some(7));
/// });
/// ```
///
/// Telling of a change while nobody waits costs one memory fence and one load. Those who wait sleep, and are all woken.
pub struct Changes {
    /// Whether anybody may wait in the current round.
    is_awaited: AtomicBool,
    is_poisoned: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    round: u64,
    /// Threads that sleep, as opposed to those that have joined and look.
    sleepers: usize,
    /// Tasks to wake when the round ends.
    watchers: BTreeMap<u64, Waker>,
}

impl Changes {
    /// With nobody waiting.
    #[must_use]
    pub fn new() -> Changes {
        Changes {
            is_awaited: AtomicBool::new(false),
            is_poisoned: AtomicBool::new(false),
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        }
    }

    /// Tells everybody who waits that the log has changed. To be called *after* readers can see the change: messages
    /// that became visible, a new start offset, the close.
    #[inline]
    pub fn notify(&self) {
        // Invariant 2.
        fence(Ordering::SeqCst);
        if self.is_awaited.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    /// Tells everybody who waits, and will, that nothing more is coming, because the log is poisoned.
    pub fn poison(&self) {
        self.is_poisoned.store(true, Ordering::Release);
        self.notify();
    }

    /// Whether the log takes no more messages because a write or a sync of it failed.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.is_poisoned.load(Ordering::Acquire)
    }

    /// Calls `look` until it returns something: at first, and after every change. `None` at the deadline, after a last
    /// look; without one it waits for ever.
    ///
    /// Sleeps in between. No change is missed that was [told](Changes::notify) after `look` began.
    pub fn wait_until<T>(&self, deadline: Option<Instant>, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        loop {
            let (round, ()) = self.join(|_| ());
            if let Some(found) = look() {
                return Some(found);
            }
            if !self.sleep(round, deadline) {
                return look();
            }
        }
    }

    /// As [`wait_until`](Changes::wait_until), for a task: calls `look` once, and if that returns nothing the task is
    /// woken after the next change.
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use duramen::{Log, Watch};
    ///
    /// /// The first offset behind `at`, once there is one.
    /// async fn behind(log: &dyn Log, at: u64) -> Option<u64> {
    ///     let (changes, watch) = (log.changes()?, Watch::new());
    ///     let look = || log.next_offset().ok().filter(|next| *next > at);
    ///     let next = poll_fn(|context| changes.poll_until(&watch, context, look)).await;
    ///     changes.forget(&watch);
    ///     Some(next)
    /// }
    /// ```
    pub fn poll_until<T>(
        &self,
        watch: &Watch,
        context: &Context<'_>,
        look: impl FnOnce() -> Option<T>,
    ) -> Poll<T> {
        let waker = context.waker().clone();
        let (_, replaced) = self.join(|state| state.watchers.insert(watch.id(), waker));
        // Like all that may run code of others, as letting go of the last waker of a task may, without the lock.
        drop(replaced);
        look().map_or(Poll::Pending, Poll::Ready)
    }

    /// The task that [`poll_until`](Changes::poll_until) was called with is not to be woken any more.
    pub fn forget(&self, watch: &Watch) {
        let forgotten = self.state.lock().watchers.remove(&watch.id());
        drop(forgotten);
    }

    /// Makes known that somebody waits, and returns the round whose end that is for.
    fn join<T>(&self, enter: impl FnOnce(&mut State) -> T) -> (u64, T) {
        let mut state = self.state.lock();
        self.is_awaited.store(true, Ordering::Relaxed);
        let joined = (state.round, enter(&mut state));
        drop(state);
        // Invariant 2.
        fence(Ordering::SeqCst);
        joined
    }

    /// Sleeps until the round is over, which is true, or the deadline has passed.
    fn sleep(&self, round: u64, deadline: Option<Instant>) -> bool {
        let mut state = self.state.lock();
        while state.round == round {
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return false;
            }
            state.sleepers += 1;
            state = self.changed.wait(state, deadline);
            state.sleepers -= 1;
        }
        true
    }

    #[cold]
    fn wake(&self) {
        let mut state = self.state.lock();
        // Another change may have woken them already.
        if !self.is_awaited.load(Ordering::Relaxed) {
            return;
        }
        self.is_awaited.store(false, Ordering::Relaxed);
        state.round += 1;
        let watchers = std::mem::take(&mut state.watchers);
        let has_sleepers = state.sleepers > 0;
        drop(state);
        if has_sleepers {
            // Without the lock, which each of them takes when it wakes. It is a system call.
            self.changed.notify_all();
        }
        for waker in watchers.into_values() {
            waker.wake();
        }
    }
}

impl Default for Changes {
    fn default() -> Changes {
        Changes::new()
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes")
            .field("is_poisoned", &self.is_poisoned())
            .finish_non_exhaustive()
    }
}
