use std::path::{Path, PathBuf};

use super::error::{found, found_dir};
use super::os::{OsDir, OsLock, open_files_max};
use super::{Bell, DirLock, Entry, File, FileId, NamesChangedAt, Open};
use crate::{MappedFiles, Result};

/// A directory that was opened.
///
/// Files in it are named by their names alone. So a handle goes on using the directory that it
/// opened when that one is renamed, when its path comes to lead to another one, and when the
/// process changes its working directory.
///
/// A file's bytes and length are durable only after [`File::sync`], and names only after
/// [`Dir::sync`]. Until then, a crash may keep any part of the changes, in any order.
#[derive(Clone, Debug)]
pub(crate) struct Dir {
    inner: Inner,
    /// The path by which the directory was opened, for messages.
    path: PathBuf,
    /// Of its files, no more than these are mapped.
    mapped_max: MappedFiles,
}

#[derive(Clone, Debug)]
enum Inner {
    Os(OsDir),
    #[cfg(feature = "fault")]
    Sim(super::sim::SimDir),
}

/// Calls the method of the same name of whatever the directory is.
macro_rules! forward {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match &$self.inner {
            Inner::Os(dir) => dir.$method(&$self.path, $($argument),*),
            #[cfg(feature = "fault")]
            Inner::Sim(dir) => dir.$method(&$self.path, $($argument),*),
        }
    };
}

impl Dir {
    pub(super) fn os(dir: OsDir, path: &Path) -> Dir {
        Dir {
            inner: Inner::Os(dir),
            path: path.to_path_buf(),
            mapped_max: MappedFiles::All,
        }
    }

    #[cfg(feature = "fault")]
    pub(super) fn sim(dir: super::sim::SimDir, path: &Path) -> Dir {
        Dir {
            inner: Inner::Sim(dir),
            path: path.to_path_buf(),
            mapped_max: MappedFiles::All,
        }
    }

    /// The same directory, of whose files no more than these are mapped.
    pub(crate) fn mapping_at_most(self, mapped_max: MappedFiles) -> Dir {
        Dir { mapped_max, ..self }
    }

    /// Opens another directory of the same system.
    pub(super) fn open_other(&self, path: &Path) -> Result<Dir> {
        let dir = match &self.inner {
            Inner::Os(_) => OsDir::open_path(path).map(|dir| Dir::os(dir, path)),
            #[cfg(feature = "fault")]
            Inner::Sim(dir) => dir.open_path(path).map(|dir| Dir::sim(dir, path)),
        };
        dir.map(|dir| dir.mapping_at_most(self.mapped_max))
    }

