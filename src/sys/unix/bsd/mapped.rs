//! Which files of a log may be mapped, by the file system they are on.

use std::fs::File;

use rustix::fs::fstatfs;

use crate::MappedFiles;

/// The file systems on which not all may be: how the name that `statfs` reports begins, and what
/// may be.
const LIMITED: [(&[u8], MappedFiles); 14] = [
    (b"nfs", MappedFiles::Nothing),
    (b"smb", MappedFiles::Nothing),
    (b"cifs", MappedFiles::Nothing),
    (b"afp", MappedFiles::Nothing),
    (b"webdav", MappedFiles::Nothing),
    (b"ftp", MappedFiles::Nothing),
    (b"p9", MappedFiles::Nothing),
    (b"virtiofs", MappedFiles::Nothing),
    (b"fuse", MappedFiles::Nothing),
    (b"macfuse", MappedFiles::Nothing),
    (b"osxfuse", MappedFiles::Nothing),
    // A store needs a new block, reserved or not. On a full disk it kills the process.
    (b"zfs", MappedFiles::Sealed),
    // These do not tell what is below them.
    (b"nullfs", MappedFiles::Nothing),
    (b"unionfs", MappedFiles::Nothing),
];

/// What may be mapped in this directory; nothing if the system does not tell where it is.
pub(in crate::sys::unix) fn mapped_files(dir: &File) -> MappedFiles {
    let Ok(stat) = fstatfs(dir) else {
        return MappedFiles::Nothing;
    };
    let letters = stat.f_fstypename.iter().map(|letter| letter.to_ne_bytes()[0]);
    let name: Vec<u8> = letters.take_while(|letter| *letter != 0).collect();
    let found = LIMITED.iter().find(|(limited, _)| name.starts_with(limited));
    found.map_or(MappedFiles::All, |(_, mapped)| *mapped)
}
