use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::stopper::Stopper;

/// So many handlers may be at a message at a time, of all [consumers](crate::Consumer) that share
/// these permits. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Permits(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    free: Mutex<usize>,
    freed: Condvar,
}

/// One of the permits, until it is dropped.
pub(super) struct Permit<'a>(&'a Permits);

impl Permits {
    /// So many permits. With 0, no handler is ever called.
    #[must_use]
    pub fn new(count: usize) -> Permits {
        Permits(Arc::new(Shared {
            free: Mutex::new(count),
            freed: Condvar::new(),
        }))
    }

    /// Waits for a permit; `None` if the consumer is stopped first.
    pub(super) fn take(&self, stopper: &Stopper) -> Option<Permit<'_>> {
        let shared = Arc::clone(&self.0);
        let _woken = stopper.wake_by(move || {
            // With the lock, so that who has seen no stop yet waits already.
            let _free = shared.free.lock();
            shared.freed.notify_all();
        });
        let mut free = self.0.free.lock();
        while !stopper.is_stopped() {
            if *free > 0 {
                *free -= 1;
                return Some(Permit(self));
            }
            self.0.freed.wait(&mut free);
        }
        // Who was told that one is free may have been this one.
        self.0.freed.notify_one();
        None
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.0.free.lock() += 1;
        self.0.0.freed.notify_one();
    }
}