    /// The path by which the directory was opened. It may lead elsewhere by now: use it in messages
    /// only.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn set_path(&mut self, path: &Path) {
        self.path = path.to_path_buf();
    }

    /// The path of a file in the directory, for messages.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Which of the files here are mapped: as far as that is safe on the file system, and as far as
    /// is allowed.
    pub(crate) fn mapped_files(&self) -> MappedFiles {
        let safe = match &self.inner {
            Inner::Os(dir) => dir.mapped_files(),
            #[cfg(feature = "fault")]
            Inner::Sim(dir) => dir.mapped_files(),
        };
        safe.max(self.mapped_max)
    }

    /// How many pairs of files may be kept open to be read: a quarter of the process's descriptors,
    /// if they are not mapped, which needs none.
    pub(crate) fn kept_open_max(&self) -> usize {
        if self.mapped_files() == MappedFiles::Nothing {
            (open_files_max() / 8).max(1)
        } else {
            usize::MAX
        }
    }

    /// A number that directories on the same file system have in common.
    pub(crate) fn file_system(&self) -> Result<u64> {
        forward!(self.file_system())
    }

    /// Fails if the directory was removed, so that nothing in it can be found again.
    pub(crate) fn check_exists(&self) -> Result<()> {
        forward!(self.check_exists())
    }

    /// Whether this is `other` or a directory below it.
    pub(crate) fn is_inside(&self, other: &Dir) -> Result<bool> {
        match (&self.inner, &other.inner) {
            (Inner::Os(dir), Inner::Os(other)) => dir.is_inside(&self.path, other),
            #[cfg(feature = "fault")]
            (Inner::Sim(dir), Inner::Sim(other)) => Ok(dir.is_inside(other)),
            #[cfg(feature = "fault")]
            _ => Ok(false),
        }
    }

    /// The names in the directory that are valid UTF-8, in any order.
    pub(crate) fn list(&self) -> Result<Vec<String>> {
        Ok(self.entries()?.into_iter().map(|entry| entry.name).collect())
    }

    /// The same names, and which file each of them stands for.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>> {
        forward!(self.entries())
    }

    /// When a name in the directory was changed last. Fails if the directory was removed.
    pub(crate) fn names_changed_at(&self) -> Result<NamesChangedAt> {
        forward!(self.names_changed_at())
    }

    /// Opens a regular file. Refuses symbolic links, files with several names, and everything that
    /// is not a regular file.
    pub(crate) fn open(&self, name: &str, how: Open) -> Result<File> {
        let file = match &self.inner {
            Inner::Os(dir) => {
                let file = dir.open(&self.path, name, how)?;
                File::os(file, &self.path.join(name))
            }
            #[cfg(feature = "fault")]
            Inner::Sim(dir) => dir.open(&self.path, name, how)?,
        };
        Ok(file.mapped_as(self.mapped_files()))
    }

    /// Creates a file, in the place of one that an earlier life or attempt may have left there.
    pub(crate) fn create_anew(&self, name: &str) -> Result<File> {
        match self.open(name, Open::Create) {
            Err(crate::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
                self.remove(name)?;
                self.open(name, Open::Create)
            }
            other => other,
        }
    }

    /// The length of a file in bytes, without opening it.
    pub(crate) fn len_of(&self, name: &str) -> Result<u64> {
        forward!(self.len_of(name))
    }

    /// Which file this is; `None` if there is none.
    pub(crate) fn identity_of(&self, name: &str) -> Result<Option<FileId>> {
        found(forward!(self.identity_of(name)))
    }

    /// Renames a file. Replaces an existing file with the name `to`.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.rename_into(from, self, to)
    }

    /// Moves a file to another directory of the same file system. Replaces an existing file with
    /// the name `to`.
    pub(crate) fn rename_into(&self, from: &str, target: &Dir, to: &str) -> Result<()> {
        match (&self.inner, &target.inner) {
            (Inner::Os(dir), Inner::Os(target)) => dir.rename(&self.path, from, target, to),
            #[cfg(feature = "fault")]
            (Inner::Sim(dir), Inner::Sim(target)) => dir.rename(&self.path, from, target, to),
            #[cfg(feature = "fault")]
            _ => Err(super::error::failed("rename", &self.path_of(from))(
                std::io::ErrorKind::CrossesDevices.into(),
            )),
        }
    }

    /// Removes a file's name.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        forward!(self.remove(name))
    }

    /// Opens a directory in this one; creates it, accessible only to its owner, if it is missing.
    /// Its name is durable then. Returns whether it was created.
    pub(crate) fn make_dir(&self, name: &str) -> Result<(Dir, bool)> {
        let path = self.path.join(name);
        let (dir, is_new) = match &self.inner {
            Inner::Os(dir) => dir
                .make_dir(&self.path, &path, name)
                .map(|(dir, is_new)| (Dir::os(dir, &path), is_new)),
            #[cfg(feature = "fault")]
            Inner::Sim(dir) => dir
                .make_dir(&self.path, &path, name)
                .map(|(dir, is_new)| (Dir::sim(dir, &path), is_new)),
        }?;
        Ok((dir.mapping_at_most(self.mapped_max), is_new))
    }

    /// Opens a directory in this one; `None` if no directory has this name.
    pub(crate) fn enter(&self, name: &str) -> Result<Option<Dir>> {
        let path = self.path.join(name);
        let entered = match &self.inner {
            Inner::Os(dir) => dir.enter(&path, name).map(|dir| Dir::os(dir, &path)),
            #[cfg(feature = "fault")]
            Inner::Sim(dir) => dir.enter(&path, name).map(|dir| Dir::sim(dir, &path)),
        };
        Ok(found_dir(entered)?.map(|dir| dir.mapping_at_most(self.mapped_max)))
    }

    /// Removes an empty directory in this one.
    pub(crate) fn remove_dir(&self, name: &str) -> Result<()> {
        forward!(self.remove_dir(name))
    }

    /// Whether processes that have this directory open can wake each other.
    pub(crate) fn has_bells(&self) -> bool {
        match &self.inner {
            Inner::Os(_) => Bell::IS_POSSIBLE && self.mapped_files() == MappedFiles::All,
            #[cfg(feature = "fault")]
            Inner::Sim(_) => false,
        }
    }

    /// Makes the names in the directory durable.
    pub(crate) fn sync(&self) -> Result<()> {
        forward!(self.sync())
    }

    /// Makes the names that lead here durable: a process that created the directories may have been
    /// killed before it synced them.
    ///
    /// Directories that may not be read, or on whose file system nothing can be synced, are left
    /// out: nobody created a directory in those.
    pub(crate) fn sync_above(&self) -> Result<()> {
        forward!(self.sync_above())
    }

    /// Locks the directory for one writer or for any number of readers. Fails at once if the lock
    /// is held.
    pub(crate) fn lock(&self, exclusive: bool) -> Result<DirLock> {
        match &self.inner {
            Inner::Os(dir) => OsLock::take(dir, &self.path, exclusive).map(DirLock::os),
            #[cfg(feature = "fault")]
            Inner::Sim(dir) => dir.lock(&self.path, exclusive),
        }
    }

    /// The id of this boot of the machine, which no other boot has;
    /// [`UNKNOWN_BOOT`](super::UNKNOWN_BOOT) if the system does not tell.
    pub(crate) fn boot_id(&self) -> [u8; 16] {
        match &self.inner {
            Inner::Os(dir) => dir.boot_id(),
            #[cfg(feature = "fault")]
            Inner::Sim(dir) => dir.boot_id(),
        }
    }

    /// Draws 128 random bits, which no other log or segment has.
    pub(crate) fn random(&self) -> Result<[u8; 16]> {
        match &self.inner {
            Inner::Os(dir) => dir.random(),
            #[cfg(feature = "fault")]
            Inner::Sim(dir) => dir.random(),
        }
    }
}
