//! A directory that gets its name when it is complete.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::file;
use super::source::base_in;
use crate::directories;
use crate::failure::Failure;

/// What the name of an unfinished directory ends with.
const ENDING: &str = ".unfinished";
/// The file that says that an export has made the directory. What has none is another program's.
const MARKER: &str = "duramen-export";

/// A directory beside the one that is to be made.
pub(crate) struct Staging {
    target: PathBuf,
    pub(crate) dir: PathBuf,
    /// The directory, locked while this exists.
    file: File,
    is_finished: bool,
}

impl Staging {
    /// Makes the directory, empty, for a target that is missing or an empty directory.
    pub(crate) fn begin(target: &Path) -> Result<Staging, Failure> {
        let target = match fs::canonicalize(target) {
            Err(error) if error.kind() == ErrorKind::NotFound => target.to_owned(),
            other => Failure::at("look at", target, other)?,
        };
        refuse_occupied(&target)?;
        let Some(name) = target.file_name() else {
            return Err(Failure::Usage(format!("{} has no name", target.display())));
        };
        let mut name = OsString::from(name);
        name.push(ENDING);
        let parent = directories::parent_of(&target);
        let dir = parent.join(name);
        directories::create_all(parent)?;
        refuse_fixed(&target, parent)?;
        let file = lock(&dir)?;
        // Another export may have been waited for.
        refuse_occupied(&target)?;
        clear(&dir)?;
        let marker = dir.join(MARKER);
        let made = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(file::FLAGS)
            .open(&marker);
        Failure::at("create", &marker, made)?;
        Failure::at("sync", &dir, file.sync_all())?;
        Ok(Staging {
            target,
            dir,
            file,
            is_finished: false,
        })
    }

    /// Gives the directory its name, durably. Its files are durable already.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        Failure::at("sync", &self.dir, self.file.sync_all())?;
        // This replaces a directory that is empty, and no other.
        Failure::at("rename", &self.dir, fs::rename(&self.dir, &self.target))?;
        self.is_finished = true;
        directories::sync(directories::parent_of(&self.target))?;
        let marker = self.target.join(MARKER);
        Failure::at("remove", &marker, fs::remove_file(&marker))?;
        Failure::at("sync", &self.target, self.file.sync_all())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.is_finished && clear(&self.dir).is_ok() {
            // What cannot be removed now is removed by the next export to the same place.
            let _ = fs::remove_file(self.dir.join(MARKER)).and_then(|()| fs::remove_dir(&self.dir));
        }
    }
}

fn refuse_occupied(target: &Path) -> Result<(), Failure> {
    let mut entries = match fs::read_dir(target) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => Failure::at("list", target, other)?,
    };
    if entries.next().is_some() {
        return Err(Failure::Usage(format!(
            "{} is not empty: a log is exported to a directory that is missing or empty",
            target.display()
        )));
    }
    Ok(())
}

/// Refuses what no directory can be put in the place of.
fn refuse_fixed(target: &Path, parent: &Path) -> Result<(), Failure> {
    let metadata = match fs::symlink_metadata(target) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => Failure::at("look at", target, other)?,
    };
    let around = Failure::at("look at", parent, fs::metadata(parent))?;
    let what = if metadata.is_symlink() {
        "a symbolic link to nothing"
    } else if metadata.dev() != around.dev() {
        "a mount point"
    } else {
        return Ok(());
    };
    let text = format!(
        "{} is {what}: no directory can be put in its place",
        target.display()
    );
    Err(Failure::Usage(text))
}

/// Makes the directory, if it is missing, and locks it.
fn lock(dir: &Path) -> Result<File, Failure> {
    loop {
        match DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => Failure::at("create", dir, other)?,
        }
        if fs::symlink_metadata(dir).is_ok_and(|found| !found.is_dir()) {
            return Err(in_the_way(dir));
        }
        let file = OpenOptions::new().read(true).custom_flags(file::FLAGS).open(dir);
        let file = match file {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            other => Failure::at("open", dir, other)?,
        };
        directories::lock(dir, &file)?;
        // The export that was waited for has given the directory its name, or removed it.
        if Failure::at("look at", dir, is_at(&file, dir))? {
            return Ok(file);
        }
    }
}

/// Whether the directory of this handle has this name.
fn is_at(file: &File, dir: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        found => found.map(|found| (found.dev(), found.ino()) == (held.dev(), held.ino())),
    }
}

fn in_the_way(path: &Path) -> Failure {
    Failure::Usage(format!("{} is in the way: no export has left it", path.display()))
}

/// Removes what an earlier attempt has left, but for the marker. Other files are nobody's to
/// remove: if there is one, nothing is removed.
fn clear(dir: &Path) -> Result<(), Failure> {
    let mut paths = Vec::new();
    let mut is_marked = false;
    for entry in Failure::at("list", dir, fs::read_dir(dir))? {
        let path = Failure::at("list", dir, entry)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name == MARKER {
            is_marked = true;
        } else if base_in(&name, ".log").or(base_in(&name, ".index")).is_some() {
            paths.push(path);
        } else {
            return Err(in_the_way(&path));
        }
    }
    if !is_marked && !paths.is_empty() {
        return Err(in_the_way(dir));
    }
    for path in paths {
        Failure::at("remove", &path, fs::remove_file(&path))?;
    }
    Ok(())
}
