//! Which files of a log may be mapped, by the file system they are on.

use std::fs::File;

use rustix::fs::fstatfs;

use super::overlay::{self, Upper, number};
use crate::MappedFiles;

/// The file systems on which not all may be: the type that `statfs` reports, and what may be.
const LIMITED: [(u32, MappedFiles); 9] = [
    // NFS, SMB as three drivers call it, 9P, and FUSE with virtiofs: mappings are refused, or what
    // they show is not what calls do, or the other side goes away, which kills the process.
    (0x6969, MappedFiles::Nothing),
    (0xff53_4d42, MappedFiles::Nothing),
    (0xfe53_4d42, MappedFiles::Nothing),
    (0x517b, MappedFiles::Nothing),
    (0x0102_1997, MappedFiles::Nothing),
    (0x6573_5546, MappedFiles::Nothing),
    // btrfs, ZFS, bcachefs.
    (0x9123_683e, COPY_ON_WRITE),
    (0x2fc1_2fc1, COPY_ON_WRITE),
    (0xca45_1a4e, COPY_ON_WRITE),
];

/// A store needs a new block, reserved or not. On a full disk it kills the process.
const COPY_ON_WRITE: MappedFiles = MappedFiles::Sealed;

/// What may be mapped on a file system of this type.
fn of_number(number: u32) -> MappedFiles {
    let found = LIMITED.iter().find(|(limited, _)| *limited == number);
    found.map_or(MappedFiles::All, |(_, mapped)| *mapped)
}

/// What may be mapped in this directory; nothing if the system does not tell where it is.
pub(in crate::sys::unix) fn mapped_files(dir: &File) -> MappedFiles {
    let Ok(stat) = fstatfs(dir) else {
        return MappedFiles::Nothing;
    };
    match number(&stat) {
        overlay::MAGIC => match overlay::upper(dir, &stat) {
            Ok(Upper::OfType(number)) => of_number(number),
            Ok(Upper::Unknown {
                copies_on_write: false,
            }) => MappedFiles::All,
            Ok(Upper::Unknown {
                copies_on_write: true,
            }) => COPY_ON_WRITE,
            Err(_) => MappedFiles::Nothing,
        },
        other => of_number(other),
    }
}
