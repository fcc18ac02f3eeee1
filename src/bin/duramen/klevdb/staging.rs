//! A directory that gets its name when it is complete.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::source::base_in;
use crate::directories;
use crate::failure::Failure;

/// What the name of an unfinished directory ends with.
const ENDING: &str = ".unfinished";

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
        Failure::at("create", parent, fs::create_dir_all(parent))?;
        match fs::create_dir(&dir) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => Failure::at("create", &dir, other)?,
        }
        let file = Failure::at("open", &dir, File::open(&dir))?;
        directories::lock(&dir, &file)?;
        // Another export may have been waited for.
        refuse_occupied(&target)?;
        clear(&dir)?;
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
        match fs::remove_dir(&self.target) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => Failure::at("replace", &self.target, other)?,
        }
        Failure::at("rename", &self.dir, fs::rename(&self.dir, &self.target))?;
        self.is_finished = true;
        directories::sync(directories::parent_of(&self.target))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.is_finished && clear(&self.dir).is_ok() {
            // What cannot be removed now is removed by the next export to the same place.
            let _ = fs::remove_dir(&self.dir);
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

/// Removes what an earlier attempt has left. Other files are nobody's to remove.
fn clear(dir: &Path) -> Result<(), Failure> {
    for entry in Failure::at("list", dir, fs::read_dir(dir))? {
        let path = Failure::at("list", dir, entry)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if base_in(&name, ".log").or(base_in(&name, ".index")).is_none() {
            return Err(Failure::Usage(format!(
                "{} is in the way: no export has left it",
                path.display()
            )));
        }
        Failure::at("remove", &path, fs::remove_file(&path))?;
    }
    Ok(())
}
