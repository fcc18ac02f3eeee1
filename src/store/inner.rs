//! A store that is open: what its handles and the keeper share.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};

use super::catalog::{Catalog, EVENTS_KEPT};
use super::counters::show;
use super::entry::{Entry, Origin, no_stream};
use super::event::StreamEventKind;
use super::info::{ListOptions, Page, StreamInfo};
use super::intents::Intents;
use super::keeper::Keeper;
use super::layout::Layout;
use super::metrics::Metrics;
use super::name;
use super::open_partitions::OpenPartitions;
use super::options::StoreOptions;
use super::record::{Numbers, Record};
use crate::cursor::Kept;
use crate::scheduler::Scheduler;
use crate::sys::Process;
use crate::types::StreamId;
use crate::{Error, Log, Options, Result};

/// A store that is open.
///
/// Locks are taken in this order: that of publishing atomically; that of changing names; that of
/// reading the catalog; settling intents; the gates of partitions, by stream and number; a
/// partition's opening; a stream's record; the lists of streams and of open partitions; that of
/// adding to the catalog. The engine's own come after all of them. Who has the catalog stay as it
/// is takes none of these but the lists.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) options: StoreOptions,
    pub(super) layout: Layout,
    pub(super) catalog: Catalog,
    pub(super) streams: RwLock<Streams>,
    /// Held while a name comes or goes.
    pub(super) changing: Mutex<()>,
    pub(super) open: OpenPartitions,
    pub(super) intents: Intents,
    /// What is stored in the stream of the cursors.
    pub(super) cursors: Arc<Kept>,
    pub(super) keeper: Keeper,
    pub(super) scheduler: Scheduler,
    pub(super) is_closed: AtomicBool,
    pub(super) process: Process,
}

/// The streams that the catalog knows.
#[derive(Debug, Default)]
pub(super) struct Streams {
    by_name: BTreeMap<Arc<str>, Arc<Entry>>,
    pub(super) by_id: BTreeMap<StreamId, Arc<Entry>>,
    /// The offset in the catalog up to which they were read.
    read_to: u64,
    /// What was counted of those that are gone.
    gone: Metrics,
}

impl Streams {
    pub(super) fn insert(&mut self, entry: &Arc<Entry>) {
        self.by_id.insert(entry.id, Arc::clone(entry));
        // A catalog that was salvaged may have lost that another one of this name was removed.
        let other = self.by_name.get(&entry.name);
        if other.is_none_or(|other| other.check_live().is_err() || entry.check_live().is_ok()) {
            self.by_name.insert(Arc::clone(&entry.name), Arc::clone(entry));
        }
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        if self.by_id.remove(&entry.id).is_some() {
            // The counters of the store never go back.
            self.gone += entry.counted();
            // Reports that there is nothing left.
            entry.held();
        }
        // Another may have the name by now.
        if self
            .by_name
            .get(&entry.name)
            .is_some_and(|found| found.id == entry.id)
        {
            self.by_name.remove(&entry.name);
        }
    }

    pub(super) fn count(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.by_id.values()
    }
}

impl Inner {
    /// Takes note of what the catalog says since it was last read.
    pub(super) fn read_catalog(&self) -> Result<()> {
        // The whole of it: else older news might be taken over after newer ones.
        let mut reading = self.catalog.reading.lock();
        let now = Instant::now();
        let last = reading.replace(now);
        let from = self.streams.read().read_to;
        if from > 0 && self.catalog.log.next_offset()? == from {
            return Ok(());
        }
        let mut streams = self.streams.write();
        // What says that a stream is gone may be gone itself by then.
        let is_late = last.is_some_and(|last| now.saturating_duration_since(last) > EVENTS_KEPT / 2);
        let from = if is_late { 0 } else { streams.read_to };
        let (mut news, read_to) = self.catalog.news(from)?;
        if is_late {
            for id in streams.by_id.keys() {
                news.entry(*id).or_insert(None);
            }
        }
        let origin = if self.options.read_only {
            Origin::Read
        } else {
            Origin::Found
        };
        let mut changed = Vec::new();
        for (id, record) in news {
            match (streams.by_id.get(&id).cloned(), record) {
                (None, Some(record)) => {
                    streams.insert(&Arc::new(Entry::new(id, record, origin)));
                }
                (None, None) => {}
                (Some(entry), record) => {
                    if record.is_none() {
                        entry.has_gone();
                        streams.remove(&entry);
                    }
                    changed.push((entry, record));
                }
            }
        }
        streams.read_to = read_to;
        drop(streams);
        for (entry, record) in changed {
            if let Some(record) = record {
                if record.deleted.is_some() {
                    entry.begin_deleting();
                }
                *entry.record.lock() = record;
            }
            // They are opened again as the record says now.
            entry.used().try_for_each(|partition| partition.shut())?;
        }
        Ok(())
    }

    /// Fails if the store was closed, or in a fork; takes note of what a writer has changed.
    pub(super) fn look(&self) -> Result<()> {
        self.check_open()?;
        if self.options.read_only {
            self.read_catalog()?;
        }
        Ok(())
    }

    /// Fails in a fork of the process.
    pub(super) fn check_process(&self) -> Result<()> {
        if self.process.is_current() {
            Ok(())
        } else {
            Err(Error::Forked)
        }
    }

    /// Fails if the store was closed, or in a fork of the process.
    pub(super) fn check_open(&self) -> Result<()> {
        self.check_process()?;
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        Ok(())
    }

    pub(super) fn check_writable(&self) -> Result<()> {
        self.check_open()?;
        if self.options.read_only {
            return Err(Error::ReadOnly);
        }
        Ok(())
    }

