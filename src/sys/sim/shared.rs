use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::machine::Machine;

/// A machine that several threads use.
pub(super) struct Shared {
    machine: Mutex<Machine>,
    visit: Mutex<Option<Visit>>,
}

pub(super) type Visit = Arc<dyn Fn() + Send + Sync>;

/// The machine for one call. After the call there is another visit.
pub(super) struct Entered<'a> {
    /// Dropped before the visit, so that what the visit does can use the machine.
    machine: Option<MutexGuard<'a, Machine>>,
    visit: Option<Visit>,
}

impl Shared {
    pub(super) fn new(machine: Machine) -> Arc<Shared> {
        Arc::new(Shared {
            machine: Mutex::new(machine),
            visit: Mutex::new(None),
        })
    }

    /// `visit` is called before and after each call from now on.
    pub(super) fn set_visit(&self, visit: Option<Visit>) {
        *self.visit.lock() = visit;
    }

    /// The machine for a call, around which there are visits.
    pub(super) fn lock(&self) -> Entered<'_> {
        let visit = self.visit.lock().clone();
        if let Some(visit) = &visit {
            visit();
        }
        Entered {
            machine: Some(self.machine.lock()),
            visit,
        }
    }

    /// The machine for what is no call of the file system.
    pub(super) fn lock_unseen(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock()
    }
}

impl Deref for Entered<'_> {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        self.machine.as_ref().expect("entered")
    }
}

impl DerefMut for Entered<'_> {
    fn deref_mut(&mut self) -> &mut Machine {
        self.machine.as_mut().expect("entered")
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.machine = None;
        if let Some(visit) = &self.visit {
            visit();
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
