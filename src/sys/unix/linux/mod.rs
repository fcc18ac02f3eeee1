//! Linux, which Android has too.

mod bell;
mod fork;
mod mapped;
mod overlay;

use std::fs;
use std::io;
use std::time::Duration;

use memmap2::MmapRaw;
use rustix::fs::{AtFlags, OFlags, Stat, StatxFlags, statx};
use rustix::io::Errno;
use rustix::mm::{Advice, madvise};
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::{ClockId, clock_gettime};

use crate::Result;
use crate::sys::error::random_failed;
use crate::sys::unix::boot::boot_of;

pub(crate) use bell::Bell;
pub(in crate::sys) use fork::process_number;
pub(super) use mapped::mapped_files;

/// A mapping of a file.
pub(super) type Held = MmapRaw;

/// A sync of a file includes what was stored through its mappings, so there is nothing to keep.
#[derive(Debug)]
pub(super) struct Stores;

impl Stores {
    pub(super) fn new() -> Stores {
        Stores
    }

    #[expect(clippy::unused_self, reason = "other systems keep the mapping")]
    pub(super) fn hold(&self, map: MmapRaw, _writable: bool) -> Held {
        map
    }

    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "other systems flush the mapping"
    )]
    pub(super) fn flush(&self, _: &fs::File) -> io::Result<()> {
        Ok(())
    }
}

/// How a directory is opened in which only the one above it is looked for.
pub(super) const TO_GO_UP: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The number of the device that a file is on.
pub(super) fn device(stat: &Stat) -> u64 {
    stat.st_dev
}

/// When a file was made, in nanoseconds since the Unix epoch; 0 if the file system does not tell.
pub(super) fn made(dir: &fs::File, name: &str, _: &Stat) -> u64 {
    let found = statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BTIME);
    let time = found
        .ok()
        .filter(|stat| StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME))
        .map(|stat| stat.stx_btime);
    time.and_then(|time| {
        u64::try_from(time.tv_sec)
            .ok()?
            .checked_mul(1_000_000_000)?
            .checked_add(u64::from(time.tv_nsec))
    })
    .unwrap_or(0)
}

/// The id of this boot of the machine.
pub(super) fn boot_id() -> [u8; 16] {
    boot_of(&fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default())
}

/// Draws 128 random bits.
pub(super) fn random() -> Result<[u8; 16]> {
    let mut bytes = [0; 16];
    loop {
        match getrandom(&mut bytes, GetRandomFlags::empty()) {
            // Up to 256 bytes are never returned in part.
            Ok(_) => return Ok(bytes),
            Err(Errno::INTR) => {}
            Err(error) => return Err(random_failed(error.into())),
        }
    }
}

/// The time on the system's monotonic clock, as of its last tick: up to about 10 milliseconds ago.
/// Reading it takes a few nanoseconds, a fraction of what [`std::time::Instant`] takes.
#[inline]
pub(crate) fn coarse_time() -> Duration {
    let time = clock_gettime(ClockId::MonotonicCoarse);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Faults in the `len` bytes from `from` on. `MADV_POPULATE_WRITE` changes no byte, and returns an
/// error if a page is not available, such as one behind the file's end.
pub(super) fn populate(map: &MmapRaw, from: usize, len: usize) {
    advise(map, from, len, Advice::LinuxPopulateWrite);
}

/// Unmaps the pages from `from` on, which in a shared mapping of a file changes no byte.
pub(super) fn let_go(map: &MmapRaw, from: usize, len: usize) {
    advise(map, from, len, Advice::LinuxDontNeed);
}

fn advise(map: &MmapRaw, from: usize, len: usize, advice: Advice) {
    if from.checked_add(len).is_none_or(|to| to > map.len()) {
        return;
    }
    // SAFETY: the range lies within the mapping, which is a shared one of a file. Neither of the
    // two kinds of advice changes a byte of such a mapping.
    #[expect(unsafe_code, reason = "advice on a raw range")]
    let _ = unsafe { madvise(map.as_mut_ptr().add(from).cast(), len, advice) };
}
