//! The operating system's files and directories.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::OsFile;
use super::owner::give_to_owner;
use super::system::{self, TO_GO_UP};
use crate::sys::error::failed;
use crate::sys::{Entry, FileId, NamesChangedAt, Open};
use crate::{Error, MappedFiles, Result};

const OPEN_DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// How many directories there may be above one another.
const DEPTH_MAX: usize = 4096;

/// An opened directory. Every method gets the path by which it was opened, for messages.
#[derive(Clone, Debug)]
pub(in crate::sys) struct OsDir(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    file: fs::File,
    mapped: OnceLock<MappedFiles>,
}

impl OsDir {
    pub(in crate::sys) fn open_path(path: &Path) -> Result<OsDir> {
        let opened = rustix::fs::open(path, OPEN_DIR, Mode::empty());
        let file = opened.map_err(|error| failed("open directory", path)(error.into()))?;
        Ok(OsDir::of(file.into()))
    }

    fn of(file: fs::File) -> OsDir {
        let mapped = OnceLock::new();
        OsDir(Arc::new(Opened { file, mapped }))
    }

    pub(super) fn file(&self) -> &fs::File {
        &self.0.file
    }

    /// The same directory, opened once more.
    pub(super) fn again(&self, path: &Path) -> Result<fs::File> {
        rustix::fs::openat(&self.0.file, ".", OPEN_DIR, Mode::empty())
            .map(fs::File::from)
            .map_err(|error| failed("open directory", path)(error.into()))
    }

    /// Which files are mapped on the file system that this directory is on. The system is asked
    /// once.
    pub(in crate::sys) fn mapped_files(&self) -> MappedFiles {
        *self.0.mapped.get_or_init(|| system::mapped_files(&self.0.file))
    }

    pub(in crate::sys) fn file_system(&self, path: &Path) -> Result<u64> {
        self.0
            .file
            .metadata()
            .map(|metadata| metadata.dev())
            .map_err(failed("look at", path))
    }

    pub(in crate::sys) fn check_exists(&self, path: &Path) -> Result<()> {
        let metadata = self.0.file.metadata().map_err(failed("look at", path))?;
        if metadata.nlink() == 0 {
            return Err(failed("look at", path)(removed()));
        }
        Ok(())
    }

