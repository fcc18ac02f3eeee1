//! The quarantine: the subfolder for the bytes and segments that recovery cuts off.

use std::path::PathBuf;

use super::files::Directory;
use super::files::copy_range;
use crate::Result;
use crate::format::{FileName, QUARANTINE_NAME};
use crate::sys::{File, Open};

impl Directory {
    /// Keeps a copy of the bytes `start..end` of a segment's file; returns the path of the copy.
    pub(crate) fn quarantine_range(
        &self,
        from: &File,
        start: u64,
        end: u64,
        ending: &str,
    ) -> Result<PathBuf> {
        let stem = from.path().file_stem().and_then(|stem| stem.to_str());
        let to = self.quarantine_file(&format!("{}.{start}.{ending}", stem.unwrap_or_default()))?;
        let file = self.storage.open(&to, Open::Create)?;
        copy_range(from, start, end, &file)?;
        file.sync()?;
        self.storage.sync_dir(&self.path.join(QUARANTINE_NAME))?;
        // The folder may have been created by a process that was killed before the folder's name
        // was durable.
        self.storage.sync_dir(&self.path)?;
        Ok(to)
    }

    /// Moves a segment out of the log; returns its new path.
    pub(crate) fn quarantine_segment(&self, base: u64) -> Result<PathBuf> {
        let name = FileName::Segment(base);
        let to = self.quarantine_file(&name.to_string())?;
        self.storage.rename(&self.path_of(&name), &to)?;
        self.storage.sync_dir(&self.path.join(QUARANTINE_NAME))?;
        self.storage.sync_dir(&self.path)?;
        Ok(to)
    }

    /// A path in the quarantine folder that no file has.
    fn quarantine_file(&self, name: &str) -> Result<PathBuf> {
        let dir = self.path.join(QUARANTINE_NAME);
        self.storage.create_dirs(&dir)?;
        let names = self.storage.list(&dir)?;
        let mut free = name.to_owned();
        let mut n = 1;
        while names.contains(&free) {
            free = format!("{name}.{n}");
            n += 1;
        }
        Ok(dir.join(free))
    }
}
