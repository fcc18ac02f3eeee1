//! An eventcount: a way to wait for a change that is made without a lock.
//!
//! `tests/live/notifier` compiles this file and tries its steps in every order. The invariants:
//!
//! 1. `is_awaited` and `round` change only under the lock of `state`. When `is_awaited` goes from
//!    true to false, `round` is increased and all waiters are woken.
//! 2. A thread that changes the log makes the change, then the fence, then reads `is_awaited`. A
//!    waiter sets `is_awaited` and notes `round`, then makes the fence, then checks the log. So at
//!    least one of the two sees the other: either the waiter finds the change, or the changing
//!    thread finds `is_awaited` set and increases `round`. No waiter sleeps in a round that is
//!    over.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::primitives::{AtomicBool, Bell, Condvar, Mutex, Ordering, fence, wake_soon};
use super::watch::Watch;

/// Wakes readers that wait for a [`Log`](crate::Log) to change, whichever handle or thread changes
/// it.
///
/// Applications wait through [`BlockingLog`](crate::BlockingLog), which uses the `Changes` that
/// [`Log::changes`](crate::Log::changes) returns. An implementation of `Log` may hold one:
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
/// If nobody waits, [`notify`](Changes::notify) costs one memory fence and a load or two. Waiters
/// sleep, and a change wakes all of them.
pub struct Changes {
    /// Whether there may be waiters in the current round.
    is_awaited: AtomicBool,
    is_poisoned: AtomicBool,
    /// Whether others change the log as well, and may tell nobody.
    is_polled: bool,
    state: Mutex<State>,
    changed: Condvar,
    /// Wakes those who wait for the log in other processes.
    rung: OnceLock<Bell>,
    /// Those of a handle that outlasts this one.
    outer: OnceLock<Arc<Changes>>,
    /// Called when somebody begins to wait while nobody does.
    begun: Option<Box<dyn Fn() + Send + Sync>>,
}

/// The shortest and the longest time after which a waiter looks at a log again that others change.
/// If they wake it, the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

#[derive(Default)]
struct State {
    round: u64,
    /// The number of sleeping threads. Threads that have joined a round and still check the log do
    /// not count.
    sleepers: usize,
    /// Tasks to wake when the round ends.
    watchers: BTreeMap<u64, Waker>,
    /// Wakes threads when others change the log.
    heard: Option<Heard>,
}

/// A bell, and when a thread of this handle was last woken by it, or found something when it looked
/// again.
struct Heard {
    bell: Arc<Bell>,
    woke_at: Option<Instant>,
    /// The number of threads of this handle that sleep there.
    sleepers: usize,
}

/// A thread that a bell has woken is not woken again for so long, and then looks by itself, and
/// rests again if there is more: where messages come thick and fast, it gets many at once, and its
/// writer rings no bell.
const REST: Duration = Duration::from_millis(5);

/// What a thread that is about to sleep listens to.
enum Listening {
    /// Nothing. It looks again after a while.
    Nobody,
    /// Nothing yet, because it has not looked yet.
    NotYet,
    /// Nothing until then.
    Resting(Instant),
    /// A bell, and how often that was rung before, once it is known.
    Bell(Arc<Bell>, u32),
}

impl State {
    /// Changes what is known of a bell, unless another one has taken its place.
    fn at_bell(&mut self, bell: &Arc<Bell>, change: impl FnOnce(&mut Heard)) {
        let heard = self.heard.as_mut();
        if let Some(heard) = heard.filter(|heard| Arc::ptr_eq(&heard.bell, bell)) {
            change(heard);
        }
    }

    fn listen(&self, has_looked: bool) -> Listening {
        let Some(Heard { bell, woke_at, .. }) = &self.heard else {
            return Listening::Nobody;
        };
        if !has_looked {
            return Listening::NotYet;
        }
        let rested_at = woke_at.map(|woke_at| woke_at + REST);
        match rested_at.filter(|rested_at| *rested_at > Instant::now()) {
            Some(rested_at) => Listening::Resting(rested_at),
            None => Listening::Bell(Arc::clone(bell), 0),
        }
    }
}

impl Changes {
    /// A new `Changes` without waiters.
    #[must_use]
    pub fn new() -> Changes {
        Changes {
            is_awaited: AtomicBool::new(false),
            is_poisoned: AtomicBool::new(false),
            is_polled: false,
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
            rung: OnceLock::new(),
            outer: OnceLock::new(),
            begun: None,
        }
    }

