//! What the block device below a directory has done so far.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::Outcome;

/// The counters of a block device. Everybody's writes count, so nothing else should write to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    /// The number of writes that have completed.
    pub(crate) writes: u64,
    pub(crate) bytes: u64,
}

/// Writes out what the file system below `dir` has not written yet, so that it does not count
/// later, and returns the counters. There are none if the file system has no single block device.
pub(crate) fn settle(dir: &Path) -> Outcome<Option<Written>> {
    rustix::fs::syncfs(fs::File::open(dir)?)?;
    written(dir)
}

/// The counters of the device below `dir`.
pub(crate) fn written(dir: &Path) -> Outcome<Option<Written>> {
    let device = fs::metadata(dir)?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let path = PathBuf::from(format!("/sys/dev/block/{major}:{minor}/stat"));
    let Ok(text) = fs::read_to_string(path) else {
        return Ok(None);
    };
    // See Documentation/block/stat.rst of the kernel. A sector has 512 bytes on every device.
    let fields: Vec<u64> = text
        .split_ascii_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let field = |number: usize| fields.get(number - 1).copied().ok_or("a short line of counters");
    Ok(Some(Written {
        writes: field(5)?,
        bytes: field(7)? * 512,
    }))
}
