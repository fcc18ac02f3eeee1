//! The directory of a log of klevdb.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::file;
use super::format::OFFSET_MAX;
use crate::failure::Failure;

/// A directory of klevdb that nobody writes to while this exists, if it is locked.
pub(crate) struct Source {
    pub(crate) dir: PathBuf,
    /// The offsets in the names of its segments, ascending; at least one.
    pub(crate) bases: Vec<u64>,
    /// The bytes of each at the beginning.
    lens: Vec<u64>,
    lock: Option<File>,
}

impl Source {
    /// Opens the directory, for reading, as klevdb does that.
    pub(crate) fn open(dir: &Path) -> Result<Source, Failure> {
        // Before the lock file is made in a directory that is something else.
        bases_in(dir)?;
        let lock = lock(dir)?;
        let bases = bases_in(dir)?;
        Ok(Source {
            dir: dir.to_owned(),
            lens: lens_of(dir, &bases)?,
            bases,
            lock,
        })
    }

    /// Whether no program can have it open for writing while this exists.
    pub(crate) fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// Fails if another program has changed the segments since they were opened, as far as their
    /// names and lengths tell. Behind a lock, none can.
    pub(crate) fn check_unchanged(&self) -> Result<(), Failure> {
        let bases = bases_in(&self.dir)?;
        if bases != self.bases || lens_of(&self.dir, &bases)? != self.lens {
            return Err(Failure::KlevdbChanged {
                dir: self.dir.clone(),
            });
        }
        Ok(())
    }
}

/// The offset in the name of a segment.
pub(crate) fn base_in(name: &str, ending: &str) -> Option<u64> {
    let digits = name.strip_suffix(ending)?;
    let is_plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|base| is_plain && *base <= OFFSET_MAX)
}

fn lens_of(dir: &Path, bases: &[u64]) -> Result<Vec<u64>, Failure> {
    let len = |base: &u64| {
        let path = dir.join(format!("{base:020}.log"));
        let len = fs::metadata(&path).map(|found| found.len());
        Failure::at("look at", &path, len)
    };
    bases.iter().map(len).collect()
}

fn bases_in(dir: &Path) -> Result<Vec<u64>, Failure> {
    let mut bases = Vec::new();
    for entry in Failure::at("list", dir, fs::read_dir(dir))? {
        let name = Failure::at("list", dir, entry)?.file_name();
        let name = name.to_string_lossy();
        if ["meta.0", "meta.1"].contains(&&*name) {
            let text = format!("{} is a log of duramen, and none of klevdb", dir.display());
            return Err(Failure::Usage(text));
        }
        if !name.ends_with(".log") {
            continue;
        }
        match base_in(&name, ".log") {
            Some(base) => bases.push(base),
            None => {
                return Err(Failure::damaged(
                    &dir.join(&*name),
                    0,
                    "klevdb names no segment so",
                ));
            }
        }
    }
    if bases.is_empty() {
        return Err(Failure::NoKlevdb { dir: dir.to_owned() });
    }
    bases.sort_unstable();
    Ok(bases)
}

/// Takes the lock that klevdb takes to read a log; `None` in a directory in which there is no lock
/// file and none can be made. Another user may be able to write to it.
fn lock(dir: &Path) -> Result<Option<File>, Failure> {
    let path = dir.join(".lock");
    let file = match file::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .custom_flags(file::FLAGS)
                .open(&path);
            match made.map_err(|error| (error.kind(), error)) {
                Err((io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem, _)) => {
                    return Ok(None);
                }
                other => Failure::at("create", &path, other.map_err(|(_, error)| error))?,
            }
        }
        other => Failure::at("open", &path, other)?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(Failure::KlevdbLocked { dir: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(Failure::path("lock", &path, error)),
    }
}
