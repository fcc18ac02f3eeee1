//! The systems of BSD's family: Apple's and FreeBSD.

mod fork;
mod mapped;

use std::ffi::CStr;
use std::fs;
use std::io;
use std::ptr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use memmap2::MmapRaw;
use rustix::fs::{OFlags, Stat};
use rustix::time::{ClockId, clock_gettime};

use crate::Result;
use crate::sys::error::random_failed;
use crate::sys::{Mutex, UNKNOWN_BOOT};

pub(crate) use crate::sys::no_bell::Bell;
pub(in crate::sys) use fork::process_number;
pub(super) use mapped::mapped_files;

/// A mapping of a file.
pub(super) type Held = Arc<MmapRaw>;

/// The mapping through which a file is stored to. POSIX has a sync of a file bring to storage what
/// was written to it, and does not say so of what was stored through a mapping.
#[derive(Debug)]
pub(super) struct Stores(Mutex<Weak<MmapRaw>>);

impl Stores {
    pub(super) fn new() -> Stores {
        Stores(Mutex::default())
    }

    pub(super) fn hold(&self, map: MmapRaw, writable: bool) -> Held {
        let held = Arc::new(map);
        if writable {
            *self.0.lock() = Arc::downgrade(&held);
        }
        held
    }

    /// Hands the system what was stored, before `file` is synced.
    pub(super) fn flush(&self, file: &fs::File) -> io::Result<()> {
        let Some(map) = self.0.lock().upgrade() else {
            return Ok(());
        };
        let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        match len.min(map.len()) {
            0 => Ok(()),
            len => map.flush_range(0, len),
        }
    }
}

/// How a directory is opened in which only the one above it is looked for.
#[cfg(target_os = "freebsd")]
pub(super) const TO_GO_UP: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// How a directory is opened in which only the one above it is looked for. It has to be readable.
#[cfg(not(target_os = "freebsd"))]
pub(super) const TO_GO_UP: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The number of the device that a file is on.
#[allow(
    clippy::cast_sign_loss,
    clippy::unnecessary_cast,
    reason = "not the same type everywhere; the standard library does the same"
)]
pub(super) fn device(stat: &Stat) -> u64 {
    stat.st_dev as u64
}

/// When a file was made, in nanoseconds since the Unix epoch; 0 if the file system does not tell.
pub(super) fn made(_: &fs::File, _: &str, stat: &Stat) -> u64 {
    let nanoseconds = u64::try_from(stat.st_birthtime_nsec).unwrap_or(0);
    u64::try_from(stat.st_birthtime)
        .ok()
        .and_then(|seconds| seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds))
        .unwrap_or(0)
}

/// The id of this boot of the machine.
#[cfg(target_os = "freebsd")]
pub(super) fn boot_id() -> [u8; 16] {
    sysctl(c"kern.boot_id").unwrap_or(UNKNOWN_BOOT)
}

/// The id of this boot of the machine.
#[cfg(not(target_os = "freebsd"))]
pub(super) fn boot_id() -> [u8; 16] {
    // 36 characters and a zero.
    let text = sysctl::<37>(c"kern.bootsessionuuid");
    let text = text
        .as_ref()
        .and_then(|text| CStr::from_bytes_with_nul(text).ok());
    text.and_then(|text| text.to_str().ok())
        .map_or(UNKNOWN_BOOT, crate::sys::unix::boot::boot_of)
}

/// What the system tells under this name; `None` unless it is `N` bytes.
fn sysctl<const N: usize>(name: &CStr) -> Option<[u8; N]> {
    let mut value = [0_u8; N];
    let mut len = N;
    // SAFETY: the name ends with a zero. The system writes at most `len` bytes, as many as `value`
    // has, and puts in `len` how many it wrote. Nothing is set.
    #[expect(unsafe_code, reason = "a call of libc")]
    let status = unsafe {
        libc::sysctlbyname(
            name.as_ptr(),
            value.as_mut_ptr().cast(),
            &raw mut len,
            ptr::null_mut(),
            0,
        )
    };
    (status == 0 && len == N).then_some(value)
}

/// Draws 128 random bits.
pub(super) fn random() -> Result<[u8; 16]> {
    let mut bytes = [0; 16];
    // SAFETY: the system fills the array, whose length is given.
    #[expect(unsafe_code, reason = "a call of libc")]
    let status = unsafe { libc::getentropy(bytes.as_mut_ptr().cast(), bytes.len()) };
    if status == 0 {
        Ok(bytes)
    } else {
        Err(random_failed(io::Error::last_os_error()))
    }
}

/// The time on the system's monotonic clock.
#[inline]
pub(crate) fn coarse_time() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// These systems cannot be asked to fault in pages for stores.
pub(super) fn populate(_: &MmapRaw, _: usize, _: usize) {}

/// To unmap pages of a shared mapping saves nothing that is known here.
pub(super) fn let_go(_: &MmapRaw, _: usize, _: usize) {}
