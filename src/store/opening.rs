//! Opening a store.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::{Mutex, RwLock};

use super::background::start;
use super::catalog::Catalog;
use super::inner::Inner;
use super::intents::Intents;
use super::keeper::Keeper;
use super::layout::{CATALOG, Layout};
use super::open_partitions::OpenPartitions;
use super::options::StoreOptions;
use super::telling::Telling;
use crate::directory::corrupt;
use crate::scheduler::Scheduler;
use crate::sys::{Created, Dir, Process};
use crate::{Corruption, Error, FileLog, Log, Result};

/// What the handles of a store share. The store is closed when the last of them is dropped, also if
/// the keeper is at work then.
#[derive(Debug)]
pub(super) struct Owner(Arc<Inner>);

impl Deref for Owner {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.process.is_current() {
            // The result is lost here: a caller who needs it calls `close`.
            let _ = self.close();
        } else {
            self.let_go();
            // What the parent's threads were changing when it forked is half changed here.
            std::mem::forget(Arc::clone(&self.0));
        }
    }
}

impl Owner {
    /// See [`Store::close`](super::Store::close).
    pub(super) fn close(&self) -> Result<()> {
        if let Err(forked) = self.check_process() {
            self.let_go();
            return Err(forked);
        }
        let mut ready = Ok(());
        if self.check_writable().is_ok() {
            // What an earlier life has left may not be on stable storage.
            ready = self.sync();
            if self.intents.is_any() {
                // What is not settled now is found when the store is opened again.
                let _ = self.settle();
            }
        }
        let closed = self.close_logs(ready);
        if let Some(telling) = &self.keeper.telling {
            telling.tell();
        }
        closed
    }

    /// In a fork of the process: lets go of the locks on directories, which must not outlast the
    /// parent. No lock is waited for, because a thread of the parent may have held it.
    fn let_go(&self) {
        let forked = |log: &Arc<FileLog>| drop(log.close());
        forked(&self.catalog.log);
        if let Some(log) = self.intents.log.try_lock() {
            log.iter().for_each(forked);
        }
        if let Some(streams) = self.streams.try_read() {
            let partitions = streams.all().flat_map(|entry| entry.used());
            let open = partitions.filter_map(|partition| partition.log.load_full());
            open.for_each(|log| forked(&log));
        }
    }

    /// Opens the store in `path`.
    pub(super) fn open(path: &Path, options: &StoreOptions) -> Result<Owner> {
        if options.read_only || !options.create_dirs {
            return Owner::open_in(&options.log.dir_of_log(path)?, options);
        }
        let created = Created::open(&*options.log.file_system(), path, &|_| Ok(()))?;
        let inner = Owner::open_in(created.dir(), options)?;
        created.keep();
        Ok(inner)
    }

    fn open_in(root: &Dir, options: &StoreOptions) -> Result<Owner> {
        let scheduler = Scheduler::new();
        let mut log = options.log.clone().read_only(options.read_only);
        log.environment.scheduler = Some(scheduler.clone());
        let telling = Telling::new(&log.environment.listener);
        if let Some(telling) = &telling {
            if log.background && !options.read_only {
                telling.start(&scheduler);
            }
            log.environment.listener = telling.listener();
        }
        let dir = if options.read_only {
            root.enter(CATALOG)?.ok_or_else(|| no_store(root))?
        } else {
            make_catalog(root)?
        };
        let catalog = Catalog::open(&dir, &log)?;
        let layout = if options.read_only {
            match Layout::find(root) {
                // Whoever makes the store has not come so far yet.
                Err(Error::Corrupt { .. }) if catalog.log.next_offset()? == 0 => return Err(no_store(root)),
                found => found?,
            }
        } else {
            if catalog.log.next_offset()? == 0 && Layout::has_streams(root)? {
                return Err(corrupt(dir.path(), 0, None, Corruption::Directory));
            }
            Layout::make(root)?
        };
        let options = StoreOptions {
            log,
            ..options.clone()
        };
        let inner = Arc::new(Inner {
            open: OpenPartitions::new(options.open_max),
            options,
            layout,
            catalog,
            streams: RwLock::default(),
            changing: Mutex::new(()),
            intents: Intents::default(),
            cursors: Arc::default(),
            keeper: Keeper::new(telling),
            scheduler,
            is_closed: AtomicBool::new(false),
            process: Process::current(),
        });
        let owner = Owner(Arc::clone(&inner));
        inner.read_catalog()?;
        if !inner.options.read_only {
            inner.clear_up()?;
            start(&inner, root);
        }
        Ok(owner)
    }
}

impl Inner {
    /// Does what an earlier life has not come to.
    fn clear_up(&self) -> Result<()> {
        let (known, deleted) = {
            let streams = self.streams.read();
            let known: BTreeSet<_> = streams.by_id.keys().copied().collect();
            let deleted = streams.all().filter(|entry| entry.is_deleting());
            (known, deleted.cloned().collect::<Vec<_>>())
        };
        self.layout.quarantine_unknown(|id| known.contains(&id))?;
        self.layout.empty_all_trash()?;
        self.finish_intents()?;
        for entry in deleted {
            self.keeper.purge_later(&entry);
        }
        if self.options.log.background {
            return Ok(());
        }
        self.purge_all()
    }
}

/// The directory of the catalog, which is made if there is none, and nothing else is there.
fn make_catalog(root: &Dir) -> Result<Dir> {
    if let Some(dir) = root.enter(CATALOG)? {
        return Ok(dir);
    }
    if Layout::has_streams(root)? {
        return Err(corrupt(&root.path_of(CATALOG), 0, None, Corruption::Directory));
    }
    if !root.list()?.is_empty() {
        return Err(Error::Invalid(
            "the directory has other things in it than a store",
        ));
    }
    root.sync_above()?;
    root.make_dir(CATALOG).map(|(dir, _)| dir)
}

fn no_store(root: &Dir) -> Error {
    Error::NoLog {
        path: root.path_of(CATALOG),
    }
}
