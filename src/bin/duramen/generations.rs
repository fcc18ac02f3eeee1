//! Several generations of backups in one directory.
//!
//! Each generation is a log in a directory of its own, `000012-20261129T163018Z`: a number that
//! goes up, and when the backup was taken. A backup goes to the directory `.next`, which gets the
//! name of a generation when the copy is complete. The generation that is one too many then becomes
//! `.next`: a copy from long ago, onto which the next backup copies only what has changed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use duramen::{BackupReport, Error, Options, Timestamp};

use crate::failure::Failure;
use crate::{directories, open};

/// Where the next backup goes, and what the last one may have left to begin with.
const NEXT: &str = ".next";

/// A generation that is being removed.
const REMOVED: &str = ".removed";

/// A directory of generations, which no other process changes meanwhile.
pub(crate) struct Generations {
    dir: PathBuf,
    /// The directory, locked while this exists.
    file: File,
}

/// What a backup did.
pub(crate) struct Done {
    pub(crate) report: BackupReport,
    /// The name of the new generation.
    pub(crate) name: String,
    /// How many generations there are, and how many are gone.
    pub(crate) count: usize,
    pub(crate) removed: usize,
}

impl Generations {
    /// Opens the directory, which is created if it is missing.
    pub(crate) fn open(dir: &Path) -> Result<Generations, Failure> {
        match Options::of(dir) {
            Err(Error::NoLog { .. }) => {}
            Ok(_) | Err(Error::Unfinished { .. }) => {
                return Err(Failure::Usage(format!(
                    "{} is a log; with --keep, the directory holds one log for each backup",
                    dir.display()
                )));
            }
            Err(error) => return Err(error.into()),
        }
        directories::create_all(dir)?;
        let file = Failure::at("open", dir, File::open(dir))?;
        directories::lock(dir, &file)?;
        Ok(Generations {
            dir: dir.to_owned(),
            file,
        })
    }

    /// Copies the log to a new generation. Then, and not before, the oldest ones are removed, so
    /// that `keep` are left.
    pub(crate) fn add(&self, src: &Path, keep: usize) -> Result<Done, Failure> {
        // A run before this one may have been interrupted.
        remove(&self.dir.join(REMOVED))?;
        let next = self.dir.join(NEXT);
        let report = copy(src, &next)?;
        let mut names = names(&self.dir)?;
        let number = names.last().and_then(|name| number_of(name)).unwrap_or(0);
        let name = name_of(number.saturating_add(1));
        self.rename(NEXT, &name)?;
        names.push(name.clone());
        let removed = names.len().saturating_sub(keep);
        for old in names.iter().take(removed) {
            if next.exists() {
                // In one step: what is half removed has no name of a generation.
                self.rename(old, REMOVED)?;
                remove(&self.dir.join(REMOVED))?;
            } else {
                self.rename(old, NEXT)?;
            }
        }
        Ok(Done {
            report,
            name,
            count: names.len() - removed,
            removed,
        })
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Failure> {
        let from = self.dir.join(from);
        Failure::at("rename", &from, fs::rename(&from, self.dir.join(to)))?;
        Failure::at("sync", &self.dir, self.file.sync_all())
    }
}

/// Whether the directory holds generations.
pub(crate) fn are_in(dir: &Path) -> bool {
    names(dir).is_ok_and(|names| !names.is_empty())
}

/// Copies the log onto what is there, or from the beginning if that does not do: it is no backup
/// that anybody counts on.
fn copy(src: &Path, next: &Path) -> Result<BackupReport, Failure> {
    let copied = open::patiently(|| duramen::backup(src, next));
    let is_in_the_way = match &copied {
        // Another log, or one with messages that this one does not have, as before a restore.
        Err(Failure::Log(Error::Invalid(_) | Error::Unfinished { .. })) => true,
        Err(Failure::Log(Error::Corrupt { path, .. })) => path.starts_with(next),
        _ => false,
    };
    if !is_in_the_way || !next.exists() {
        return copied;
    }
    remove(next)?;
    open::patiently(|| duramen::backup(src, next))
}

/// The names of the generations, oldest first.
fn names(dir: &Path) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for entry in Failure::at("list", dir, fs::read_dir(dir))? {
        let entry = Failure::at("list", dir, entry)?;
        let is_dir = Failure::at("look at", dir, entry.file_type())?.is_dir();
        if let Ok(name) = entry.file_name().into_string()
            && is_dir
            && number_of(&name).is_some()
        {
            names.push(name);
        }
    }
    names.sort_by_key(|name| number_of(name));
    Ok(names)
}

/// The number in the name of a generation; `None` if it is another name.
fn number_of(name: &str) -> Option<u64> {
    let (number, time) = name.split_once('-')?;
    let is_time = time.len() == 16
        && time.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    let is_number = number.len() >= 6 && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_time && is_number).then(|| number.parse().ok())?
}

/// The name of a generation that is taken now.
fn name_of(number: u64) -> String {
    let now = Timestamp::now().to_string();
    let mut digits: String = now.chars().filter(char::is_ascii_digit).take(14).collect();
    // A clock that is beyond the year 9999 has no such form.
    if !now.ends_with('Z') {
        digits = "0".repeat(14);
    }
    let (day, time) = digits.split_at(8);
    format!("{number:06}-{day}T{time}Z")
}

/// Removes a directory, which may be missing.
fn remove(dir: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => Failure::at("remove", dir, removed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_known_by_its_name() {
        assert_eq!(number_of(&name_of(7)), Some(7));
        assert_eq!(number_of(&name_of(u64::MAX)), Some(u64::MAX));
        assert_eq!(number_of("000012-20261129T163018Z"), Some(12));
        for name in [
            "",
            ".next",
            "000012",
            "12-20261129T163018Z",
            "000012-20261129T163018",
            "00001x-20261129T163018Z",
            "000012-2026-11-29T16:30Z",
        ] {
            assert_eq!(number_of(name), None, "{name}");
        }
    }
}
