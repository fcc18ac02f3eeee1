//! The two copies of the metadata on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::files::{corrupt, header_error};
use crate::format::{HeaderDefect, META_LEN, META_NAMES, Meta};
use crate::sys::{Dir, Open, found};
use crate::{Corruption, Error, Result};

/// What the two copies say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Copies {
    /// Each copy, or what is wrong with it; `None` where there is no file.
    pub(crate) read: [Option<std::result::Result<Meta, HeaderDefect>>; 2],
    /// Whether this process has brought the newest to stable storage.
    pub(crate) is_newest_durable: bool,
}

impl Copies {
    /// Reads both copies.
    pub(crate) fn read(dir: &Dir) -> Result<Copies> {
        let read = |name: &str| -> Result<_> {
            let Some(file) = found(dir.open(name, Open::Read))? else {
                return Ok(None);
            };
            let mut bytes = [0; META_LEN];
            let len = file.read_at(0, &mut bytes)?;
            let decoded = Meta::decode(&bytes[..len]);
            // A copy is never longer than `META_LEN`: nobody writes bytes behind that.
            Ok(Some(if file.len()? > META_LEN as u64 {
                Err(HeaderDefect::Damaged)
            } else {
                decoded
            }))
        };
        Ok(Copies {
            read: [read(META_NAMES[0])?, read(META_NAMES[1])?],
            is_newest_durable: false,
        })
    }

    /// Whether neither file exists.
    pub(crate) fn is_absent(&self) -> bool {
        self.read.iter().all(Option::is_none)
    }

    fn good(&self) -> impl Iterator<Item = &Meta> + '_ {
        self.read.iter().filter_map(|copy| copy.as_ref()?.as_ref().ok())
    }

    /// The sequence number of the newest good copy; 0 if there is none.
    pub(crate) fn sequence(&self) -> u64 {
        self.good().map(|meta| meta.sequence).max().unwrap_or(0)
    }

    /// The newest good copy, of a log. If it says that there is no log here until a backup or
    /// restore is run again, that is an error.
    pub(crate) fn newest(&self, dir: &Dir) -> Result<Meta> {
        let meta = self.newest_of_any(dir)?;
        if meta.incomplete {
            return Err(Error::Unfinished {
                path: dir.path().to_path_buf(),
            });
        }
        Ok(meta)
    }

    /// The newest good copy, whatever it says.
    pub(crate) fn newest_of_any(&self, dir: &Dir) -> Result<Meta> {
        if let Some(meta) = self.good().max_by_key(|meta| meta.sequence) {
            return Ok(meta.clone());
        }
        let path = dir.path_of(META_NAMES[0]);
        // A version that is not ours is reported as such, so that nobody "repairs" it.
        for defect in self.read.iter().filter_map(|copy| copy.as_ref()?.as_ref().err()) {
            if let HeaderDefect::Version(_) = defect {
                return Err(header_error(&path, *defect));
            }
        }
        Err(corrupt(&path, 0, None, Corruption::Meta))
    }

    /// The names of the copies that are missing or bad in a way that an ordinary crash does not
    /// cause. A crash may tear one copy of a log that is open, or of one that was closed and is
    /// being emptied. In a log that is being created, the second copy may be missing. A power cut
    /// looks the same as damage in the very write that closes the log, and in the first one of a
    /// store that empties a partition.
    pub(crate) fn damaged(&self) -> impl Iterator<Item = &'static str> + '_ {
        let was_emptied = |meta: &Meta| meta.was_closed_empty() && meta.start_offset > 0;
        let is_open = |meta: &Meta| meta.clean.is_none() || was_emptied(meta);
        let may_be_torn = self.good().any(|meta| is_open(meta) || meta.unfinished);
        let may_be_missing = may_be_torn || self.good().any(|meta| meta.sequence == 1);
        let copies = self.read.iter().zip(META_NAMES);
        let damaged = copies.filter(move |(copy, _)| match copy {
            Some(Ok(_)) => false,
            Some(Err(_)) => !may_be_torn,
            None => !may_be_missing,
        });
        damaged.map(|(_, name)| name)
    }

    /// Whether both copies are good and say the same.
    pub(crate) fn agree(&self) -> bool {
        matches!(&self.read, [Some(Ok(a)), Some(Ok(b))] if a == b)
    }

    /// The end at which the log was closed last: everything before it was durable. It is the end in
    /// the newest copy, which recovery may have set back, or in the other copy if the newest says
    /// that the log is open.
    pub(crate) fn durable_end(&self) -> Option<(u64, u32)> {
        let closed = self.good().filter(|meta| meta.clean.is_some());
        let last = closed.max_by_key(|meta| meta.sequence)?.clean?.last?;
        Some((last.base, last.len))
    }
}

/// Keeps both copies up to date.
#[derive(Debug)]
pub(crate) struct MetaStore {
    dir: Dir,
    current: Meta,
    /// Which copy is to be written next: never the only good one.
    next: usize,
    /// Whether the other copy is known to be durable. The process that wrote that copy may have
    /// been killed before it was durable.
    is_other_durable: bool,
    /// Whether the copy to be written next lacks a change that was to be in both.
    is_next_behind: bool,
    /// Where the number is noted of what was last brought to stable storage.
    noted: Option<Arc<AtomicU64>>,
}

