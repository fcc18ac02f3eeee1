//! The two copies of the metadata on disk.

use std::path::{Path, PathBuf};

use crate::format::{HeaderDefect, META_LEN, META_NAMES, Meta};
use crate::segment::{corrupt, header_error};
use crate::sys::{Open, Storage};
use crate::{Corruption, Error, Result};

/// What the two copies say.
#[derive(Debug)]
pub(crate) struct Copies {
    /// Each copy, or what is wrong with it; `None` where there is no file.
    pub(crate) read: [Option<std::result::Result<Meta, HeaderDefect>>; 2],
    /// Whether both were written, durably, by this process.
    pub(crate) are_ours: bool,
}

impl Copies {
    /// Reads both.
    pub(crate) fn read(storage: &dyn Storage, dir: &Path) -> Result<Copies> {
        let read = |name: &str| -> Result<_> {
            let file = match storage.open(&dir.join(name), Open::Read) {
                Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                    return Ok(None);
                }
                other => other?,
            };
            let mut bytes = [0; META_LEN];
            let len = file.read_at(0, &mut bytes)?;
            let decoded = Meta::decode(&bytes[..len]);
            // A copy is never longer than its bytes; what follows them would be nobody's.
            Ok(Some(if file.len()? > META_LEN as u64 {
                Err(HeaderDefect::Damaged)
            } else {
                decoded
            }))
        };
        Ok(Copies {
            read: [read(META_NAMES[0])?, read(META_NAMES[1])?],
            are_ours: false,
        })
    }

    /// Whether there is neither file.
    pub(crate) fn is_absent(&self) -> bool {
        self.read.iter().all(Option::is_none)
    }

    fn good(&self) -> impl Iterator<Item = Meta> + '_ {
        self.read
            .iter()
            .filter_map(|copy| copy.as_ref()?.as_ref().ok())
            .copied()
    }

    /// The copy that holds.
    pub(crate) fn newest(&self, dir: &Path) -> Result<Meta> {
        if let Some(meta) = self.good().max_by_key(|meta| meta.sequence) {
            return Ok(meta);
        }
        let path = dir.join(META_NAMES[0]);
        // A version that is not ours is reported as such, so that nobody "repairs" it.
        for defect in self.read.iter().filter_map(|copy| copy.as_ref()?.as_ref().err()) {
            if let HeaderDefect::Version(_) = defect {
                return Err(header_error(&path, *defect));
            }
        }
        Err(corrupt(&path, 0, None, Corruption::Meta))
    }

    /// Whether both copies are good and say the same.
    pub(crate) fn agree(&self) -> bool {
        matches!(self.read, [Some(Ok(a)), Some(Ok(b))] if a == b)
    }

    /// The end at which the log was closed last: all before it was durable. That of the newest copy, which may have
    /// been set back by recovering, or of the other one where that says that the log is open.
    pub(crate) fn durable_end(&self) -> Option<(u64, u32)> {
        let closed = self.good().filter(|meta| meta.clean.is_some());
        let last = closed.max_by_key(|meta| meta.sequence)?.clean?.last?;
        Some((last.base, last.len))
    }
}

/// Keeps both copies up to date.
#[derive(Debug)]
pub(crate) struct MetaStore {
    dir: PathBuf,
    current: Meta,
    /// Which copy is to be written next: never the only good one.
    next: usize,
    /// Whether the other one is known to be durable. Whoever wrote it may have been killed before it was.
    is_other_durable: bool,
}

impl MetaStore {
    /// For a log that exists.
    pub(crate) fn new(dir: &Path, current: Meta, copies: &Copies) -> MetaStore {
        let first_holds = matches!(copies.read[0], Some(Ok(meta)) if meta.sequence == current.sequence);
        MetaStore {
            dir: dir.to_path_buf(),
            current,
            next: usize::from(first_holds),
            is_other_durable: copies.are_ours,
        }
    }

    pub(crate) fn current(&self) -> &Meta {
        &self.current
    }

    /// Writes one copy. After a crash the log has either the old metadata or the new.
    pub(crate) fn write(&mut self, storage: &dyn Storage, change: impl FnOnce(&mut Meta)) -> Result<()> {
        let mut meta = self.current;
        change(&mut meta);
        meta.sequence = meta
            .sequence
            .checked_add(1)
            .ok_or(Error::Invalid("the metadata was written too often"))?;
        self.write_copy(storage, &meta)?;
        self.current = meta;
        Ok(())
    }

    /// Writes both copies, so that damage to one of them later brings back nothing old.
    pub(crate) fn write_both(&mut self, storage: &dyn Storage, change: impl FnOnce(&mut Meta)) -> Result<()> {
        self.write(storage, change)?;
        let meta = self.current;
        self.write_copy(storage, &meta)
    }

    fn write_copy(&mut self, storage: &dyn Storage, meta: &Meta) -> Result<()> {
        if self.is_other_durable {
            self.overwrite(storage, meta)?;
        } else {
            let name = META_NAMES[self.next];
            match write_temporary(storage, &self.dir, name, meta) {
                // No space for another file: the one there is will do once the other copy is synced.
                Err(Error::Io { .. }) => {
                    self.sync_other(storage)?;
                    self.overwrite(storage, meta)?;
                }
                temporary => rename(storage, &self.dir, &temporary?, name)?,
            }
            self.is_other_durable = true;
        }
        self.next = 1 - self.next;
        Ok(())
    }

    fn sync_other(&self, storage: &dyn Storage) -> Result<()> {
        let other = self.dir.join(META_NAMES[1 - self.next]);
        match storage.open(&other, Open::Write) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
            file => file?.sync(),
        }
    }

    fn overwrite(&self, storage: &dyn Storage, meta: &Meta) -> Result<()> {
        let path = self.dir.join(META_NAMES[self.next]);
        match storage.open(&path, Open::Write) {
            Ok(file) => {
                file.write_at(0, &meta.encode())?;
                if file.len()? > META_LEN as u64 {
                    file.set_len(META_LEN as u64)?;
                }
                file.sync()
            }
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                create(storage, &self.dir, META_NAMES[self.next], meta)
            }
            Err(error) => Err(error),
        }
    }
}

/// Creates both copies in a directory that holds no log yet.
pub(crate) fn initialise(storage: &dyn Storage, dir: &Path, meta: &Meta) -> Result<()> {
    META_NAMES
        .iter()
        .try_for_each(|name| create(storage, dir, name, meta))
}

/// Creates one copy under a temporary name first: a metadata file that exists has been whole.
fn create(storage: &dyn Storage, dir: &Path, name: &str, meta: &Meta) -> Result<()> {
    let temporary = write_temporary(storage, dir, name, meta)?;
    rename(storage, dir, &temporary, name)
}

fn write_temporary(storage: &dyn Storage, dir: &Path, name: &str, meta: &Meta) -> Result<PathBuf> {
    let temporary = dir.join(format!("{name}.tmp"));
    let file = match storage.open(&temporary, Open::Create) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
            storage.remove(&temporary)?;
            storage.open(&temporary, Open::Create)?
        }
        other => other?,
    };
    file.write_at(0, &meta.encode())?;
    file.sync()?;
    Ok(temporary)
}

fn rename(storage: &dyn Storage, dir: &Path, temporary: &Path, name: &str) -> Result<()> {
    storage.rename(temporary, &dir.join(name))?;
    storage.sync_dir(dir)
}