    /// The error of a call about `name`. A name that is missing because its directory was removed
    /// is not taken for a name that is missing.
    fn failed(&self, operation: &'static str, path: &Path, name: &str, error: Errno) -> Error {
        let is_removed = || self.0.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0);
        let source = match error {
            Errno::NOENT if is_removed() => removed(),
            Errno::LOOP => unfit("a symbolic link, which a log does not follow; put the file itself there"),
            _ => error.into(),
        };
        failed(operation, &path.join(name))(source)
    }

    pub(in crate::sys) fn is_inside(&self, path: &Path, other: &OsDir) -> Result<bool> {
        let wanted = stat(other.0.file.as_fd(), path)?;
        let mut is_inside = false;
        self.above(path, &mut |_, stat| {
            is_inside = is_inside || is_same(stat, &wanted);
            Ok(())
        })?;
        Ok(is_inside || is_same(&stat(self.0.file.as_fd(), path)?, &wanted))
    }

    /// Visits the directories above this one, innermost first.
    fn above(&self, path: &Path, visit: &mut dyn FnMut(&OwnedFd, &Stat) -> Result<()>) -> Result<()> {
        let mut here = stat(self.0.file.as_fd(), path)?;
        let mut at: Option<OwnedFd> = None;
        for _ in 0..DEPTH_MAX {
            let from = at.as_ref().map_or(self.0.file.as_fd(), |at| at.as_fd());
            let above = match rustix::fs::openat(from, "..", TO_GO_UP, Mode::empty()) {
                Ok(above) => above,
                // What cannot be searched cannot be looked through.
                Err(Errno::ACCESS) => return Ok(()),
                Err(error) => return Err(failed("open directory", &path.join(".."))(error.into())),
            };
            let found = stat(above.as_fd(), path)?;
            if is_same(&found, &here) {
                return Ok(());
            }
            visit(&above, &found)?;
            here = found;
            at = Some(above);
        }
        Ok(())
    }

    pub(in crate::sys) fn entries(&self, path: &Path) -> Result<Vec<Entry>> {
        let error = |error: Errno| failed("list", path)(error.into());
        // This opens a descriptor of its own, which begins at the first name.
        let entries = rustix::fs::Dir::read_from(&self.0.file).map_err(error)?;
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(error)?;
            // A name that is not UTF-8 is not one of the library's.
            if let Ok(name) = entry.file_name().to_str()
                && !matches!(name, "." | "..")
            {
                let inode = match entry.ino() {
                    // Some file systems, such as many of FUSE, tell it only if the file is asked.
                    0 | 0xffff_ffff => self.stat_of(path, name).map_or(0, |stat| stat.st_ino),
                    inode => inode,
                };
                found.push(Entry {
                    name: name.to_owned(),
                    inode,
                });
            }
        }
        Ok(found)
    }

    pub(in crate::sys) fn names_changed_at(&self, path: &Path) -> Result<NamesChangedAt> {
        let stat = stat(self.0.file.as_fd(), path)?;
        if stat.st_nlink == 0 {
            return Err(failed("look at", path)(removed()));
        }
        Ok(NamesChangedAt::of(stat.st_mtime, stat.st_mtime_nsec))
    }

    pub(in crate::sys) fn open(&self, path: &Path, name: &str, how: Open) -> Result<OsFile> {
        let access = match how {
            Open::Read => OFlags::RDONLY,
            Open::Write => OFlags::RDWR,
            Open::Create => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        };
        let operation = if how == Open::Create { "create" } else { "open" };
        let file = self
            .open_file(name, access)
            .map_err(|error| self.failed(operation, path, name, error))?;
        let path = path.join(name);
        let metadata = file.metadata().map_err(failed("look at", &path))?;
        if !metadata.is_file() {
            return Err(failed("open", &path)(unfit("not a regular file")));
        }
        if metadata.nlink() > 1 {
            return Err(failed("open", &path)(unfit(
                "a hard link, so writing to it would change a file elsewhere; put a copy in its place \
                 (`cp FILE COPY && mv COPY FILE`)",
            )));
        }
        Ok(OsFile::new(file))
    }

    /// Opens a file; a new one only its owner can read and write.
    pub(super) fn open_file(&self, name: &str, access: OFlags) -> Result<fs::File, Errno> {
        // O_NONBLOCK keeps a FIFO with one of the library's names from blocking the call.
        // O_NOFOLLOW refuses symbolic links.
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        loop {
            match rustix::fs::openat(&self.0.file, name, flags, Mode::RUSR | Mode::WUSR) {
                Err(Errno::INTR) => {}
                opened => {
                    let file = opened.map(fs::File::from)?;
                    if access.contains(OFlags::EXCL) {
                        give_to_owner(&self.0.file, &file);
                    }
                    return Ok(file);
                }
            }
        }
    }

    /// What a name stands for; a symbolic link stands for itself.
    pub(super) fn stat_of(&self, path: &Path, name: &str) -> Result<Stat> {
        rustix::fs::statat(&self.0.file, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| self.failed("look at", path, name, error))
    }

    pub(in crate::sys) fn len_of(&self, path: &Path, name: &str) -> Result<u64> {
        Ok(u64::try_from(self.stat_of(path, name)?.st_size).unwrap_or(0))
    }

    pub(in crate::sys) fn identity_of(&self, path: &Path, name: &str) -> Result<FileId> {
        let stat = self.stat_of(path, name)?;
        Ok(FileId {
            device: system::device(&stat),
            inode: stat.st_ino,
            made: system::made(&self.0.file, name, &stat),
        })
    }

    pub(in crate::sys) fn rename(&self, path: &Path, from: &str, target: &OsDir, to: &str) -> Result<()> {
        rustix::fs::renameat(&self.0.file, from, &target.0.file, to)
            .map_err(|error| self.failed("rename", path, from, error))
    }

    pub(in crate::sys) fn remove(&self, path: &Path, name: &str) -> Result<()> {
        rustix::fs::unlinkat(&self.0.file, name, AtFlags::empty())
            .map_err(|error| self.failed("remove", path, name, error))
    }

    pub(in crate::sys) fn remove_dir(&self, path: &Path, name: &str) -> Result<()> {
        rustix::fs::unlinkat(&self.0.file, name, AtFlags::REMOVEDIR)
            .map_err(|error| self.failed("remove", path, name, error))
    }

    /// `own` is the path of the directory to be opened.
    pub(in crate::sys) fn make_dir(&self, path: &Path, own: &Path, name: &str) -> Result<(OsDir, bool)> {
        let is_new = match rustix::fs::mkdirat(&self.0.file, name, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(self.failed("create directory", path, name, error)),
        };
        let made = self.enter(own, name)?;
        if is_new {
            give_to_owner(&self.0.file, &made.0.file);
            self.sync(path)?;
        }
        Ok((made, is_new))
    }

    /// Opens a directory in this one. `own` is its path.
    pub(in crate::sys) fn enter(&self, own: &Path, name: &str) -> Result<OsDir> {
        // Whoever may write here may have replaced the directory by a link.
        rustix::fs::openat(&self.0.file, name, OPEN_DIR | OFlags::NOFOLLOW, Mode::empty())
            .map(|file| OsDir::of(file.into()))
            .map_err(|error| failed("open directory", own)(error.into()))
    }

    pub(in crate::sys) fn sync(&self, path: &Path) -> Result<()> {
        sync(&self.0.file, path)
    }

    pub(in crate::sys) fn sync_above(&self, path: &Path) -> Result<()> {
        self.above(path, &mut |above, _| {
            let file = match rustix::fs::openat(above, ".", OPEN_DIR, Mode::empty()) {
                Ok(file) => file,
                Err(Errno::ACCESS | Errno::PERM) => return Ok(()),
                Err(error) => return Err(failed("open directory", path)(error.into())),
            };
            match sync(&file.into(), path) {
                Err(Error::SyncFailed { source, .. }) if cannot_sync(&source) => Ok(()),
                synced => synced,
            }
        })
    }
}

