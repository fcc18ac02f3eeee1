use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::Error;
use crate::segment::Sealed;
use crate::sys::{self, PerProcess, is_out_of_mappings, mappings_max};

/// The system's limit counts the mappings of the whole process, so all its logs share a budget.
static LOGS: PerProcess<sys::Mutex<Logs>> = PerProcess::new();

/// The logs that have mapped something, and some that are closed by now.
#[derive(Debug, Default)]
struct Logs {
    logs: Vec<Weak<Mappings>>,
    /// With so many, those that are closed are forgotten.
    full: usize,
}

/// How many sealed segments all logs of the process have mapped.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

/// A segment has two mappings, and two more if it is read in order; half of what the system allows
/// is left to the application.
const SHARE: usize = 8;

/// The sealed segments of a log whose files are mapped, and how many may be.
#[derive(Debug)]
pub(crate) struct Mappings {
    max: usize,
    mapped: Mutex<Vec<Arc<Sealed>>>,
    /// The length of `mapped` as it is counted in [`MAPPED`].
    counted: AtomicUsize,
    is_registered: AtomicBool,
}

impl Mappings {
    pub(super) fn new(max: usize) -> Arc<Mappings> {
        Arc::new(Mappings {
            max,
            mapped: Mutex::new(Vec::new()),
            counted: AtomicUsize::new(0),
            is_registered: AtomicBool::new(false),
        })
    }

    /// Notes that a segment's files were mapped, and releases others when there are too many, in
    /// this log or in the process.
    pub(super) fn note(self: &Arc<Mappings>, segment: &Arc<Sealed>) {
        self.register();
        let mut mapped = self.mapped.lock();
        if mapped.len() >= self.max {
            // Down to seven eighths, so that mapping a segment does not cost a search every time.
            let keep = self.max - self.max.div_ceil(8);
            mapped.retain(|held| held.is_mapped() && !Arc::ptr_eq(held, segment));
            // Second chance: the first round spares segments that were used since the last search,
            // the second round spares none.
            for anyway in [false, true] {
                let excess = mapped.len().saturating_sub(keep);
                release(&mut mapped, excess, anyway);
            }
        }
        mapped.push(Arc::clone(segment));
        self.count(mapped.len());
        drop(mapped);
        let max = mappings_max() / SHARE;
        if MAPPED.load(Ordering::Relaxed) > max {
            release_beyond(max);
        }
    }

    fn register(self: &Arc<Mappings>) {
        if self.is_registered.swap(true, Ordering::Relaxed) {
            return;
        }
        let Logs { logs, full } = &mut *LOGS.get().lock();
        if logs.len() >= *full {
            logs.retain(|log| log.strong_count() > 0);
            *full = 2 * logs.len() + 16;
        }
        logs.push(Arc::downgrade(self));
    }

    /// Counts the segments that are mapped now. Called under the lock of `mapped`.
    fn count(&self, len: usize) {
        let before = self.counted.swap(len, Ordering::Relaxed);
        if len >= before {
            MAPPED.fetch_add(len - before, Ordering::Relaxed);
        } else {
            MAPPED.fetch_sub(before - len, Ordering::Relaxed);
        }
    }

    /// Forgets the segments whose files were released.
    pub(super) fn drop_released(&self) {
        self.retain(Sealed::is_mapped);
    }

    /// Releases the segments that were not used for `unused_for`, as far as calls of this have
    /// seen.
    pub(super) fn release_unused(&self, unused_for: Duration) {
        let now = Instant::now();
        self.retain(|held| !held.release_unused(unused_for, now));
    }

    pub(super) fn clear(&self) {
        self.retain(|_| false);
    }

    fn retain(&self, is_kept: impl Fn(&Sealed) -> bool) {
        let mut mapped = self.mapped.lock();
        mapped.retain(|held| is_kept(held));
        self.count(mapped.len());
    }
}

impl Drop for Mappings {
    fn drop(&mut self) {
        self.count(0);
    }
}

/// Releases `excess` segments at most: those that were not used since the last search, or any if
/// `anyway`.
fn release(mapped: &mut Vec<Arc<Sealed>>, mut excess: usize, anyway: bool) {
    mapped.retain(|held| {
        let released = excess > 0 && held.release(anyway);
        excess -= usize::from(released);
        !released
    });
}

/// Releases segments, of whatever log of the process, until seven eighths of `max` are mapped.
fn release_beyond(max: usize) {
    let keep = max - max.div_ceil(8);
    let logs: Vec<_> = LOGS.get().lock().logs.iter().filter_map(Weak::upgrade).collect();
    for anyway in [false, true] {
        for log in &logs {
            let excess = MAPPED.load(Ordering::Relaxed).saturating_sub(keep);
            if excess == 0 {
                return;
            }
            // A thread that holds the lock releases segments of that log itself.
            let Some(mut mapped) = log.mapped.try_lock() else {
                continue;
            };
            mapped.retain(|held| held.is_mapped());
            release(&mut mapped, excess, anyway);
            log.count(mapped.len());
        }
    }
}

/// Releases the segments that are mapped, of whatever log of the process, if the error says that
/// the system allows no more mappings; returns whether it says so.
pub(super) fn releases_for(error: &Error) -> bool {
    let is_limit = is_out_of_mappings(error);
    if is_limit {
        release_beyond(0);
    }
    is_limit
}
