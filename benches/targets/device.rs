//! What a block device has written, by its own count.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{major, minor, syncfs};

use crate::Outcome;

/// The unit in which the system counts, whatever the device.
const SECTOR_LEN: u64 = 512;

/// The device, or the part of one, that a directory's file system is on.
///
/// Everybody's writes count, so nothing else should write to the device meanwhile.
#[derive(Debug)]
pub(crate) struct Device {
    dir: PathBuf,
    counters: PathBuf,
}

impl Device {
    /// Returns `None`, and says so, where the system has no such counters: file systems that span
    /// devices are on none that has a name.
    pub(crate) fn of(dir: &Path) -> Outcome<Option<Device>> {
        let number = fs::metadata(dir)?.dev();
        let counters = format!("/sys/dev/block/{}:{}/stat", major(number), minor(number));
        let device = Device {
            dir: dir.to_path_buf(),
            counters: PathBuf::from(counters),
        };
        if let Err(error) = device.bytes_written() {
            eprintln!(
                "left out: the bytes written to the device, as {} is not readable: {error}",
                device.counters.display()
            );
            return Ok(None);
        }
        Ok(Some(device))
    }

    /// Has the file system write everything it still holds back, so that it is counted before what
    /// comes next. Returns the number of bytes written so far.
    pub(crate) fn settled(&self) -> Outcome<u64> {
        syncfs(File::open(&self.dir)?)?;
        self.bytes_written()
    }

    /// The number of bytes written so far.
    pub(crate) fn bytes_written(&self) -> Outcome<u64> {
        Ok(self.counter(7)? * SECTOR_LEN)
    }

    /// A counter, by its number in Documentation/block/stat.rst of the kernel.
    pub(crate) fn counter(&self, number: usize) -> Outcome<u64> {
        let text = fs::read_to_string(&self.counters)?;
        let counter = text.split_whitespace().nth(number - 1);
        Ok(counter.ok_or("too few counters")?.parse()?)
    }
}
