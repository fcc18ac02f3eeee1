//! Copying a store, as it is at one moment, to another directory.
//!
//! The copy of the catalog is what makes a directory a copy: it says that the copy is unfinished
//! until everything else is there.
//!
//! 1. The copy of the catalog is marked as unfinished, and locked.
//! 2. The states of work queues are copied, and then the partitions, so that no queue in the copy
//!    speaks of messages that its partition does not have. Everything goes on meanwhile. To have
//!    little to do in the end, those partitions are copied then that were made meanwhile, and those
//!    that were changed together with others.
//! 3. For a moment, nobody publishes atomically and all intents are settled, and then nobody adds
//!    to the catalog. What has come since is copied, what has gone is removed, and the catalog is
//!    copied. With that, the copy counts.
//!
//! A partition that was changed alone since it was copied is older in the copy than the catalog is,
//! which is as if it had not been synced yet. What the catalog says of it holds for it all the
//! same: see `docs/design.md`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::catalog::{options_of_intents, options_of_queue};
use super::inner::Inner;
use super::intents::{Place, TouchedSince};
use super::layout::{CATALOG, Layout};
use super::name;
use super::record::Record;
use super::report::{PartitionReport, StoreBackupReport};
use crate::directory::Copies;
use crate::engine::To;
use crate::sys::{Created, Dir};
use crate::types::StreamId;
use crate::{BackupReport, Durability, Error, FileLog, Log, Result};

/// How often partitions are copied while everything goes on.
const ROUNDS: u32 = 2;

/// A copy that is being made.
struct Copying<'a> {
    inner: &'a Inner,
    /// Whether the logs of the copy are to have lives of their own.
    is_fork: bool,
    /// What the catalog said when it was read last of the streams that are not deleted.
    states: BTreeMap<StreamId, Record>,
    /// The offset in the catalog up to which it was read.
    read_to: u64,
    touched: Arc<TouchedSince>,
    copied: BTreeMap<Place, BackupReport>,
    streams_removed: u64,
}

impl Inner {
    /// See [`Store::backup`](super::Store::backup); as a fork, see [`restore`](super::restore()).
    pub(super) fn copy(&self, path: &Path, is_fork: bool) -> Result<StoreBackupReport> {
        self.check_open()?;
        let catalog = &self.catalog.log;
        let _no_writer = self
            .options
            .read_only
            .then(|| self.options.log.lock(catalog.dir(), false))
            .transpose()?;
        let mut copying = Copying {
            inner: self,
            is_fork,
            states: BTreeMap::new(),
            read_to: 0,
            // Before anything is looked at.
            touched: self.intents.touched.watch(),
            copied: BTreeMap::new(),
            streams_removed: 0,
        };
        copying.read_catalog()?;
        let own = self.layout.root();
        let mut created = Created::open(own, path, &|dir| {
            if dir.is_inside(own)? {
                return Err(Error::Invalid("a store cannot be copied into itself"));
            }
            Ok(())
        })?;
        let root = created.dir().clone();
        let earlier = root.enter(CATALOG)?.map(|dir| Copies::read(&dir)).transpose()?;
        let has_catalog = earlier.is_some_and(|earlier| !earlier.is_absent());
        // A catalog without a log may be all that is left of that of a store.
        if !has_catalog && root.list()?.iter().any(|name| name != CATALOG) {
            return Err(Error::Invalid(
                "the target has other things in it than a copy of the store",
            ));
        }
        created.go_into(CATALOG)?;
        let to = created.dir().clone();
        let _lock = catalog.mark_target(&to, is_fork, &|has_earlier| {
            if has_earlier {
                copying.refuse_partitions(&Layout::find(&root)?)?;
            }
            Ok(())
        })?;
        created.keep();
        copying.run(&Layout::make(&root)?, &to)
    }
}