    /// The same for a log that learns only while it listens how others change it: calls `begin`
    /// when somebody begins to wait while nobody does. So it is called before that one looks at the
    /// log, perhaps from several threads at once, and after each [`notify`](Changes::notify) again.
    /// It must not wait for long. Whoever begins to listen late has to call `notify` then, for what
    /// happened in between.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use std::time::Instant;
    /// use duramen::Changes;
    ///
    /// let begun = Arc::new(AtomicU32::new(0));
    /// let counted = Arc::clone(&begun);
    /// let changes = Changes::begun_by(move || {
    ///     counted.fetch_add(1, Ordering::Relaxed);
    /// });
    /// let look = || changes.wait_until(Some(Instant::now()), || None::<()>);
    /// assert!(look().is_none() && look().is_none());
    /// assert_eq!(begun.load(Ordering::Relaxed), 1);
    /// changes.notify();
    /// look();
    /// assert_eq!(begun.load(Ordering::Relaxed), 2);
    /// ```
    #[must_use]
    pub fn begun_by(begin: impl Fn() + Send + Sync + 'static) -> Changes {
        Changes {
            begun: Some(Box::new(begin)),
            ..Changes::new()
        }
    }

    /// The same for a log that others change as well, and tell nobody of it, such as another
    /// process. Who waits looks again by itself: a thread after 1 ms, and then after twice as long
    /// each time, up to 20 ms; a task every 5 ms, for which one thread of the process wakes all
    /// such tasks while there are any. Where the system allows no thread, it is woken at once.
    #[must_use]
    pub fn polled() -> Changes {
        Changes {
            is_polled: true,
            ..Changes::new()
        }
    }

    /// Wakes all waiters because the log has changed. Call it *after* readers can see the change,
    /// such as messages that became visible, a new start offset, or the close.
    #[inline]
    pub fn notify(&self) {
        // Invariant 2.
        fence(Ordering::SeqCst);
        if self.is_awaited.load(Ordering::Relaxed) {
            self.wake();
        }
        if let Some(bell) = self.rung.get() {
            bell.ring_if_awaited();
        }
        if let Some(outer) = self.outer.get() {
            outer.notify();
        }
    }

    /// Has whatever is told here be told there, too.
    pub(crate) fn tell_too(&self, outer: &Arc<Changes>) {
        let _ = self.outer.set(Arc::clone(outer));
    }

    /// Takes back that the log is poisoned: it was opened again.
    pub(crate) fn revive(&self) {
        self.is_poisoned.store(false, Ordering::Release);
    }

    /// Whether somebody may be waiting.
    pub(crate) fn is_awaited(&self) -> bool {
        self.is_awaited.load(Ordering::Relaxed)
    }

    /// Has [`notify`](Changes::notify) wake those in other processes who listen to this.
    pub(crate) fn ring_too(&self, bell: Bell) {
        let _ = self.rung.set(bell);
    }

    /// Wakes nobody in other processes from now on; returns whether it has a bell.
    pub(crate) fn ring_no_more(&self) -> bool {
        let rung = self.rung.get();
        rung.inspect(|bell| bell.let_go()).is_some()
    }

    /// Has threads that wait be woken by this from now on.
    pub(crate) fn listen_to(&self, bell: Option<Bell>) {
        let bell = bell.map(|bell| Heard {
            bell: Arc::new(bell),
            woke_at: None,
            sleepers: 0,
        });
        let replaced = std::mem::replace(&mut self.state.lock().heard, bell);
        drop(replaced);
    }

    /// Marks the log as poisoned, so that no more messages will come, and wakes all waiters.
    pub fn poison(&self) {
        if let Some(outer) = self.outer.get() {
            outer.is_poisoned.store(true, Ordering::Release);
        }
        self.is_poisoned.store(true, Ordering::Release);
        self.notify();
    }

