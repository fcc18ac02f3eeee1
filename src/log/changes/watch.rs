use std::sync::atomic::{AtomicU64, Ordering};

/// Identifies a task among those that [`Changes`](super::Changes) wakes.
#[derive(Debug)]
pub struct Watch(u64);

impl Watch {
    /// A new identity, different from all others.
    #[must_use]
    pub fn new() -> Watch {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Watch(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn id(&self) -> u64 {
        self.0
    }
}

impl Default for Watch {
    fn default() -> Watch {
        Watch::new()
    }
}
