//! Group commit: one thread syncs on behalf of all that wait.

use parking_lot::{Condvar, Mutex};

use crate::directory::Health;
use crate::{Error, Result};

/// Decides which thread syncs, and lets the others wait for it.
///
/// The first thread that has to wait becomes the leader and syncs everything that was written until
/// then. The others wait for the leader. The next leader syncs what was written meanwhile.
///
/// Syncs are counted. Who waits for sync n sleeps apart from who waits for sync n + 1. So the end
/// of a sync wakes those whose bytes it has brought to stable storage, and one of the others, which
/// leads the next sync. To wake all would cost more than the sync where many wait.
#[derive(Debug, Default)]
pub(crate) struct GroupCommit {
    state: Mutex<State>,
    /// Where those sleep who wait for the sync of an even, and of an odd number.
    ended: [Condvar; 2],
}

#[derive(Debug, Default)]
struct State {
    /// The number of the sync that is under way, or of the next one.
    number: u64,
    is_syncing: bool,
    /// Below which offset everything is brought to stable storage by the sync that is under way,
    /// as soon as that is known.
    covers: Option<u64>,
}

impl GroupCommit {
    /// Returns when everything below `offset` is durable, which `durable` tells; syncs with `lead`
    /// as often as that takes. `lead` is given a function that it calls with the offset up to which
    /// its sync is going to reach.
    ///
    /// A failed sync poisons the log and is reported to all who wait. An [`Error::Io`] is not a
    /// failed sync: there was no space for the copy of a segment that has to be copied, or the
    /// directory was removed. Nothing was lost, and the next call tries again.
    pub(super) fn wait(
        &self,
        health: &Health,
        offset: u64,
        durable: impl Fn() -> u64,
        lead: impl Fn(&dyn Fn(u64)) -> Result<()>,
    ) -> Result<()> {
        let mut state = self.state.lock();
        // The sync for which this thread has slept.
        let mut awaited = None;
        loop {
            if durable() >= offset || health.is_poisoned() {
                // If it was woken to lead that sync, another one has to.
                if let Some(number) = awaited.filter(|awaited| *awaited == state.number && !state.is_syncing)
                {
                    self.ended_of(number).notify_one();
                }
                return if durable() >= offset {
                    Ok(())
                } else {
                    health.check_not_poisoned()
                };
            }
            if state.is_syncing {
                let is_covered = state.covers.is_some_and(|end| offset <= end);
                let number = state.number.wrapping_add(u64::from(!is_covered));
                awaited = Some(number);
                self.ended_of(number).wait(&mut state);
                continue;
            }
            state.is_syncing = true;
            state.covers = None;
            drop(state);
            // If syncing panics, no thread may be left waiting: the guard makes all of them fail.
            let guard = Leading { commit: self, health };
            let synced = lead(&|end| self.begun(end));
            std::mem::forget(guard);
            if let Err(error) = &synced
                && !matches!(error, Error::Io { .. })
            {
                health.poison(error);
            }
            state = self.state.lock();
            self.end(&mut state, synced.is_ok());
            synced?;
        }
    }

    /// Notes up to where the sync that is under way reaches.
    fn begun(&self, end: u64) {
        let mut state = self.state.lock();
        state.covers = Some(end);
        // Who came before this was known sleeps among those of the next sync.
        self.ended_of(state.number.wrapping_add(1)).notify_all();
    }

    /// Ends a sync, and wakes those who have waited for it and one who leads the next.
    fn end(&self, state: &mut State, was_synced: bool) {
        state.is_syncing = false;
        self.ended_of(state.number).notify_all();
        state.number = state.number.wrapping_add(1);
        let next = self.ended_of(state.number);
        if was_synced {
            next.notify_one();
        } else {
            next.notify_all();
        }
    }

    fn ended_of(&self, number: u64) -> &Condvar {
        let [even, odd] = &self.ended;
        if number.is_multiple_of(2) { even } else { odd }
    }

    /// Makes the waiting threads look again: more may be durable now, although no leader has synced
    /// it.
    pub(super) fn wake(&self) {
        let _looking = self.state.lock();
        for ended in &self.ended {
            ended.notify_all();
        }
    }
}