#[expect(
    clippy::unused_self,
    reason = "where no directory can be opened, there is none to ask"
)]
impl OsDir {
    pub(in crate::sys) fn boot_id(&self) -> [u8; 16] {
        system::boot_id()
    }

    pub(in crate::sys) fn random(&self) -> Result<[u8; 16]> {
        system::random()
    }
}

/// The error for what is no file that a log may use.
fn unfit(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn removed() -> io::Error {
    io::Error::other("the directory was removed")
}

fn sync(dir: &fs::File, path: &Path) -> Result<()> {
    dir.sync_all().map_err(|source| Error::SyncFailed {
        path: path.to_path_buf(),
        source,
    })
}

/// Whether the file system has no sync for directories, as squashfs, erofs, sysfs and procfs.
fn cannot_sync(error: &io::Error) -> bool {
    let cannot = [
        Errno::INVAL,
        Errno::ROFS,
        Errno::NOTSUP,
        Errno::NOSYS,
        Errno::NOTTY,
    ];
    Errno::from_io_error(error).is_some_and(|errno| cannot.contains(&errno))
}

fn stat(dir: impl AsFd, path: &Path) -> Result<Stat> {
    rustix::fs::fstat(dir).map_err(|error| failed("look at", path)(error.into()))
}

fn is_same(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}
