//! Looking through overlayfs, as containers have it: what holds of a file there is what holds on
//! the file system of the upper layer, where written files are.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use rustix::fs::StatFs;

/// The type that `statfs` reports for overlayfs.
pub(super) const MAGIC: u32 = 0x794c_7630;

/// The largest block of a file system that does not copy on write.
const BLOCK_MAX: u64 = 64 << 10;

/// The file system that a directory on overlayfs is really on.
pub(super) enum Upper {
    /// One of this type.
    OfType(u32),
    /// One that is out of sight.
    Unknown { copies_on_write: bool },
}

/// What is below a directory on overlayfs. `stat` is what `statfs` says of it.
///
/// The list of mounts names the directory of the upper layer. In a container that directory is
/// mostly out of sight, or something else has its path. But except for the type, `statfs` there
/// reports what the file system of the upper layer does, and that tells copy on write apart: btrfs
/// has no number of files, bcachefs no end of free ones, and ZFS has larger blocks than others.
pub(super) fn upper(dir: &fs::File, stat: &StatFs) -> io::Result<Upper> {
    let device = dir.metadata()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    if let Some(upper) = upper_of(&mounts, &format!("{major}:{minor}"))
        && let Ok(below) = rustix::fs::statfs(OsStr::from_bytes(&upper))
        && (below.f_blocks, below.f_bsize) == (stat.f_blocks, stat.f_bsize)
        && number(&below) != MAGIC
    {
        return Ok(Upper::OfType(number(&below)));
    }
    let has_large_blocks = u64::try_from(stat.f_bsize).is_ok_and(|len| len > BLOCK_MAX);
    let copies_on_write = stat.f_files == 0 || stat.f_ffree == u64::MAX || has_large_blocks;
    Ok(Upper::Unknown { copies_on_write })
}

/// The type of a file system: 32 bits, whatever number the processor's kind of Linux has for it,
/// which may be negative.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unnecessary_cast,
    reason = "not the same type everywhere"
)]
pub(super) fn number(stat: &StatFs) -> u32 {
    stat.f_type as u32
}

/// The directory of the upper layer of the overlay that has this device, by the list of mounts.
fn upper_of(mounts: &[u8], device: &str) -> Option<Vec<u8>> {
    let is_space = |byte: &u8| *byte == b' ';
    let line = mounts.split(|byte| *byte == b'\n').find(|line| {
        let found = line.split(is_space).nth(2);
        found == Some(device.as_bytes())
    })?;
    let options = line.rsplit(is_space).next()?;
    let upper = options
        .split(|byte| *byte == b',')
        .find_map(|option| option.strip_prefix(b"upperdir="))?;
    Some(unescaped(upper))
}

/// The list of mounts writes spaces, among others, as a backslash and three octal digits.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some((first, behind)) = rest.split_first() {
        let code = behind.first_chunk::<3>().filter(|_| *first == b'\\');
        let code = code.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() {
            behind.get(3..).unwrap_or_default()
        } else {
            behind
        };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_layer_is_found_by_the_device_of_the_mount() {
        let mounts = b"22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n\
            36 22 0:45 / /merged rw,noatime shared:1 - overlay overlay rw,lowerdir=/l,upperdir=/a\\040b/up,workdir=/w\n\
            37 22 0:46 / /other rw - overlay none rw,lowerdir=/l:/m\n";
        assert_eq!(upper_of(mounts, "0:45").as_deref(), Some(&b"/a b/up"[..]));
        assert_eq!(upper_of(mounts, "0:46"), None);
        assert_eq!(upper_of(mounts, "8:1"), None);
        assert_eq!(upper_of(mounts, "0:4"), None);
        assert_eq!(unescaped(br"a\134b\"), br"a\b\");
    }
}