    /// The stream of this name, whatever its state.
    pub(super) fn find(&self, name: &str) -> Result<Option<Arc<Entry>>> {
        self.look()?;
        Ok(self.streams.read().by_name.get(name).cloned())
    }

    /// The stream with this id, unless it is gone or being deleted.
    pub(super) fn live_by_id(&self, id: StreamId) -> Option<Arc<Entry>> {
        let entry = self.streams.read().by_id.get(&id).cloned();
        entry.filter(|entry| entry.check_live().is_ok())
    }

    /// The stream of this name. Fails if it is being deleted.
    pub(super) fn entry(&self, name: &str) -> Result<Arc<Entry>> {
        let entry = self.find(name)?.ok_or_else(|| no_stream(name))?;
        entry.check_live()?;
        Ok(entry)
    }

    /// Changes what the catalog says of a stream; returns whether `change` has changed anything. It
    /// is on stable storage then.
    pub(super) fn change(
        &self,
        entry: &Entry,
        kind: Option<StreamEventKind>,
        partitions: &Numbers,
        change: impl FnOnce(&mut Record) -> Result<bool>,
    ) -> Result<bool> {
        self.check_writable()?;
        let mut record = entry.record.lock();
        entry.check_live()?;
        let mut changed = record.clone();
        if !change(&mut changed)? {
            return Ok(false);
        }
        let concerned = changed_among(partitions, &record, &changed);
        self.catalog.note(entry.id, kind, &concerned, &changed)?;
        *record = changed;
        Ok(true)
    }

    /// See [`Store::list`](super::Store::list).
    pub(super) fn list(&self, how: &ListOptions, scope: &str) -> Result<Page<StreamInfo>> {
        if !(1..=1000).contains(&how.limit) {
            return Err(Error::Invalid("a list has from 1 to 1,000 streams"));
        }
        self.look()?;
        let prefix = format!("{scope}{}", how.prefix);
        let after = format!("{scope}{}", how.start_after);
        let start = if how.start_after.is_empty() || after < prefix {
            Bound::Included(prefix.as_str())
        } else {
            Bound::Excluded(after.as_str())
        };
        let mut found: Vec<_> = {
            let streams = self.streams.read();
            let found = streams.by_name.range::<str, _>((start, Bound::Unbounded));
            let found = found.map(|(_, entry)| Arc::clone(entry));
            let found = found.take_while(|entry| entry.name.starts_with(&prefix));
            let found = found.filter(|entry| !name::is_reserved(&entry.name));
            found.take(how.limit + 1).collect()
        };
        let has_more = found.len() > how.limit;
        found.truncate(how.limit);
        let items = found.iter().map(|entry| info(entry)).collect();
        Ok(Page { items, has_more })
    }

    /// The stream of this name as far as it is known, without a look at what has changed.
    pub(super) fn known(&self, name: &str) -> Option<Arc<Entry>> {
        self.check_process().ok()?;
        self.streams.read().by_name.get(name).cloned()
    }

    /// See [`Stream::metrics`](super::Stream::metrics).
    pub(super) fn metrics_of(&self, entry: &Entry) -> Metrics {
        if self.check_process().is_err() {
            return Metrics::default();
        }
        entry.metrics()
    }

    /// See [`Store::metrics`](super::Store::metrics).
    pub(super) fn metrics(&self) -> Metrics {
        if self.check_process().is_err() {
            // What the parent's threads had locked when it forked stays locked here.
            return Metrics::default();
        }
        let (mut all, entries) = {
            let streams = self.streams.read();
            let mut counted = streams.gone;
            streams.all().for_each(|entry| counted += entry.counted());
            (counted, streams.all().cloned().collect::<Vec<_>>())
        };
        for entry in entries {
            all += entry.held();
        }
        show(self.layout.root().path(), &all);
        all
    }

    /// The options by which a partition is opened.
    pub(super) fn options_of(&self, record: &Record) -> Options {
        record.config.apply_to(self.options.log.clone())
    }

    /// Closes the store, unless it is closed. `before` is what has come of all else.
    pub(super) fn close_logs(&self, before: Result<()>) -> Result<()> {
        if self.is_closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.keeper.stop();
        let entries: Vec<_> = self.streams.read().all().cloned().collect();
        let mut closed = before;
        for partition in entries.iter().flat_map(|entry| entry.used()) {
            let _alone = partition.gate.write();
            closed = closed.and(partition.shut());
            partition.changes.notify();
        }
        self.open.clear();
        closed = closed.and(self.intents.close());
        closed.and(self.catalog.log.close())
    }
}

/// Those of some partitions for which something has changed; all, if it is something else.
fn changed_among(partitions: &Numbers, before: &Record, after: &Record) -> Numbers {
    let is_same = |number: &u32| {
        [
            (&before.sealed, &after.sealed),
            (&before.paused, &after.paused),
            (&before.made, &after.made),
        ]
        .iter()
        .all(|(before, after)| before.contains(*number) == after.contains(*number))
    };
    let changed: Numbers = partitions.iter().filter(|number| !is_same(number)).collect();
    if changed.is_empty() {
        partitions.clone()
    } else {
        changed
    }
}

/// Describes a stream.
pub(super) fn info(entry: &Entry) -> StreamInfo {
    let record = entry.record.lock();
    StreamInfo {
        name: entry.name.as_ref().to_owned(),
        id: entry.id,
        partitions: entry.partition_count(),
        created: record.created,
        deleted_at: record.deleted,
        sealed: record.sealed.iter().collect(),
        paused: record.paused.iter().collect(),
    }
}
