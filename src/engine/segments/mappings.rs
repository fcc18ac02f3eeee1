use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::segment::Sealed;

/// The sealed segments whose files are mapped, and how many may be.
#[derive(Debug)]
pub(crate) struct Mappings {
    max: usize,
    mapped: Mutex<Vec<Arc<Sealed>>>,
}

impl Mappings {
    pub(super) fn new(max: usize) -> Mappings {
        Mappings {
            max,
            mapped: Mutex::new(Vec::new()),
        }
    }

    /// Notes that a segment's files were mapped, and releases others when there are too many.
    pub(super) fn note(&self, segment: &Arc<Sealed>) {
        let mut mapped = self.mapped.lock();
        if mapped.len() >= self.max {
            // Down to seven eighths, so that mapping a segment does not cost a search every time.
            let keep = self.max - self.max.div_ceil(8);
            mapped.retain(|held| held.is_mapped() && !Arc::ptr_eq(held, segment));
            // Second chance: the first round spares segments that were used since the last search,
            // the second round spares none.
            for anyway in [false, true] {
                let mut excess = mapped.len().saturating_sub(keep);
                mapped.retain(|held| {
                    let released = excess > 0 && held.release(anyway);
                    excess -= usize::from(released);
                    !released
                });
            }
        }
        mapped.push(Arc::clone(segment));
    }

    /// Forgets the segments whose files were released.
    pub(super) fn drop_released(&self) {
        self.mapped.lock().retain(|held| held.is_mapped());
    }

    /// Releases the segments that were not used for `unused_for`, as far as calls of this have
    /// seen.
    pub(super) fn release_unused(&self, unused_for: Duration) {
        let mut mapped = self.mapped.lock();
        let now = Instant::now();
        mapped.retain(|held| !held.release_unused(unused_for, now));
    }

    pub(super) fn clear(&self) {
        self.mapped.lock().clear();
    }
}