impl Copying<'_> {
    fn run(mut self, to: &Layout, catalog: &Dir) -> Result<StoreBackupReport> {
        to.remove_intents()?;
        if self.is_fork {
            // What another restore may have left is no log that this one goes on with.
            to.keep_only(|_| false)?;
        }
        let inner = self.inner;
        let _held = inner.hold_floors();
        self.copy_queues(to)?;
        for _ in 0..ROUNDS {
            self.copy_partitions(to)?;
        }
        let _no_parts = inner.intents.publishing.write();
        if !inner.options.read_only {
            inner.settle_all()?;
        }
        let _still = inner.catalog.adding.write();
        self.copy_partitions(to)?;
        self.copy_intents(to)?;
        let catalog = self.copy_log(&inner.catalog.log, To::Locked(catalog))?;
        Ok(self.report(catalog))
    }

    fn report(self, catalog: BackupReport) -> StoreBackupReport {
        let states = &self.states;
        let mut partitions: Vec<_> = self
            .copied
            .into_iter()
            .filter_map(|((id, partition), report)| {
                let stream = states.get(&id)?.name.clone();
                Some(PartitionReport {
                    stream,
                    id,
                    partition,
                    report,
                })
            })
            .collect();
        partitions.sort_by(|a, b| (&a.stream, a.partition).cmp(&(&b.stream, b.partition)));
        StoreBackupReport {
            catalog,
            partitions,
            streams_removed: self.streams_removed,
        }
    }

    /// Takes note of what the catalog says since it was last read.
    fn read_catalog(&mut self) -> Result<()> {
        let (news, read_to) = self.inner.catalog.news(self.read_to)?;
        for (id, record) in news {
            match record.filter(|record| record.deleted.is_none()) {
                Some(record) => drop(self.states.insert(id, record)),
                None => drop(self.states.remove(&id)),
            }
        }
        self.read_to = read_to;
        Ok(())
    }

    /// Whether the catalog says now that a stream is there and not deleted.
    fn is_live(&self, id: StreamId) -> Result<bool> {
        let (news, _) = self.inner.catalog.news(self.read_to)?;
        Ok(match news.get(&id) {
            Some(record) => record.as_ref().is_some_and(|record| record.deleted.is_none()),
            None => self.states.contains_key(&id),
        })
    }

    /// The partitions that were used. First those of streams that say how far others were read: a
    /// copy of them that is older than those streams only has messages delivered again.
    fn made(&self) -> Vec<Place> {
        let (own, others): (Vec<_>, Vec<_>) = self
            .states
            .iter()
            .partition(|(_, record)| name::is_reserved(&record.name));
        let made = own.into_iter().chain(others);
        let made = made.flat_map(|(id, record)| record.made.iter().map(|number| (*id, number)));
        made.collect()
    }

    /// Fails if the copy has something that a partition does not have.
    fn refuse_partitions(&self, to: &Layout) -> Result<()> {
        for place in self.made() {
            if let Some(dir) = to.find_partition(place.0, place.1)? {
                self.with_log(place, |log| log.refuse_target(&dir))?;
            }
        }
        Ok(())
    }

    /// Copies the partitions that the copy lacks, and once more those that were touched since, and
    /// removes the streams that have gone.
    fn copy_partitions(&mut self, to: &Layout) -> Result<()> {
        self.read_catalog()?;
        self.streams_removed += to.keep_only(|id| self.states.contains_key(&id))?;
        // Taken first: what is touched while it is copied is copied again.
        let touched = self.touched.take();
        for place in self.made() {
            let before = self.copied.get(&place).copied();
            if before.is_some() && !touched.contains(&place) {
                continue;
            }
            if let Some(mut report) = self.copy_partition(place, to)? {
                let before = before.unwrap_or_default();
                report.segments_copied += before.segments_copied;
                report.bytes_copied += before.bytes_copied;
                report.files_removed += before.files_removed;
                self.copied.insert(place, report);
            }
        }
        Ok(())
    }

    fn copy_partition(&self, (id, number): Place, to: &Layout) -> Result<Option<BackupReport>> {
        let copy = || {
            let dir = to.partition(id, number, false)?;
            self.with_log((id, number), |log| self.copy_log(log, To::Dir(&dir)))
        };
        match copy() {
            // Nothing here counts yet, and the partition has lost its end since this was copied.
            Err(Error::Invalid(_)) => {
                to.remove_partition(id, number)?;
                copy()
            }
            copied => copied,
        }
    }

    /// Copies the states of work queues, and removes those that have gone.
    fn copy_queues(&self, to: &Layout) -> Result<()> {
        let queues = Layout::queues_in(self.inner.layout.root())?;
        let queues = queues.iter().filter(|(id, ..)| self.states.contains_key(id));
        let queues: Vec<_> = queues.collect();
        to.keep_queues(|id, group| {
            !self.is_fork && queues.iter().any(|own| (own.0, &*own.1) == (id, group))
        })?;
        for (id, group, dir) in queues {
            // Beside whoever has it open.
            let options = options_of_queue(&self.inner.options.log, Durability::Os);
            let log = match options.read_only(true).recover(false).open_in(dir) {
                // It was just made, or has gone with its stream.
                Err(Error::NoLog { .. }) => continue,
                Err(_) if !self.is_live(*id)? => continue,
                log => log?,
            };
            let copy = || self.copy_log(&log, To::Dir(&to.make_queue(*id, group)?));
            match copy() {
                // It has lost its end since this was copied.
                Err(Error::Invalid(_)) => {
                    to.remove_queue(*id, group)?;
                    copy()?;
                }
                copied => drop(copied?),
            }
        }
        Ok(())
    }

    fn copy_log(&self, log: &FileLog, to: To<'_>) -> Result<BackupReport> {
        if self.is_fork {
            log.copy_until(to, log.next_offset()?)
        } else {
            log.backup_to(to)
        }
    }

    /// Copies what a writer has left that died. None that is alive leaves anything here.
    fn copy_intents(&self, to: &Layout) -> Result<()> {
        let inner = self.inner;
        let Some(dir) = Layout::intents_in(inner.layout.root())?.filter(|_| inner.options.read_only) else {
            return Ok(());
        };
        match options_of_intents(&inner.options.log).open_in(&dir) {
            Err(Error::NoLog { .. }) => Ok(()),
            log => self.copy_log(&log?, To::Dir(&to.make_intents()?)).map(|_| ()),
        }
    }

    /// Does something with the log of a partition, whether that is open or not; `None` if the
    /// stream was deleted meanwhile.
    fn with_log<T>(&self, place: Place, work: impl Fn(&FileLog) -> Result<T>) -> Result<Option<T>> {
        match self.with_log_there(place, work) {
            Err(error) if self.is_live(place.0)? => Err(error),
            done => Ok(done.ok()),
        }
    }

    fn with_log_there<T>(&self, (id, number): Place, work: impl Fn(&FileLog) -> Result<T>) -> Result<T> {
        let inner = self.inner;
        let record = self
            .states
            .get(&id)
            .ok_or_else(|| inner.layout.no_log(id, number))?;
        let entry = inner.streams.read().by_id.get(&id).cloned();
        let partition = entry.as_ref().map(|entry| entry.partition(number)).transpose()?;
        // If it is open, it stays open: what was closed would have to be begun again.
        let _pinned = partition.map(|partition| partition.pin());
        while let Some(log) = partition.and_then(|partition| partition.log.load_full()) {
            inner.check_open()?;
            match work(&log) {
                // Whoever closes it takes it away first.
                Err(Error::Closed) => {}
                done => return done,
            }
        }
        inner.check_open()?;
        // Beside whoever opens it meanwhile.
        let dir = inner.layout.partition(id, number, true)?;
        let options = inner.options_of(record).read_only(true).recover(false);
        work(&options.open_in(&dir)?)
    }
}
