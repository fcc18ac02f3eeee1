use std::io;
use std::path::Path;
use std::sync::Arc;

use super::handle::{SimFile, SimLock};
use super::image::Inode;
use super::machine::Machine;
use super::op::{Call, Op};
use super::shared::{Entered, Shared};
use crate::sys::error::{failed, random_failed};
use crate::sys::{DirLock, Entry, File, FileId, LOCK_NAME, NamesChangedAt, Open};
use crate::{Error, MappedFiles, Result};

/// An opened directory of a simulated disk. Every method gets the path by which it was opened, for
/// messages.
#[derive(Clone)]
pub(in crate::sys) struct SimDir {
    machine: Arc<Shared>,
    inode: Inode,
}

impl SimDir {
    fn new(machine: &Arc<Shared>, inode: Inode) -> SimDir {
        SimDir {
            machine: Arc::clone(machine),
            inode,
        }
    }

    pub(super) fn at(machine: &Arc<Shared>, path: &Path) -> Result<SimDir> {
        let mut seen = machine.lock();
        let inode = seen
            .call(Call::OpenDir)
            .and_then(|()| seen.resolve_dir(path))
            .map_err(failed("open directory", path))?;
        Ok(SimDir::new(machine, inode))
    }

    /// Opens another directory of the same disk.
    pub(in crate::sys) fn open_path(&self, path: &Path) -> Result<SimDir> {
        SimDir::at(&self.machine, path)
    }

