//! Compaction in the background: of partitions whose streams ask for it, and of the catalog.
//!
//! It is long work that is not done in slices, so it has a thread of its own, which is there only
//! where something is compacted.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::access::{Access, Asked};
use super::catalog::EVENTS_KEPT;
use super::compactor::Job;
use super::entry::{Entry, Partition};
use super::inner::Inner;
use super::record::Numbers;
use crate::compact::{Settings, compact_with};
use crate::scheduler::{Scheduler, Turn, Worker};
use crate::{FileLog, Log, Result};

/// How far a partition comes, at least, before it is noted how far it was compacted.
const NOTES_APART: u64 = 1024;
/// So many messages more than it needs the catalog may have.
const CATALOG_SLACK: u64 = 1024;

/// Takes the turns of a store, which it does not keep open.
struct Turns(Weak<Inner>);

impl Worker for Turns {
    fn turn(&self, _: Turn) {
        if let Some(inner) = self.0.upgrade() {
            inner.compact_next();
        }
    }
}

/// Has the store compact what is asked for from now on.
pub(super) fn start(inner: &Arc<Inner>, scheduler: &Scheduler, file_system: u64) {
    let turns = Arc::new(Turns(Arc::downgrade(inner)));
    inner.keeper.compactor.start(turns, scheduler, file_system);
}

impl Inner {
    /// Compacts what is next. What fails is asked for again when it is looked at again.
    fn compact_next(&self) {
        let _closing_waits = self.keeper.compactor.begin();
        if self.check_writable().is_err() {
            return;
        }
        let _ = match self.keeper.compactor.next() {
            Some(Job::Partition(entry, partition)) => self.compact_partition(&entry, &partition),
            Some(Job::Catalog) => self.compact_catalog(),
            None => Ok(()),
        };
        self.keeper.compactor.go_on();
    }

    /// Has a partition compacted if there is enough to do.
    pub(super) fn compact_if_due(&self, entry: &Arc<Entry>, partition: &Arc<Partition>) {
        let is_paused = entry.record.lock().paused.contains(partition.number);
        if !is_paused && self.is_compaction_due(entry, partition) {
            self.keeper
                .compactor
                .ask(Job::Partition(Arc::clone(entry), Arc::clone(partition)));
        }
    }

    /// Whether half of the messages are new since the last compaction; where nobody uses the
    /// partition, a tenth.
    fn is_compaction_due(&self, entry: &Arc<Entry>, partition: &Arc<Partition>) -> bool {
        let is_open = partition.log.load().is_some();
        let Ok(Some(holds)) = self.holdings_of(entry, partition) else {
            return false;
        };
        let compacted_to = compacted_to(entry, partition);
        let is_enough = |to: u64| {
            let new = to.saturating_sub(compacted_to);
            new > 0 && new.saturating_mul(if is_open { 2 } else { 10 }) >= holds.messages
        };
        // What is too young counts when it has become old enough.
        is_enough(holds.next_offset)
            && old_enough_of(entry).is_none_or(|age| {
                let look = |log: &FileLog| log.offset_by_age(age);
                let old = match partition.log.load_full() {
                    Some(log) => look(&log).map(Some),
                    None => Access::new(self, entry, partition).apart(look),
                };
                matches!(old, Ok(Some(Some(to))) if is_enough(to))
            })
    }

    fn compact_partition(&self, entry: &Arc<Entry>, partition: &Arc<Partition>) -> Result<()> {
        entry.check_live()?;
        // One that is paused stays so.
        Access::new(self, entry, partition).open(Asked::Reading)?;
        let Some(log) = partition.log.load_full() else {
            return Ok(());
        };
        let _pinned = partition.pin();
        // Whoever changes them from here on closes this log.
        let Some(settings) = entry.record.lock().config.compaction.settings() else {
            return Ok(());
        };
        self.compact_log(entry, partition, &log, &settings)
    }

    fn compact_log(
        &self,
        entry: &Arc<Entry>,
        partition: &Partition,
        log: &FileLog,
        settings: &Settings,
    ) -> Result<()> {
        let age = old_enough_of(entry);
        let old = age.map(|age| log.offset_by_age(age)).transpose()?.flatten();
        let to = old.unwrap_or(log.next_offset()?);
        self.compact(log, settings)?;
        partition.keeping.compacted_to.fetch_max(to, Ordering::AcqRel);
        // A note takes space in the catalog for a week. Without one, the next life compacts what it
        // need not.
        let noted = noted_to(entry, partition.number);
        if to < noted.saturating_mul(2).max(NOTES_APART) {
            return Ok(());
        }
        self.change(entry, None, &Numbers::default(), |record| {
            record.compacted.insert(partition.number, to);
            Ok(true)
        })?;
        Ok(())
    }

    /// Removes events that are old, of streams that have changed since or are gone.
    fn compact_catalog(&self) -> Result<()> {
        let log = &self.catalog.log;
        let needed = self.streams.read().count() as u64;
        if log.stat()?.messages <= needed.saturating_mul(2).saturating_add(CATALOG_SLACK) {
            return Ok(());
        }
        let settings = Settings::new().older_than(EVENTS_KEPT);
        self.compact(log, &settings)
    }

    /// Compacts a log; ends early if the store is closed.
    fn compact(&self, log: &FileLog, settings: &Settings) -> Result<()> {
        compact_with(log, settings, |_| {
            if self.is_closed.load(Ordering::Acquire) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        self.check_open()
    }
}

/// How old messages have to be to be removed, if not all may be.
fn old_enough_of(entry: &Entry) -> Option<Duration> {
    entry.record.lock().config.compaction.older_than
}

/// The offset up to which a partition was compacted, as far as that is known.
fn compacted_to(entry: &Entry, partition: &Partition) -> u64 {
    let known = partition.keeping.compacted_to.load(Ordering::Acquire);
    known.max(noted_to(entry, partition.number))
}

/// What the catalog says of that.
fn noted_to(entry: &Entry, number: u32) -> u64 {
    let record = entry.record.lock();
    record.compacted.get(&number).copied().unwrap_or_default()
}
