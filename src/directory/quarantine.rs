//! The quarantine: the subfolder for the bytes and segments that recovery cuts off.

use std::path::PathBuf;

use super::files::Directory;
use crate::Result;
use crate::format::{FileName, QUARANTINE_NAME};
use crate::sys::{Dir, File, Open};

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
        let (folder, name) =
            self.quarantine_file(&format!("{}.{start}.{ending}", stem.unwrap_or_default()))?;
        let file = folder.open(&name, Open::Create)?;
        self.copy_durably(from, start, end, &file)?;
        folder.sync()?;
        Ok(folder.path_of(&name))
    }

    /// Moves a segment out of the log; returns its new path.
    pub(crate) fn quarantine_segment(&self, base: u64) -> Result<PathBuf> {
        let from = FileName::Segment(base).to_string();
        let (folder, name) = self.quarantine_file(&from)?;
        self.dir.rename_into(&from, &folder, &name)?;
        folder.sync()?;
        self.dir.sync()?;
        Ok(folder.path_of(&name))
    }

    /// The quarantine folder, whose name is durable, and a name in it that no file has.
    fn quarantine_file(&self, name: &str) -> Result<(Dir, String)> {
        let (folder, is_new) = self.dir.make_dir(QUARANTINE_NAME)?;
        if !is_new {
            // It may have been created by a process that was killed before its name was durable.
            self.dir.sync()?;
        }
        let names = folder.list()?;
        let mut free = name.to_owned();
        let mut n = 1;
        while names.contains(&free) {
            free = format!("{name}.{n}");
            n += 1;
        }
        Ok((folder, free))
    }
}