    fn machine(&self) -> Entered<'_> {
        self.machine.lock()
    }

    pub(in crate::sys) fn mapped_files(&self) -> MappedFiles {
        self.machine.lock_unseen().limits.mapped
    }

    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "as on a real file system"
    )]
    pub(in crate::sys) fn file_system(&self, _path: &Path) -> Result<u64> {
        Ok(0)
    }

    /// Directories are never removed from a simulated disk while somebody has them open.
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "as on a real file system"
    )]
    pub(in crate::sys) fn check_exists(&self, _path: &Path) -> Result<()> {
        Ok(())
    }

    pub(in crate::sys) fn is_inside(&self, other: &SimDir) -> bool {
        let machine = self.machine();
        let mut at = Some(self.inode);
        while let Some(here) = at {
            if here == other.inode {
                return true;
            }
            at = machine.seen.parent_of(here);
        }
        false
    }

    pub(in crate::sys) fn entries(&self, path: &Path) -> Result<Vec<Entry>> {
        let mut machine = self.machine();
        machine.call(Call::List).map_err(failed("list", path))?;
        let names = machine.seen.dirs.get(&self.inode).into_iter();
        let entry = |(name, inode): (&String, &Inode)| Entry {
            name: name.clone(),
            inode: u64::from(*inode),
        };
        Ok(names.flat_map(|names| names.iter()).map(entry).collect())
    }

    pub(in crate::sys) fn names_changed_at(&self, path: &Path) -> Result<NamesChangedAt> {
        self.machine().call(Call::Len).map_err(failed("look at", path))?;
        Ok(NamesChangedAt::UNKNOWN)
    }

    pub(in crate::sys) fn open(&self, path: &Path, name: &str, how: Open) -> Result<File> {
        let operation = if how == Open::Create { "create" } else { "open" };
        let path = path.join(name);
        let inode = open(&mut self.machine(), self.inode, name, how).map_err(failed(operation, &path))?;
        Ok(File::sim(SimFile::new(&self.machine, inode), &path))
    }

    pub(in crate::sys) fn len_of(&self, path: &Path, name: &str) -> Result<u64> {
        let len_of = |machine: &mut Machine| {
            machine.call(Call::Len)?;
            let inode = machine.seen.find(self.inode, name)?;
            Ok(machine.content(inode)?.len())
        };
        len_of(&mut self.machine()).map_err(failed("look at", &path.join(name)))
    }

    pub(in crate::sys) fn identity_of(&self, path: &Path, name: &str) -> Result<FileId> {
        let identity_of = |machine: &mut Machine| {
            machine.call(Call::Len)?;
            let inode = machine.seen.find(self.inode, name)?;
            Ok(FileId {
                device: 1,
                inode: u64::from(inode),
                made: 0,
            })
        };
        identity_of(&mut self.machine()).map_err(failed("look at", &path.join(name)))
    }

    pub(in crate::sys) fn boot_id(&self) -> [u8; 16] {
        self.machine.lock_unseen().boot
    }

    pub(in crate::sys) fn rename(&self, path: &Path, from: &str, target: &SimDir, to: &str) -> Result<()> {
        let rename = |machine: &mut Machine| {
            machine.call(Call::Rename)?;
            let inode = machine.seen.find(self.inode, from)?;
            let atomic = !machine.lies_about_renaming(target.inode, to);
            machine.record(Op::Rename {
                from_dir: self.inode,
                from: from.to_owned(),
                to_dir: target.inode,
                to: to.to_owned(),
                inode,
                atomic,
            });
            Ok(())
        };
        rename(&mut self.machine()).map_err(failed("rename", &path.join(from)))
    }

    pub(in crate::sys) fn remove(&self, path: &Path, name: &str) -> Result<()> {
        let remove = |machine: &mut Machine| {
            machine.call(Call::Remove)?;
            let inode = machine.seen.find(self.inode, name)?;
            machine.content(inode)?;
            machine.record(Op::Unlink {
                dir: self.inode,
                name: name.to_owned(),
            });
            Ok(())
        };
        remove(&mut self.machine()).map_err(failed("remove", &path.join(name)))
    }

    pub(in crate::sys) fn remove_dir(&self, path: &Path, name: &str) -> Result<()> {
        let remove = |machine: &mut Machine| {
            machine.call(Call::Remove)?;
            let inode = machine.seen.find(self.inode, name)?;
            match machine.seen.dirs.get(&inode) {
                Some(names) if names.is_empty() => {}
                Some(_) => return Err(io::ErrorKind::DirectoryNotEmpty.into()),
                None => return Err(io::ErrorKind::NotADirectory.into()),
            }
            machine.record(Op::Unlink {
                dir: self.inode,
                name: name.to_owned(),
            });
            Ok(())
        };
        remove(&mut self.machine()).map_err(failed("remove", &path.join(name)))
    }

    pub(in crate::sys) fn make_dir(&self, path: &Path, own: &Path, name: &str) -> Result<(SimDir, bool)> {
        let create = |machine: &mut Machine| {
            machine.call(Call::CreateDir)?;
            let found = machine.seen.lookup(self.inode, name);
            if let Some(inode) = found {
                return if machine.seen.dirs.contains_key(&inode) {
                    Ok((inode, false))
                } else {
                    Err(io::ErrorKind::NotADirectory.into())
                };
            }
            let inode = machine.new_inode();
            machine.record(Op::CreateDir {
                dir: self.inode,
                name: name.to_owned(),
                inode,
            });
            Ok((inode, true))
        };
        let (inode, is_new) = create(&mut self.machine()).map_err(failed("create directory", own))?;
        if is_new {
            self.sync(path)?;
        }
        Ok((SimDir::new(&self.machine, inode), is_new))
    }

    pub(in crate::sys) fn enter(&self, own: &Path, name: &str) -> Result<SimDir> {
        let find = |machine: &mut Machine| {
            machine.call(Call::OpenDir)?;
            let inode = machine.seen.find(self.inode, name)?;
            if machine.seen.dirs.contains_key(&inode) {
                Ok(inode)
            } else {
                Err(io::ErrorKind::NotADirectory.into())
            }
        };
        let inode = find(&mut self.machine()).map_err(failed("open directory", own))?;
        Ok(SimDir::new(&self.machine, inode))
    }

    pub(in crate::sys) fn sync(&self, path: &Path) -> Result<()> {
        sync(&mut self.machine(), self.inode, path)
    }

    pub(in crate::sys) fn sync_above(&self, path: &Path) -> Result<()> {
        let machine = &mut *self.machine();
        let mut at = machine.seen.parent_of(self.inode);
        while let Some(above) = at {
            sync(machine, above, path)?;
            at = machine.seen.parent_of(above);
        }
        Ok(())
    }

    pub(in crate::sys) fn lock(&self, path: &Path, exclusive: bool) -> Result<DirLock> {
        let locked = lock(&mut self.machine(), self.inode, exclusive);
        let held = match locked.map_err(failed("open", &path.join(LOCK_NAME)))? {
            Locked::Here => Some((Arc::clone(&self.machine), self.inode)),
            Locked::Nowhere => None,
            Locked::Elsewhere => {
                return Err(Error::Locked {
                    path: path.to_path_buf(),
                });
            }
        };
        Ok(DirLock::sim(SimLock { held, exclusive }))
    }

    pub(in crate::sys) fn random(&self) -> Result<[u8; 16]> {
        let mut machine = self.machine();
        machine.call(Call::Random).map_err(random_failed)?;
        Ok(machine.random())
    }
}

impl std::fmt::Debug for SimDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimDir({})", self.inode)
    }
}

fn sync(machine: &mut Machine, dir: Inode, path: &Path) -> Result<()> {
    machine.sync_dir(dir).map_err(|source| Error::SyncFailed {
        path: path.to_path_buf(),
        source,
    })
}

fn open(machine: &mut Machine, dir: Inode, name: &str, how: Open) -> io::Result<Inode> {
    machine.call(match how {
        Open::Read => Call::OpenRead,
        Open::Write => Call::OpenWrite,
        Open::Create => Call::Create,
    })?;
    if how != Open::Create {
        let inode = machine.seen.find(dir, name)?;
        return machine.content(inode).map(|_| inode);
    }
    if machine.seen.lookup(dir, name).is_some() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    create(machine, dir, name.to_owned())
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
    Here,
    /// A reader of a directory without a lock file takes no lock.
    Nowhere,
    Elsewhere,
}

fn lock(machine: &mut Machine, dir: Inode, exclusive: bool) -> io::Result<Locked> {
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
    Ok(Locked::Here)
}
