use std::path::Path;

use super::OsFile;
use crate::sys::{Entry, FileId, NamesChangedAt, Open};
use crate::{Error, MappedFiles, Result};

const NO_FILES: &str = "logs are kept in files on Linux, Android, macOS, iOS and FreeBSD only; \
     elsewhere there is MemoryLog";

/// An opened directory.
#[derive(Clone, Debug)]
pub(in crate::sys) enum OsDir {}

impl OsDir {
    pub(in crate::sys) fn open_path(path: &Path) -> Result<OsDir> {
        Err(Error::Unsupported {
            path: path.to_path_buf(),
            what: NO_FILES,
        })
    }

    pub(in crate::sys) fn mapped_files(&self) -> MappedFiles {
        match *self {}
    }

    pub(in crate::sys) fn file_system(&self, _: &Path) -> Result<u64> {
        match *self {}
    }

    pub(in crate::sys) fn check_exists(&self, _: &Path) -> Result<()> {
        match *self {}
    }

    pub(in crate::sys) fn is_inside(&self, _: &Path, _: &OsDir) -> Result<bool> {
        match *self {}
    }

    pub(in crate::sys) fn entries(&self, _: &Path) -> Result<Vec<Entry>> {
        match *self {}
    }

    pub(in crate::sys) fn names_changed_at(&self, _: &Path) -> Result<NamesChangedAt> {
        match *self {}
    }

    pub(in crate::sys) fn open(&self, _: &Path, _: &str, _: Open) -> Result<OsFile> {
        match *self {}
    }

    pub(in crate::sys) fn len_of(&self, _: &Path, _: &str) -> Result<u64> {
        match *self {}
    }

    pub(in crate::sys) fn identity_of(&self, _: &Path, _: &str) -> Result<FileId> {
        match *self {}
    }

    pub(in crate::sys) fn rename(&self, _: &Path, _: &str, _: &OsDir, _: &str) -> Result<()> {
        match *self {}
    }

    pub(in crate::sys) fn remove(&self, _: &Path, _: &str) -> Result<()> {
        match *self {}
    }

    pub(in crate::sys) fn remove_dir(&self, _: &Path, _: &str) -> Result<()> {
        match *self {}
    }

    pub(in crate::sys) fn enter(&self, _: &Path, _: &str) -> Result<OsDir> {
        match *self {}
    }

    pub(in crate::sys) fn make_dir(&self, _: &Path, _: &Path, _: &str) -> Result<(OsDir, bool)> {
        match *self {}
    }

    pub(in crate::sys) fn sync(&self, _: &Path) -> Result<()> {
        match *self {}
    }

    pub(in crate::sys) fn sync_above(&self, _: &Path) -> Result<()> {
        match *self {}
    }

    pub(in crate::sys) fn boot_id(&self) -> [u8; 16] {
        match *self {}
    }

    pub(in crate::sys) fn random(&self) -> Result<[u8; 16]> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_refused_with_one_clear_error() {
        let refused = OsDir::open_path(Path::new("log"));
        let message = refused.expect_err("no directory").to_string();
        assert!(
            message.starts_with("log: logs are kept in files on Linux"),
            "{message}"
        );
    }
}
