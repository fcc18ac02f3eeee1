//! The file systems on which a log could not keep its guarantees.

use std::fs::File;
use std::io;

use rustix::fs::{StatFs, fstatfs};

/// The file systems that are refused: how the name that `statfs` reports begins, and the reason.
const REFUSED: [(&[u8], &str); 14] = [
    (b"nfs", NETWORK),
    (b"smb", NETWORK),
    (b"cifs", NETWORK),
    (b"afp", NETWORK),
    (b"webdav", NETWORK),
    (b"ftp", NETWORK),
    (b"p9", NETWORK),
    (b"virtiofs", NETWORK),
    (b"fuse", NETWORK),
    (b"macfuse", NETWORK),
    (b"osxfuse", NETWORK),
    (b"zfs", COPY_ON_WRITE),
    (b"nullfs", LAYERS),
    (b"unionfs", LAYERS),
];
const NETWORK: &str = "network file systems and FUSE do not keep mappings and locks coherent";
const COPY_ON_WRITE: &str = "on ZFS a full disk can kill a process that stores through a mapping";
const LAYERS: &str = "nullfs and unionfs do not tell which file system is below them";

/// Why no log can be kept in this directory, if there is a reason.
pub(in crate::sys::unix) fn refusal(dir: &File) -> io::Result<Option<&'static str>> {
    Ok(of_type(&fstatfs(dir)?))
}

/// Whether the file is on a file system whose mappings are not coherent.
pub(in crate::sys::unix) fn is_remote(file: &File) -> bool {
    fstatfs(file).is_ok_and(|stat| of_type(&stat) == Some(NETWORK))
}

fn of_type(stat: &StatFs) -> Option<&'static str> {
    let letters = stat.f_fstypename.iter().map(|letter| letter.to_ne_bytes()[0]);
    let name: Vec<u8> = letters.take_while(|letter| *letter != 0).collect();
    let found = REFUSED.iter().find(|(refused, _)| name.starts_with(refused));
    found.map(|(_, what)| *what)
}
