//! The file systems on which a log could not keep its guarantees.

use std::fs::File;

use rustix::fs::{StatFs, fstatfs};

/// The file systems that are refused: the type that `statfs` reports, and the reason.
const REFUSED: [(u32, &str); 9] = [
    (0x6969, NETWORK),
    (0xff53_4d42, NETWORK),
    (0xfe53_4d42, NETWORK),
    (0x517b, NETWORK),
    (0x0102_1997, NETWORK),
    (0x6573_5546, NETWORK),
    (0x9123_683e, COPY_ON_WRITE),
    (0x2fc1_2fc1, COPY_ON_WRITE),
    (0xca45_1a4e, COPY_ON_WRITE),
];
const NETWORK: &str = "NFS, SMB, 9P and FUSE do not keep mappings and locks coherent";
pub(super) const COPY_ON_WRITE: &str =
    "on btrfs, ZFS and bcachefs a full disk can kill a process that stores through a mapping";

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

/// Why a file system of this type is refused, if it is.
pub(super) fn of_number(number: u32) -> Option<&'static str> {
    let found = REFUSED.iter().find(|(refused, _)| *refused == number);
    found.map(|(_, what)| *what)
}

/// Whether the file is on a file system whose mappings are not coherent.
pub(in crate::sys::unix) fn is_remote(file: &File) -> bool {
    let stat = fstatfs(file);
    stat.is_ok_and(|stat| of_number(number(&stat)) == Some(NETWORK))
}