struct Leading<'a> {
    commit: &'a GroupCommit,
    health: &'a Health,
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.health
            .poison(&Error::poisoned("a sync did not come to its end"));
        self.commit.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::sys::{Os, Storage};

    fn healthy() -> (Health, tempfile::TempDir) {
        let dir = tempfile::tempdir().expect("a folder");
        let opened = Os.open_dir(dir.path()).expect("opened");
        (Health::new(&opened, false), dir)
    }

    #[test]
    fn those_who_wait_share_a_sync() {
        let (commit, (health, _dir)) = (GroupCommit::default(), healthy());
        let (durable, syncs) = (AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for wanted in 1..=8 {
                let (commit, health, durable, syncs) = (&commit, &health, &durable, &syncs);
                scope.spawn(move || {
                    let lead = |begun: &dyn Fn(u64)| {
                        begun(8);
                        syncs.fetch_add(1, Ordering::Relaxed);
                        thread::sleep(Duration::from_millis(20));
                        durable.store(8, Ordering::Release);
                        Ok(())
                    };
                    let done = commit.wait(health, wanted, || durable.load(Ordering::Acquire), lead);
                    done.expect("synced");
                });
            }
        });
        assert_eq!(syncs.load(Ordering::Relaxed), 1);
    }

    /// Goal: nobody sleeps for ever. Method: threads wait for offsets of their own, again and
    /// again, while one moves the durable end without waking anybody, as the background does. The
    /// test hangs if a wake-up is lost.
    #[test]
    fn whoever_is_woken_leads_or_wakes_another() {
        const ROUNDS: u64 = if cfg!(miri) { 5 } else { 3000 };
        let (commit, (health, _dir)) = (GroupCommit::default(), healthy());
        let (written, durable) = (AtomicU64::new(0), AtomicU64::new(0));
        let left = AtomicU64::new(6);
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        let wanted = written.fetch_add(1, Ordering::AcqRel) + 1;
                        let lead = |begun: &dyn Fn(u64)| {
                            let end = written.load(Ordering::Acquire);
                            begun(end);
                            thread::yield_now();
                            durable.fetch_max(end, Ordering::AcqRel);
                            Ok(())
                        };
                        let done = commit.wait(&health, wanted, || durable.load(Ordering::Acquire), lead);
                        done.expect("synced");
                        assert!(durable.load(Ordering::Acquire) >= wanted);
                    }
                    left.fetch_sub(1, Ordering::AcqRel);
                });
            }
            scope.spawn(|| {
                while left.load(Ordering::Acquire) > 0 {
                    durable.fetch_max(written.load(Ordering::Acquire), Ordering::AcqRel);
                    thread::yield_now();
                }
            });
        });
    }

    /// Goal: whoever is woken to lead, and need not, wakes another. Method: two threads wait behind
    /// a sync; before it ends, the durable end moves beyond the first of them.
    #[test]
    fn the_lead_is_handed_on() {
        let (commit, (health, _dir)) = (GroupCommit::default(), healthy());
        let durable = AtomicU64::new(0);
        let (enter, entered) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            let (commit, health, durable) = (&commit, &health, &durable);
            scope.spawn(move || {
                let lead = |begun: &dyn Fn(u64)| {
                    begun(1);
                    enter.send(()).expect("a test");
                    released.recv().expect("a test");
                    durable.fetch_max(1, Ordering::AcqRel);
                    Ok(())
                };
                commit.wait(health, 1, || durable.load(Ordering::Acquire), lead)
            });
            entered.recv().expect("a leader");
            for wanted in [2, 3] {
                let tell = tell.clone();
                scope.spawn(move || {
                    let lead = |begun: &dyn Fn(u64)| {
                        begun(3);
                        durable.fetch_max(3, Ordering::AcqRel);
                        Ok(())
                    };
                    let done = commit.wait(health, wanted, || durable.load(Ordering::Acquire), lead);
                    tell.send(done).expect("a test");
                });
                // They are woken in the order in which they went to sleep.
                thread::sleep(Duration::from_millis(100));
            }
            durable.fetch_max(2, Ordering::AcqRel);
            release.send(()).expect("a leader");
            let done: Vec<_> = (0..2)
                .map(|_| told.recv_timeout(Duration::from_secs(20)))
                .collect();
            commit.wake();
            assert!(done.iter().all(|done| matches!(done, Ok(Ok(())))), "{done:?}");
        });
    }

    #[test]
    fn a_leader_that_panics_leaves_nobody_waiting() {
        let (commit, (health, _dir)) = (GroupCommit::default(), healthy());
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            commit.wait(&health, 1, || 0, |_| panic!("a planted panic"))
        }));
        assert!(panicked.is_err() && health.is_poisoned());
        let waited = commit.wait(&health, 1, || 0, |_| Ok(()));
        assert!(matches!(waited, Err(Error::SyncFailed { .. })));
    }
}
