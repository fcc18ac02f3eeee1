//! Group commit: one thread syncs on behalf of all that wait.

use parking_lot::{Condvar, Mutex};

use crate::directory::Health;
use crate::{Error, Result};

/// Decides which thread syncs, and lets the others wait for it.
///
/// The first thread that has to wait becomes the leader and syncs everything that was written until
/// then. The others wait for the leader. The next leader syncs what was written meanwhile.
#[derive(Debug, Default)]
pub(crate) struct GroupCommit {
    is_syncing: Mutex<bool>,
    changed: Condvar,
}

impl GroupCommit {
    /// Returns when `is_done` is true; syncs with `lead` as often as that takes.
    ///
    /// A failed sync poisons the log and is reported to all who wait. An [`Error::Io`] is not a
    /// failed sync: there was no space for the copy of a segment that has to be copied. Nothing was
    /// lost, and the next call tries again.
    pub(super) fn wait(
        &self,
        health: &Health,
        is_done: impl Fn() -> bool,
        lead: impl Fn() -> Result<()>,
    ) -> Result<()> {
        let mut is_syncing = self.is_syncing.lock();
        loop {
            if is_done() {
                return Ok(());
            }
            health.check_not_poisoned()?;
            if *is_syncing {
                self.changed.wait(&mut is_syncing);
                continue;
            }
            *is_syncing = true;
            drop(is_syncing);
            // If syncing panics, no thread may be left waiting: the guard makes all of them fail.
            let guard = Leading { commit: self, health };
            let synced = lead();
            std::mem::forget(guard);
            if let Err(error) = &synced
                && !matches!(error, Error::Io { .. })
            {
                health.poison(error);
            }
            is_syncing = self.is_syncing.lock();
            *is_syncing = false;
            self.changed.notify_all();
            synced?;
        }
    }

    /// Makes the waiting threads look again: more may be durable now, although no leader has synced
    /// it.
    pub(super) fn wake(&self) {
        let _looking = self.is_syncing.lock();
        self.changed.notify_all();
    }
}

struct Leading<'a> {
    commit: &'a GroupCommit,
    health: &'a Health,
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.health.poison(&Error::Poisoned);
        self.commit.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

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
                    let lead = || {
                        syncs.fetch_add(1, Ordering::Relaxed);
                        thread::sleep(std::time::Duration::from_millis(20));
                        durable.store(8, Ordering::Release);
                        Ok(())
                    };
                    let done = commit.wait(health, || durable.load(Ordering::Acquire) >= wanted, lead);
                    done.expect("synced");
                });
            }
        });
        assert_eq!(syncs.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_leader_that_panics_leaves_nobody_waiting() {
        let (commit, (health, _dir)) = (GroupCommit::default(), healthy());
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            commit.wait(&health, || false, || panic!("a planted panic"))
        }));
        assert!(panicked.is_err() && health.is_poisoned());
        let waited = commit.wait(&health, || false, || Ok(()));
        assert!(matches!(waited, Err(Error::SyncFailed { .. })));
    }
}
