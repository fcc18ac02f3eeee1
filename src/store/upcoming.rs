//! What a store has to look at next, and when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::entry::{Entry, Partition};
use super::slot::{Key, Slot};

/// Something that is looked at from time to time.
#[derive(Clone, Debug)]
pub(super) enum Look {
    /// Whether messages of a partition are too old, too many, or superseded.
    Partition(Arc<Entry>, Arc<Partition>),
    /// Whether a stream has been empty for long.
    Emptiness(Arc<Entry>),
    /// Whether the catalog has got long.
    Catalog,
    /// How far the readers of streams have come that keep what was not read.
    Floors(Arc<Slot>),
}

/// Looks by the time when they are due, by the monotonic clock of the store.
#[derive(Debug, Default)]
pub(super) struct Upcoming(Mutex<Looks>);

#[derive(Debug, Default)]
struct Looks {
    by_time: BTreeMap<Key, Look>,
    /// Tells looks apart that are due at the same time.
    count: u64,
}

impl Look {
    fn slot(&self) -> Option<&Slot> {
        match self {
            Look::Partition(_, partition) => Some(&partition.keeping.next_look),
            Look::Emptiness(entry) => Some(&entry.next_look),
            Look::Floors(slot) => Some(slot),
            Look::Catalog => None,
        }
    }
}

impl Upcoming {
    /// Adds a look, unless there is an earlier one at the same; takes the place of a later one.
    pub(super) fn add(&self, due: Instant, look: Look) {
        let mut looks = self.0.lock();
        looks.count += 1;
        let key = (due, looks.count);
        if let Some(slot) = look.slot() {
            let mut slot = slot.0.lock();
            if let Some(known) = slot.take() {
                if known.0 <= due {
                    *slot = Some(known);
                    return;
                }
                looks.by_time.remove(&known);
            }
            *slot = Some(key);
        }
        looks.by_time.insert(key, look);
    }

    /// Takes a look that is due.
    pub(super) fn take_due(&self, now: Instant) -> Option<Look> {
        let mut looks = self.0.lock();
        let first = looks.by_time.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let look = first.remove();
        if let Some(slot) = look.slot() {
            *slot.0.lock() = None;
        }
        Some(look)
    }

    /// Looks at this no more.
    pub(super) fn remove(&self, slot: &Slot) {
        let mut looks = self.0.lock();
        if let Some(key) = slot.0.lock().take() {
            looks.by_time.remove(&key);
        }
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let looks = self.0.lock();
        looks.by_time.first_key_value().map(|((due, _), _)| *due)
    }

    /// Looks at nothing any more.
    pub(super) fn clear(&self) {
        self.0.lock().by_time.clear();
    }
}
