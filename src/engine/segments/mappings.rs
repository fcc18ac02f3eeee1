use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;

use crate::Error;
use crate::segment::Sealed;
use crate::sys::mappings_max;

/// The system's limit counts the mappings of the whole process, so all its logs share a budget.
/// (Without a lock, because a fork in the middle of it must not keep the child from going on.)
static LOGS: ArcSwapOption<Vec<Weak<Mappings>>> = ArcSwapOption::const_empty();

/// How many sealed segments all logs of the process have mapped.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

/// A segment has two mappings, and half of what the system allows is left to the application.
const SHARE: usize = 4;

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
        LOGS.rcu(|logs| {
            let open = logs.iter().flat_map(|logs| logs.iter());
            let mut logs: Vec<_> = open.filter(|log| log.strong_count() > 0).cloned().collect();
            logs.push(Arc::downgrade(self));
            Some(Arc::new(logs))
        });
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
    let logs = LOGS.load();
    for anyway in [false, true] {
        for log in logs.iter().flat_map(|logs| logs.iter()).filter_map(Weak::upgrade) {
            let excess = MAPPED.load(Ordering::Relaxed).saturating_sub(keep);
            if excess == 0 {
                return;
            }
            // After a fork, nobody may be left to unlock what belongs to the parent.
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
    let is_limit = matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::OutOfMemory);
    if is_limit {
        release_beyond(0);
    }
    is_limit
}
