//! Whose the files are that a privileged process creates.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

/// Gives a file that root has just created in the directory `dir` to the owner of that directory,
/// so that a service can still use its log after an administrator has worked on it. `file` must be
/// new: to give away what somebody else has put there could be an attack.
///
/// Where this is not possible, for instance in a user namespace that does not know the owner, the
/// file stays root's: the log works all the same, for root.
pub(super) fn give_to_owner(dir: &Path, file: &File) {
    if rustix::process::geteuid().is_root() {
        let _ = give(dir, file);
    }
}

/// The same for a directory that root has just created.
pub(super) fn give_dir_to_owner(dir: &Path, created: &Path) {
    if rustix::process::geteuid().is_root() {
        // Whoever owns `dir` may have replaced it, but not by another name of a file.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::DIRECTORY;
        let opened = fs::OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(created);
        let _ = opened.and_then(|created| give(dir, &created));
    }
}

fn give(dir: &Path, file: &File) -> io::Result<()> {
    let (dir, file_now) = (fs::metadata(dir)?, file.metadata()?);
    if (dir.uid(), dir.gid()) == (file_now.uid(), file_now.gid()) {
        return Ok(());
    }
    fchown(file, Some(dir.uid()), Some(dir.gid()))
}
