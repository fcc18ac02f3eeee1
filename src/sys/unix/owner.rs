//! Whose the files are that a privileged process creates.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, fchown};

/// Gives a file or directory that root has just created in the directory `dir` to the owner of that
/// directory, so that a service can still use its log after an administrator has worked on it.
/// `created` must be new: to give away what somebody else has put there could be an attack.
///
/// Where this is not possible, for instance in a user namespace that does not know the owner, the
/// file stays root's: the log works all the same, for root.
pub(super) fn give_to_owner(dir: &File, created: &File) {
    if rustix::process::geteuid().is_root() {
        let _ = give(dir, created);
    }
}

fn give(dir: &File, created: &File) -> io::Result<()> {
    let (dir, now) = (dir.metadata()?, created.metadata()?);
    if (dir.uid(), dir.gid()) == (now.uid(), now.gid()) {
        return Ok(());
    }
    fchown(created, Some(dir.uid()), Some(dir.gid()))
}
