//! Up to where retention may go in the partitions of streams that keep what was not read.
//!
//! A [floor](crate::RetentionFloor) must not be above what some reader may come back to after a
//! power cut. So the cursors and the states of work queues are brought to stable storage, and then
//! the floors are raised to where they were before that: once a second, and when retention is asked
//! for by hand, but not while the store is copied. A floor is lowered at once: for a cursor that is
//! new or goes back while the lock on all cursors is held, for a queue when it is opened, and for a
//! log that is being opened.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::access::{Access, Asked};
use super::entry::{Entry, Partition};
use super::event::StreamEventKind;
use super::inner::Inner;
use super::layout::Layout;
use super::name::CURSORS;
use super::readers::Dealt;
use super::record::Numbers;
use super::upcoming::Look;
use crate::cursor::{KeptIn, Places};
use crate::queue::Floors;
use crate::{Error, Log, Result};

/// How often the floors are set.
const PERIOD: Duration = Duration::from_secs(1);

impl Inner {
    /// Has the floors of a stream set from now on, if it keeps what was not read.
    pub(super) fn keep_floors(&self, entry: &Entry) {
        if keeps_unread(entry) {
            let look = Look::Floors(Arc::clone(&self.keeper.floors));
            self.keeper.upcoming.add(self.now(), look);
        }
    }

    /// Sets the floors of all streams that keep what was not read, and has it done again.
    pub(super) fn look_at_floors(&self) {
        let entries: Vec<_> = self.streams.read().all().cloned().collect();
        let entries: Vec<_> = entries.into_iter().filter(|entry| keeps_unread(entry)).collect();
        if entries.is_empty() {
            return;
        }
        // What fails is tried again. Until then nothing more goes.
        let _ = self.set_floors(&entries);
        for entry in &entries {
            self.go_on_retaining(entry);
        }
        let look = Look::Floors(Arc::clone(&self.keeper.floors));
        self.keeper.upcoming.add(self.now() + PERIOD, look);
    }

    /// Sets the floors of a stream, if it keeps what was not read.
    pub(super) fn set_floors_of(&self, entry: &Arc<Entry>) -> Result<()> {
        if keeps_unread(entry) && !self.options.read_only {
            self.set_floors(std::slice::from_ref(entry))?;
        }
        Ok(())
    }

    fn set_floors(&self, entries: &[Arc<Entry>]) -> Result<()> {
        // What a copy has of a reader would be behind what it has of the messages.
        let is_copied = || self.keeper.copies.load(Ordering::Acquire) > 0;
        if is_copied() {
            return Ok(());
        }
        let dealt: Vec<Result<Dealt>> = entries
            .iter()
            .map(|entry| entry.queues.sync(|| self.layout.queues_of(entry.id)))
            .collect();
        let set = |cursors: &Places<'_>| {
            // A copy that has begun meanwhile may be older than what was just looked at.
            if is_copied() {
                return;
            }
            for (entry, dealt) in entries.iter().zip(&dealt) {
                // If it failed, the floors of this stream stay.
                if let Ok(dealt) = dealt {
                    set_floors(entry, cursors, dealt);
                }
            }
        };
        if let Some(kept) = self.kept_cursors()? {
            return self.cursors.sync(&kept, set);
        }
        self.cursors.look_at_none(set);
        Ok(())
    }

    /// Where the cursors are kept, if any are.
    fn kept_cursors(&self) -> Result<Option<KeptIn>> {
        let Some(entry) = self.find(CURSORS)? else {
            return Ok(None);
        };
        let partition = entry.partition(0)?;
        Access::new(self, &entry, partition).reading(Asked::Changing, |_| Ok(()))?;
        let log = partition.log.load_full().ok_or(Error::Closed)?;
        Ok(Some(KeptIn {
            log: log as Arc<dyn Log>,
            path: Layout::path_of(self.layout.root(), entry.id, 0),
            is_read_only: false,
        }))
    }

    /// Holds the floors where they are, while the store is copied.
    pub(super) fn hold_floors(&self) -> HeldFloors<'_> {
        self.keeper.copies.fetch_add(1, Ordering::AcqRel);
        HeldFloors(&self.keeper.copies)
    }

    /// Removes what was kept for readers who have come further, and tells of partitions that have
    /// lost what was not read.
    fn go_on_retaining(&self, entry: &Arc<Entry>) {
        for partition in made(entry) {
            if partition.remembered.readers.floor().take_raised() {
                partition.remembered.aging.lock().look_again();
                match partition.log.load_full() {
                    Some(log) => log.retain(),
                    None => self.look_at(self.now(), entry, &partition),
                }
            }
        }
        self.tell_overruns(entry);
    }

    /// Notes as an event which partitions of a stream have lost what was not read. What cannot be
    /// noted now is noted at the next look.
    pub(super) fn tell_overruns(&self, entry: &Arc<Entry>) {
        let mut lost = made(entry);
        lost.retain(|partition| partition.remembered.readers.take_overrun());
        if lost.is_empty() {
            return;
        }
        let numbers: Numbers = lost.iter().map(|partition| partition.number).collect();
        let noted = self.change(entry, Some(StreamEventKind::Overrun), &numbers, |_| Ok(true));
        if noted.is_err() {
            for partition in lost {
                partition.remembered.readers.put_overrun_back();
            }
        }
    }
}

/// While it is there, no floor is raised.
pub(super) struct HeldFloors<'a>(&'a AtomicU32);

impl Drop for HeldFloors<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A work queue of a stream was opened: nothing goes that it needs.
pub(super) fn queue_opened(entry: &Entry, group: &str, queue: Floors) -> Result<()> {
    let floors = queue.synced()?;
    entry.queues.opened(group, queue, floors.clone());
    for (number, floor) in (0..).zip(floors) {
        entry.partition(number)?.remembered.readers.add(floor);
    }
    Ok(())
}

/// Whether retention has anything to remove from a stream, and readers to wait for.
fn keeps_unread(entry: &Entry) -> bool {
    let policy = entry.record.lock().config.policy();
    policy.is_limited() && policy.keeps_unread() && entry.check_live().is_ok()
}

fn set_floors(entry: &Entry, cursors: &Places<'_>, dealt: &Dealt) {
    // Else who opened a queue meanwhile has lowered the floors, and they stay so until the next
    // look.
    let Some(_no_queue_opens) = entry.queues.hold(dealt) else {
        return;
    };
    for partition in made(entry) {
        let number = partition.number;
        let places = cursors
            .of(&entry.name, entry.id, number)
            .chain(dealt.places(number));
        partition.remembered.readers.set(places.collect(), &partition.log);
    }
}

/// The partitions that have a log.
fn made(entry: &Entry) -> Vec<Arc<Partition>> {
    let made = entry.record.lock().made.clone();
    let partitions = made.iter().filter_map(|number| entry.partition(number).ok());
    partitions.cloned().collect()
}
