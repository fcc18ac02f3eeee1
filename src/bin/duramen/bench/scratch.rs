use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use duramen::Timestamp;

use crate::failure::{Failure, tell};

/// A fresh directory, removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A new directory in `parent`, or where the system has its temporary files.
    pub(crate) fn new(parent: Option<&Path>) -> Result<Scratch, Failure> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let now = Timestamp::now().as_micros();
        let path = parent.join(format!("duramen-bench-{}-{now}", process::id()));
        // Fails if it exists: nobody else's files are measured, or removed.
        fs::create_dir(&path).map_err(|source| Failure::Io {
            operation: "create a temporary directory",
            source,
        })?;
        Ok(Scratch(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tell(format_args!(
                "duramen: cannot remove {}: {error}",
                self.0.display()
            ));
        }
    }
}
