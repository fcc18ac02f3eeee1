//! The spare: space kept back for deleting on a full disk.
//!
//! Rewriting a segment needs space for the messages that are kept before the old file can go. A log
//! of more than one segment therefore has a spare: a file of zeros, as large as a segment but at
//! most 1 MiB. So messages can be deleted on a full disk, a segment at a time, if no more of a
//! segment is kept than the spare can hold. Trimming needs no space.
//!
//! Space is *short* from the moment the spare is given back until a rollover finds as much again.
//! Meanwhile upkeep takes no space: it would use up what was given back. Every task that takes
//! space in the background has a [`Lease`], so that a deletion can wait until nobody has one.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::Result;
use crate::directory::Directory;
use crate::format::SPARE_NAME;
use crate::sys::{Open, found};

const SPARE_LEN_MAX: u64 = 1 << 20;

/// The spare of a log, and the leases of those who take space; see the module.
#[derive(Debug)]
pub(crate) struct Space {
    directory: Arc<Directory>,
    /// Length of the spare in bytes.
    spare_len: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the spare is there, as far as this handle knows.
    has_spare: bool,
    is_short: bool,
    leases: usize,
}

/// The permission to take space in the background.
#[derive(Debug)]
pub(crate) struct Lease {
    space: Arc<Space>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.space.state.lock().leases -= 1;
        self.space.changed.notify_all();
    }
}

impl Space {
    pub(crate) fn new(directory: &Arc<Directory>, rollover: u64) -> Space {
        Space {
            directory: Arc::clone(directory),
            spare_len: rollover.min(SPARE_LEN_MAX),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// The permission to take space that nobody waits for; `None` while space is short.
    pub(crate) fn lease(self: &Arc<Space>) -> Option<Lease> {
        let mut state = self.state.lock();
        if state.is_short {
            return None;
        }
        state.leases += 1;
        drop(state);
        Some(Lease {
            space: Arc::clone(self),
        })
    }

    /// As [`lease`](Space::lease), but also while space is short: for work that has to be done
    /// sooner or later.
    pub(crate) fn lease_anyway(self: &Arc<Space>) -> Lease {
        self.state.lock().leases += 1;
        Lease {
            space: Arc::clone(self),
        }
    }

    /// Whether space is short, so that nothing should take space that nobody waits for.
    pub(crate) fn is_short(&self) -> bool {
        self.state.lock().is_short
    }

    /// Whether the spare is there, as far as this handle knows.
    pub(crate) fn has_spare(&self) -> bool {
        self.state.lock().has_spare
    }

    /// Ends the shortage for closing, which may take the last space there is: nothing follows that
    /// would need it.
    pub(crate) fn end_shortage(&self) {
        self.state.lock().is_short = false;
    }

    /// Gives the spare back. From then on, space is short.
    pub(crate) fn give_back(&self) {
        let mut state = self.state.lock();
        state.is_short = true;
        state.has_spare = false;
        drop(state);
        // If the file cannot be removed, there was no spare, or there is no space to be had.
        let _ = self.directory.dir.remove(SPARE_NAME);
    }

    /// Whether somebody takes space in the background.
    pub(super) fn is_leased(&self) -> bool {
        self.state.lock().leases > 0
    }

    /// Waits until nobody has a lease or the deadline has passed.
    pub(super) fn wait_for_leases(&self, deadline: Instant) {
        let mut state = self.state.lock();
        while state.leases > 0 && !self.changed.wait_until(&mut state, deadline).timed_out() {}
    }

    /// Makes the spare; returns whether space was short until now.
    pub(crate) fn set_aside(&self) -> Result<bool> {
        let dir = &self.directory.dir;
        let file = match found(dir.open(SPARE_NAME, Open::Write))? {
            Some(file) => file,
            None => dir.create_anew(SPARE_NAME)?,
        };
        // The file that is there may come from a smaller rollover size, or from a process that was
        // killed before it had reserved the whole file. The file's length says how much is
        // reserved.
        let len = file.len()?;
        if let Err(error) = file.reserve(len, self.spare_len) {
            if len == 0 {
                let _ = dir.remove(SPARE_NAME);
            }
            return Err(error);
        }
        let mut state = self.state.lock();
        state.has_spare = true;
        Ok(std::mem::take(&mut state.is_short))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::format::IndexKinds;
    use crate::sys::{Os, Storage};

    #[test]
    fn a_shortage_ends_leases_and_waits_for_those_there_are() {
        let dir = tempfile::tempdir().expect("a folder");
        let kinds = IndexKinds {
            key: false,
            time: false,
        };
        let directory = Arc::new(Directory::new(
            Os.open_dir(dir.path()).expect("opened"),
            [0; 16],
            kinds,
            true,
        ));
        let space = Arc::new(Space::new(&directory, 1 << 20));
        assert!(!space.set_aside().expect("set aside"));
        let file = dir.path().join(SPARE_NAME);
        assert_eq!(std::fs::metadata(&file).expect("there").len(), 1 << 20);

        let lease = space.lease().expect("enough space");
        space.give_back();
        assert!(!file.exists() && space.lease().is_none());
        assert!(space.is_leased());
        space.wait_for_leases(Instant::now() + Duration::from_millis(1));
        drop(lease);
        space.wait_for_leases(Instant::now() + Duration::from_secs(3600));
        assert!(!space.is_leased());
        assert!(space.set_aside().expect("set aside") && space.lease().is_some());
    }
}
