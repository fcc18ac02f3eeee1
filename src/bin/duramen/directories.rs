//! Directories that the tool makes itself.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::{open, streams};

/// Locks a directory, by the handle `file`; waits for a short time at most while another process
/// has it.
pub(crate) fn lock(dir: &Path, file: &File) -> Result<(), Failure> {
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if started.elapsed() < open::PATIENCE => {
                streams::sleep(Duration::from_millis(10));
            }
            Err(error) => return Failure::at("lock", dir, Err(error.into())),
        }
    }
}

/// The directory that this one is in.
pub(crate) fn parent_of(dir: &Path) -> &Path {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Creates a directory and its parents, as far as they are missing, durably.
pub(crate) fn create_all(dir: &Path) -> Result<(), Failure> {
    let mut missing = Vec::new();
    let mut at = dir;
    while !at.exists() {
        missing.push(at);
        at = parent_of(at);
    }
    Failure::at("create", dir, fs::create_dir_all(dir))?;
    missing.iter().try_for_each(|dir| sync(parent_of(dir)))
}

/// Makes the names in a directory durable.
pub(crate) fn sync(dir: &Path) -> Result<(), Failure> {
    Failure::at("sync", dir, File::open(dir).and_then(|dir| dir.sync_all()))
}
