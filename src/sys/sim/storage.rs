use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::SimDisk;
use super::handle::{SimFile, SimLock};
use super::image::Inode;
use super::machine::Machine;
use super::op::{Call, Op};
use crate::sys::error::{failed, random_failed};
use crate::sys::{DirLock, File, Open, Storage};
use crate::{Error, Result};

const LOCK_NAME: &str = "LOCK";

impl Storage for SimDisk {
    fn check_supported(&self, _dir: &Path) -> Result<()> {
        Ok(())
    }

    fn create_dirs(&self, dir: &Path) -> Result<()> {
        if self.is_dir(dir)? {
            return Ok(());
        }
        let parent = dir.parent().unwrap_or(Path::new("/"));
        self.create_dirs(parent)?;
        let create = |machine: &mut Machine| {
            machine.call(Call::CreateDir)?;
            let (parent, name) = machine.seen.resolve_parent(dir)?;
            if machine.seen.lookup(parent, &name).is_some() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let inode = machine.new_inode();
            machine.record(Op::CreateDir {
                dir: parent,
                name,
                inode,
            });
            Ok(())
        };
        create(&mut self.machine.lock()).map_err(failed("create directory", dir))?;
        self.sync_dir(parent)
    }

    fn is_dir(&self, dir: &Path) -> Result<bool> {
        let mut machine = self.machine.lock();
        machine.call(Call::IsDir).map_err(failed("look at", dir))?;
        Ok(machine.resolve_dir(dir).is_ok())
    }

    fn file_system_of(&self, _dir: &Path) -> Result<u64> {
        Ok(0)
    }

    fn real_path(&self, dir: &Path) -> Result<PathBuf> {
        Ok(dir.to_path_buf())
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let mut machine = self.machine.lock();
        machine
            .call(Call::List)
            .and_then(|()| machine.resolve_dir(dir))
            .map(|inode| machine.seen.dirs[&inode].keys().cloned().collect())
            .map_err(failed("list", dir))
    }

    fn open(&self, path: &Path, how: Open) -> Result<File> {
        let operation = if how == Open::Create { "create" } else { "open" };
        let inode = open(&mut self.machine.lock(), path, how).map_err(failed(operation, path))?;
        Ok(File::sim(SimFile::new(&self.machine, inode), path))
    }

    fn len_of(&self, path: &Path) -> Result<u64> {
        let len_of = |machine: &mut Machine| {
            machine.call(Call::Len)?;
            let inode = machine.seen.resolve(path)?;
            Ok(machine.content(inode)?.len())
        };
        len_of(&mut self.machine.lock()).map_err(failed("look at", path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let rename = |machine: &mut Machine| {
            machine.call(Call::Rename)?;
            let inode = machine.seen.resolve(from)?;
            let (from_dir, from) = machine.seen.resolve_parent(from)?;
            let atomic = !machine.lies_about_renaming(to);
            let (to_dir, to) = machine.seen.resolve_parent(to)?;
            machine.record(Op::Rename {
                from_dir,
                from,
                to_dir,
                to,
                inode,
                atomic,
            });
            Ok(())
        };
        rename(&mut self.machine.lock()).map_err(failed("rename", from))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let remove = |machine: &mut Machine| {
            machine.call(Call::Remove)?;
            let inode = machine.seen.resolve(path)?;
            machine.content(inode)?;
            let (dir, name) = machine.seen.resolve_parent(path)?;
            machine.record(Op::Unlink { dir, name });
            Ok(())
        };
        remove(&mut self.machine.lock()).map_err(failed("remove", path))
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let mut machine = self.machine.lock();
        let inode = machine
            .call(Call::OpenDir)
            .and_then(|()| machine.resolve_dir(dir))
            .map_err(failed("open directory", dir))?;
        machine.sync_dir(inode).map_err(|source| Error::SyncFailed {
            path: dir.to_path_buf(),
            source,
        })
    }

    fn lock(&self, dir: &Path, exclusive: bool) -> Result<DirLock> {
        let path = dir.join(LOCK_NAME);
        let locked = lock(&mut self.machine.lock(), dir, exclusive).map_err(failed("open", &path))?;
        let held = match locked {
            Locked::Here(inode) => Some((Arc::clone(&self.machine), inode)),
            Locked::Nowhere => None,
            Locked::Elsewhere => {
                return Err(Error::Locked {
                    path: dir.to_path_buf(),
                });
            }
        };
        Ok(DirLock::sim(SimLock { held, exclusive }))
    }

    fn random(&self) -> Result<[u8; 16]> {
        let mut machine = self.machine.lock();
        machine.call(Call::Random).map_err(random_failed)?;
        Ok(machine.random())
    }
}

fn open(machine: &mut Machine, path: &Path, how: Open) -> io::Result<Inode> {
    machine.call(match how {
        Open::Read => Call::OpenRead,
        Open::Write => Call::OpenWrite,
        Open::Create => Call::Create,
    })?;
    if how != Open::Create {
        let inode = machine.seen.resolve(path)?;
        return machine.content(inode).map(|_| inode);
    }
    let (dir, name) = machine.seen.resolve_parent(path)?;
    if machine.seen.lookup(dir, &name).is_some() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    create(machine, dir, name)
}

fn create(machine: &mut Machine, dir: Inode, name: String) -> io::Result<Inode> {
    if machine.free_pages() == Some(0) {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let inode = machine.new_inode();
    machine.record(Op::Create { dir, name, inode });
    Ok(inode)
}

enum Locked {
    Here(Inode),
    /// A reader of a directory without a lock file takes no lock.
    Nowhere,
    Elsewhere,
}

fn lock(machine: &mut Machine, path: &Path, exclusive: bool) -> io::Result<Locked> {
    let dir = machine.resolve_dir(path)?;
    let held = machine.locks.get(&dir).copied().unwrap_or_default();
    if held.exclusive || (exclusive && held.shared > 0) {
        return Ok(Locked::Elsewhere);
    }
    machine.call(if exclusive {
        Call::LockExclusive
    } else {
        Call::LockShared
    })?;
    if machine.seen.lookup(dir, LOCK_NAME).is_none() {
        if !exclusive {
            return Ok(Locked::Nowhere);
        }
        create(machine, dir, LOCK_NAME.to_owned())?;
    }
    let held = machine.locks.entry(dir).or_default();
    held.exclusive = exclusive;
    held.shared += u32::from(!exclusive);
    Ok(Locked::Here(dir))
}
