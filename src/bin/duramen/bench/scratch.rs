use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use duramen::Timestamp;

use crate::failure::Failure;
use crate::streams::tell;

/// A new directory that is removed when this value is dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Creates a directory in `parent` or in the system's directory for temporary files.
    pub(crate) fn new(parent: Option<&Path>) -> Result<Scratch, Failure> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let now = Timestamp::now().as_micros();
        let path = parent.join(format!("duramen-bench-{}-{now}", process::id()));
        // This fails if the directory exists, so that no other files are measured or removed.
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
