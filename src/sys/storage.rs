use std::fmt;
use std::io;
use std::path::{Component, Path};

use super::error::{found, found_dir};
use super::os::OsDir;
use super::{Dir, DirLock};
use crate::{Error, Result};

/// A system of files, into which paths lead.
///
/// A path is only used to open a directory. From then on everything goes through the opened
/// directory, which stays the same whatever its path comes to mean.
pub(crate) trait Storage: Send + Sync + fmt::Debug {
    /// Opens an existing directory.
    fn open_dir(&self, path: &Path) -> Result<Dir>;
}

/// The operating system's file system.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Os;

impl Storage for Os {
    fn open_dir(&self, path: &Path) -> Result<Dir> {
        OsDir::open_path(path).map(|dir| Dir::os(dir, path))
    }
}

/// Other directories of the same system.
impl Storage for Dir {
    fn open_dir(&self, path: &Path) -> Result<Dir> {
        self.open_other(path)
    }
}

/// Opens a directory, if there is one at this path.
pub(crate) fn find_dir(storage: &dyn Storage, path: &Path) -> Result<Option<Dir>> {
    found_dir(storage.open_dir(path))
}

/// A directory that was opened, and the directories that had to be created for it.
///
/// Unless the directory is [kept](Created::keep), dropping this removes those that were created, if
/// they are empty, and a lock file that [`lock`](Created::lock) has created. So a call that refuses
/// leaves no trace.
#[derive(Debug)]
pub(crate) struct Created {
    dir: Dir,
    /// The directories that were created, outermost first: each one's parent, and its name in it.
    made: Vec<(Dir, String)>,
    /// Whether the lock file was created by [`lock`](Created::lock).
    made_lock: bool,
}

impl Created {
    /// A directory that was there.
    pub(crate) fn existing(dir: Dir) -> Created {
        Created {
            dir,
            made: Vec::new(),
            made_lock: false,
        }
    }

    /// Opens the directory at `path`. Creates it and its missing parents, accessible only to their
    /// owner; their names are durable. Before anything is created, `accept` is asked about the
    /// nearest directory that exists, and then about the result.
    pub(crate) fn open(
        storage: &dyn Storage,
        path: &Path,
        accept: &dyn Fn(&Dir) -> Result<()>,
    ) -> Result<Created> {
        let mut missing = Vec::new();
        let mut at = path;
        let nearest = loop {
            let here = if at.as_os_str().is_empty() {
                Path::new(".")
            } else {
                at
            };
            if let Some(dir) = found(storage.open_dir(here))? {
                break dir;
            }
            let Some(parent) = at.parent() else {
                return storage.open_dir(here).map(Created::existing);
            };
            missing.extend(at.components().next_back());
            at = parent;
        };
        accept(&nearest)?;
        let mut created = Created::existing(nearest);
        for component in missing.into_iter().rev() {
            created.enter(component, path)?;
        }
        accept(&created.dir)?;
        // The path may be spelled differently from what leads here step by step.
        created.dir.set_path(path);
        Ok(created)
    }

    fn enter(&mut self, component: Component<'_>, path: &Path) -> Result<()> {
        let name = component.as_os_str().to_str().ok_or_else(|| Error::Io {
            operation: "create directory",
            path: path.to_path_buf(),
            source: io::Error::new(io::ErrorKind::InvalidInput, "its name is not UTF-8"),
        })?;
        self.go_into(name)
    }

    /// Goes on to a directory in this one, which is created if it is missing.
    pub(crate) fn go_into(&mut self, name: &str) -> Result<()> {
        let (dir, is_new) = self.dir.make_dir(name)?;
        let parent = std::mem::replace(&mut self.dir, dir);
        if is_new {
            self.made.push((parent, name.to_owned()));
        }
        Ok(())
    }

    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Locks the directory for a writer. Drop this before the lock: a lock file that is not to be
    /// kept is removed while nobody else can have it.
    pub(crate) fn lock(&mut self) -> Result<DirLock> {
        let had_lock = found(self.dir.len_of(super::LOCK_NAME))?.is_some();
        let lock = self.dir.lock(true)?;
        self.made_lock = !had_lock;
        Ok(lock)
    }

    /// Keeps the directories that were created.
    pub(crate) fn keep(mut self) -> Dir {
        self.made.clear();
        self.made_lock = false;
        self.dir.clone()
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        // A lock file that somebody else has created meanwhile is theirs, as is the directory then.
        if self.made_lock {
            let _ = self.dir.remove(super::LOCK_NAME);
        }
        while let Some((parent, name)) = self.made.pop() {
            let _ = parent.remove_dir(&name);
        }
    }
}