    /// Whether the log is poisoned: it accepts no more messages because a write or sync failed.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.is_poisoned.load(Ordering::Acquire)
    }

    /// Whether threads that wait are woken by a bell.
    pub(crate) fn listens(&self) -> bool {
        self.state.lock().heard.is_some()
    }

    /// Calls `check` at once and after every change, until it returns `Some`. Returns `None` if the
    /// deadline has passed and a last call of `check` returns `None`. Without a deadline it waits
    /// for ever.
    ///
    /// The thread sleeps between calls. No change is missed that was [notified](Changes::notify)
    /// after `check` began.
    pub fn wait_until<T>(
        &self,
        deadline: Option<Instant>,
        mut check: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let mut pause = PAUSES.0;
        let (mut has_looked, mut has_rested) = (false, false);
        loop {
            let (round, mut listening) = self.join(|state| state.listen(has_looked && !has_rested));
            if let Listening::Bell(bell, rounds) = &mut listening {
                // Without the lock: on a frozen file system this waits for its thaw.
                *rounds = bell.listen();
                fence(Ordering::SeqCst);
            }
            if let Some(found) = check() {
                if has_looked && let Some(heard) = &mut self.state.lock().heard {
                    heard.woke_at = Some(Instant::now());
                }
                return Some(found);
            }
            has_looked = true;
            has_rested = matches!(listening, Listening::Resting(_));
            let next_look = match &listening {
                Listening::NotYet => continue,
                Listening::Resting(until) => Some(*until),
                Listening::Bell(..) => Instant::now().checked_add(PAUSES.1),
                Listening::Nobody => self.next_look(&mut pause),
            };
            if !self.sleep(round, listening, next_look.into_iter().chain(deadline).min())
                && deadline.is_some_and(|deadline| deadline <= Instant::now())
            {
                return check();
            }
        }
    }

    /// As [`wait_until`](Changes::wait_until), for a task: calls `check` once. If `check` returns
    /// `None`, the task is woken after the next change.
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use duramen::{Log, Watch};
    ///
    /// /// Waits until the next offset is beyond `at`, and returns it.
    /// async fn beyond(log: &dyn Log, at: u64) -> Option<u64> {
    ///     let (changes, watch) = (log.changes()?, Watch::new());
    ///     let check = || log.next_offset().ok().filter(|next| *next > at);
    ///     let next = poll_fn(|context| changes.poll_until(&watch, context, check)).await;
    ///     changes.forget(&watch);
    ///     Some(next)
    /// }
    /// ```
    pub fn poll_until<T>(
        &self,
        watch: &Watch,
        context: &Context<'_>,
        check: impl FnOnce() -> Option<T>,
    ) -> Poll<T> {
        let waker = context.waker().clone();
        let (_, replaced) = self.join(|state| state.watchers.insert(watch.id(), waker));
        // Dropping the last waker of a task may run foreign code, so it happens without the lock.
        drop(replaced);
        if let Some(found) = check() {
            return Poll::Ready(found);
        }
        if self.is_polled {
            wake_soon(watch.id(), context.waker());
        }
        Poll::Pending
    }

    /// Forgets the task that [`poll_until`](Changes::poll_until) was called for; it is no longer
    /// woken.
    pub fn forget(&self, watch: &Watch) {
        let forgotten = self.state.lock().watchers.remove(&watch.id());
        drop(forgotten);
    }

    /// Announces a waiter in the current round and returns the number of that round.
    fn join<T>(&self, enter: impl FnOnce(&mut State) -> T) -> (u64, T) {
        let mut state = self.state.lock();
        let is_first = !self.is_awaited.load(Ordering::Relaxed);
        self.is_awaited.store(true, Ordering::Relaxed);
        let joined = (state.round, enter(&mut state));
        drop(state);
        // Invariant 2.
        fence(Ordering::SeqCst);
        if is_first && let Some(begin) = &self.begun {
            begin();
        }
        joined
    }

    /// When a waiter looks again although nobody woke it. Each time it waits twice as long.
    fn next_look(&self, pause: &mut Duration) -> Option<Instant> {
        let next = self.is_polled.then(|| Instant::now().checked_add(*pause));
        *pause = (*pause * 2).min(PAUSES.1);
        next.flatten()
    }

    /// Sleeps until the round is over and returns true, or until the deadline has passed and
    /// returns false.
    fn sleep(&self, round: u64, listening: Listening, deadline: Option<Instant>) -> bool {
        let mut state = self.state.lock();
        if let Listening::Bell(bell, rounds) = listening {
            if state.round != round {
                return true;
            }
            state.at_bell(&bell, |heard| heard.sleepers += 1);
            drop(state);
            let was_rung = bell.wait(rounds, deadline);
            self.state.lock().at_bell(&bell, |heard| {
                heard.sleepers -= 1;
                heard.woke_at = was_rung.then(Instant::now).or(heard.woke_at);
            });
            return was_rung;
        }
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
        // Another change may have woken the waiters already.
        if !self.is_awaited.load(Ordering::Relaxed) {
            return;
        }
        self.is_awaited.store(false, Ordering::Relaxed);
        state.round += 1;
        let watchers = std::mem::take(&mut state.watchers);
        let has_sleepers = state.sleepers > 0;
        let heard = state.heard.as_ref().filter(|heard| heard.sleepers > 0);
        let heard = heard.map(|heard| Arc::clone(&heard.bell));
        drop(state);
        if let Some(bell) = heard {
            // Our own threads sleep there, too.
            bell.ring();
        }
        if has_sleepers {
            // Without the lock: this is a system call, and each waiter takes the lock when it
            // wakes.
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