impl MetaStore {
    /// The store of a log that exists.
    pub(crate) fn new(dir: &Dir, current: Meta, copies: &Copies) -> MetaStore {
        let first_holds = matches!(&copies.read[0], Some(Ok(meta)) if meta.sequence == current.sequence);
        MetaStore {
            dir: dir.clone(),
            current,
            next: usize::from(first_holds),
            is_other_durable: copies.is_newest_durable,
            is_next_behind: false,
            noted: None,
        }
    }

    /// Notes in `durable` the number of what it has last brought to stable storage, or 0.
    pub(crate) fn noting(mut self, durable: Option<Arc<AtomicU64>>) -> MetaStore {
        self.noted = durable;
        self
    }

    pub(crate) fn current(&self) -> &Meta {
        &self.current
    }

    /// Takes over what another handle has written. Only for a store that is never written.
    pub(super) fn learn(&mut self, current: Meta) {
        self.current = current;
    }

    /// Whether both copies have every change that was to be in both.
    pub(crate) fn is_in_both(&self) -> bool {
        !self.is_next_behind
    }

    /// Writes one copy. After a crash the log has either the old metadata or the new.
    pub(crate) fn write(&mut self, change: impl FnOnce(&mut Meta)) -> Result<()> {
        let mut meta = self.current.clone();
        change(&mut meta);
        meta.sequence = meta
            .sequence
            .checked_add(1)
            .ok_or(Error::Invalid("the metadata was written too often"))?;
        self.write_copy(&meta)?;
        self.current = meta;
        Ok(())
    }

    /// Writes both copies, so that later damage to one of them does not bring back old metadata.
    ///
    /// An error does not mean that nothing was written. The metadata in
    /// [`current`](MetaStore::current) counts: it has the change as soon as the first copy is
    /// durable. If writing the second copy then fails, the next write makes up for that. Until
    /// then, nothing may be done that contradicts the old metadata.
    pub(crate) fn write_both(&mut self, change: impl FnOnce(&mut Meta)) -> Result<()> {
        self.write(change)?;
        self.is_next_behind = true;
        let meta = self.current.clone();
        self.write_copy(&meta)
    }

    fn write_copy(&mut self, meta: &Meta) -> Result<()> {
        self.note(0);
        self.write_next(meta)?;
        self.note(meta.sequence);
        Ok(())
    }

    fn note(&self, sequence: u64) {
        if let Some(noted) = &self.noted {
            noted.store(sequence, Ordering::Relaxed);
        }
    }

    /// Writes the copy whose turn it is.
    fn write_next(&mut self, meta: &Meta) -> Result<()> {
        if self.is_other_durable {
            self.overwrite(meta)?;
        } else {
            let name = META_NAMES[self.next];
            match write_temporary(&self.dir, name, meta) {
                // There is no space for another file. The existing file can be overwritten once the
                // other copy is synced.
                Err(Error::Io { .. }) => {
                    self.sync_other()?;
                    self.overwrite(meta)?;
                }
                temporary => rename(&self.dir, &temporary?, name)?,
            }
            self.is_other_durable = true;
        }
        self.next = 1 - self.next;
        self.is_next_behind = false;
        Ok(())
    }

    fn sync_other(&self) -> Result<()> {
        let other = META_NAMES[1 - self.next];
        found(self.dir.open(other, Open::Write))?.map_or(Ok(()), |file| file.sync())
    }

    fn overwrite(&self, meta: &Meta) -> Result<()> {
        let name = META_NAMES[self.next];
        let Some(file) = found(self.dir.open(name, Open::Write))? else {
            return create(&self.dir, name, meta);
        };
        // Once the bytes are written, nothing but the sync may fail: after any other failure, the
        // next life must not see them.
        if file.len()? > META_LEN as u64 {
            file.set_len(META_LEN as u64)?;
        }
        file.write_at(0, &meta.encode())?;
        file.sync()
    }
}

/// Creates both copies in a directory that holds no log yet.
pub(crate) fn initialise(dir: &Dir, meta: &Meta) -> Result<()> {
    META_NAMES.iter().try_for_each(|name| create(dir, name, meta))
}

/// Creates one copy, under a temporary name first, so that a metadata file that exists has been
/// whole.
fn create(dir: &Dir, name: &str, meta: &Meta) -> Result<()> {
    let temporary = write_temporary(dir, name, meta)?;
    rename(dir, &temporary, name)
}

/// Writes one copy under a temporary name, which is returned.
fn write_temporary(dir: &Dir, name: &str, meta: &Meta) -> Result<String> {
    let temporary = format!("{name}.tmp");
    let file = dir.create_anew(&temporary)?;
    file.write_at(0, &meta.encode())?;
    file.sync()?;
    Ok(temporary)
}

fn rename(dir: &Dir, temporary: &str, name: &str) -> Result<()> {
    dir.rename(temporary, name)?;
    dir.sync()
}
