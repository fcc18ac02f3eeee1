//! The directory that a copy goes to.

use std::path::Path;
use std::sync::Arc;

use super::come_to::ComeTo;
use super::condition::{Condition, accept};
use super::place::{begin_anew, metadata_in};
use crate::directory::{Directory, Home, MetaStore};
use crate::engine::segments::Segments;
use crate::format::{CleanEnd, FileName, Meta};
use crate::sys::{Created, Dir, DirLock, FileId};
use crate::{BackupReport, Error, LifeId, Result};

/// Where a copy goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum To<'a> {
    Path(&'a Path),
    /// A directory that is open.
    Dir(&'a Dir),
    /// A directory that the caller has locked.
    Locked(&'a Dir),
}

/// The directory that a backup goes to.
pub(crate) struct Target {
    /// What to remove if the call is refused. This is dropped before the lock is released.
    pub(super) created: Option<Created>,
    pub(super) directory: Arc<Directory>,
    pub(super) source: Arc<Directory>,
    pub(super) meta: Option<MetaStore>,
    pub(super) condition: Condition,
    /// Base offsets of the segments that make up the copy.
    pub(super) bases: Vec<u64>,
    /// Of these, the ones that are whole under their temporary names.
    pub(super) staged: Vec<u64>,
    pub(super) report: BackupReport,
    pub(super) come_to: ComeTo,
    /// Whether the copy is a log with a life of its own.
    pub(super) is_fork: bool,
    lock: Option<DirLock>,
}

impl Target {
    pub(super) fn open(segments: &Segments, to: To<'_>, is_fork: bool) -> Result<Target> {
        let own = &segments.directory.dir;
        let accept_place = |dir: &Dir| {
            if dir.is_inside(own)? {
                return Err(Error::Invalid("a log cannot be copied into itself"));
            }
            Ok(())
        };
        let mut created = match to {
            To::Path(path) => Created::open(own, path, &accept_place)?,
            To::Dir(dir) | To::Locked(dir) => {
                accept_place(dir)?;
                Created::existing(dir.clone())
            }
        };
        let lock = match to {
            To::Locked(_) => None,
            To::Path(_) | To::Dir(_) => Some(created.lock()?),
        };
        let dir = created.dir().clone();
        let (log_id, kinds) = (segments.directory.log_id, segments.directory.kinds);
        let meta = metadata_in(&dir)?;
        if let Some(meta) = &meta {
            accept(meta.current(), &dir, &log_id, is_fork)?;
        }
        Ok(Target {
            condition: Condition::of(meta.as_ref().map(MetaStore::current)),
            created: Some(created),
            directory: Arc::new(Directory::new(dir, log_id, kinds, true)),
            source: Arc::clone(&segments.directory),
            meta,
            bases: Vec::new(),
            staged: Vec::new(),
            report: BackupReport::default(),
            come_to: ComeTo::default(),
            is_fork,
            lock,
        })
    }

    /// Refuses a copy with messages that this log does not have, or may not have: they would be
    /// lost. The copy may have been written to as a log of its own, or this log may have been
    /// restored or may have lost its end.
    pub(super) fn refuse_diverged(&self, ours: &Meta, next_offset: u64) -> Result<()> {
        let theirs = self.meta.as_ref().map(MetaStore::current);
        let Some(theirs) = theirs.filter(|theirs| !theirs.incomplete) else {
            return Ok(());
        };
        let is_contained = ours.lives.contain(next_offset, &theirs.lives, theirs.next_offset);
        if theirs.clean.is_none() || !is_contained {
            return Err(Error::Invalid(
                "the target of a backup has what the log has not: it was written to, or the log has lost its end",
            ));
        }
        Ok(())
    }

    /// Whether there is a whole copy from before.
    pub(super) fn has_earlier(&self) -> bool {
        self.condition != Condition::Incomplete
    }

    /// Refuses a copy that was opened for writing, even if nothing was written to it.
    pub(super) fn refuse_opened(&self) -> Result<()> {
        let theirs = self.meta.as_ref().map(MetaStore::current);
        if theirs.is_some_and(|theirs| !theirs.incomplete && theirs.lock != FileId::default()) {
            return Err(Error::Invalid(
                "the target of a backup was opened for writing, so it is no backup any more",
            ));
        }
        Ok(())
    }

    /// Has nothing here count until a copy is finished, whatever was here; returns the lock.
    pub(super) fn mark(mut self, unfinished: Meta) -> Result<Option<DirLock>> {
        match (&mut self.meta, self.condition) {
            (Some(meta), Condition::Finished(last) | Condition::Extended(last)) => {
                self.created.take().map(Created::keep);
                meta.write_both(|meta| {
                    meta.unfinished = false;
                    meta.incomplete = true;
                })?;
                if let (Condition::Extended(_), Some(last)) = (self.condition, last) {
                    // What another backup has added to it may not be on stable storage.
                    self.directory.remove_segments(std::iter::once(last.base))?;
                }
            }
            _ => self.begin(unfinished)?,
        }
        Ok(self.lock.take())
    }

    /// The metadata of a copy of which nothing counts yet.
    pub(super) fn unfinished(&self, ours: &Meta, start_offset: u64, next_offset: u64) -> Result<Meta> {
        let mut meta = Meta {
            sequence: 1,
            start_offset,
            next_offset,
            key_index: self.directory.kinds.key,
            time_index: self.directory.kinds.time,
            unfinished: false,
            incomplete: true,
            merge: None,
            clean: Some(CleanEnd { last: None }),
            ..ours.clone().without_directory()
        };
        if self.is_fork {
            let dir = &self.directory.dir;
            let life = LifeId::from_bytes(dir.random()?);
            Home::of(dir)?.begin_life(&mut meta, life, next_offset);
        }
        Ok(meta)
    }

    /// Says in the target's metadata, before anything else is done there, that a backup is
    /// unfinished. From here on a call that fails leaves what it has done.
    pub(super) fn begin(&mut self, unfinished: Meta) -> Result<()> {
        self.created.take().map(Created::keep);
        let dir = &self.directory.dir;
        self.meta = Some(match self.meta.take() {
            Some(mut meta) if self.condition != Condition::Incomplete => {
                meta.write_both(|meta| meta.unfinished = true)?;
                meta
            }
            // The process that wrote this may have been killed before it was durable.
            Some(mut meta) if !self.is_fork => {
                meta.write_both(|_| {})?;
                meta
            }
            // There may be another restore that was interrupted.
            meta => begin_anew(meta, dir, unfinished)?,
        });
        // An earlier attempt has left a table behind the end, or in a copy that does not count.
        let end = self.meta.as_ref().map_or(0, |meta| meta.current().next_offset);
        let is_counted = |table: u64| self.condition != Condition::Incomplete && table <= end;
        for name in self.directory.dir.list()? {
            match FileName::parse(&name) {
                None | Some(FileName::Segment(_) | FileName::Index(_)) => {}
                Some(FileName::Producers(table)) if is_counted(table) => {}
                // Key runs are derived from the old content, and may be wrong for the new. The
                // others were left by an earlier attempt.
                Some(_) => self.directory.dir.remove(&name)?,
            }
        }
        Ok(())
    }

    pub(super) fn write_meta(&mut self, meta: Meta) -> Result<()> {
        let Some(store) = &mut self.meta else {
            return Ok(());
        };
        store.write_both(|current| {
            let sequence = current.sequence;
            *current = Meta { sequence, ..meta };
        })
    }
}
