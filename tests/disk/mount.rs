//! File systems of a test's own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A file system of its own in a file, mounted; unmounted when dropped.
pub(crate) struct Mount {
    folder: tempfile::TempDir,
    /// Thaws it after a while, whatever happens to the test.
    timer: Option<Child>,
}

fn run(program: &str, args: &[&str]) -> bool {
    let status = Command::new(program)
        .args(args)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

impl Mount {
    /// An ext4 file system; none where that may not be made or mounted.
    pub(crate) fn ext4() -> Option<Mount> {
        Mount::made(256 << 20, "mkfs.ext4", &["-q", "-F", "-b", "4096"])
    }

    /// An XFS file system; none where that may not be made or mounted.
    pub(crate) fn xfs() -> Option<Mount> {
        Mount::made(512 << 20, "mkfs.xfs", &["-q", "-f"])
    }

    /// A btrfs file system; none where that may not be made or mounted.
    pub(crate) fn btrfs() -> Option<Mount> {
        Mount::btrfs_of(256 << 20)
    }

    /// The same of so many bytes.
    pub(crate) fn btrfs_of(size: u64) -> Option<Mount> {
        Mount::made(size, "mkfs.btrfs", &["-q", "-f"])
    }

    /// A folder seen through FUSE; none where that is not to be had.
    pub(crate) fn fuse() -> Option<Mount> {
        Mount::through_fuse(&[])
    }

    /// The same, where the system keeps nothing of a file in its cache, and maps nothing shared.
    pub(crate) fn fuse_direct() -> Option<Mount> {
        Mount::through_fuse(&["-o", "direct_io"])
    }

    fn through_fuse(how: &[&str]) -> Option<Mount> {
        let folder = tempfile::tempdir().ok()?;
        let below = folder.path().join("below");
        fs::create_dir(&below).ok()?;
        let mount = Mount { folder, timer: None };
        fs::create_dir(mount.path()).ok()?;
        let (below, path) = (below.display().to_string(), mount.path().display().to_string());
        let args = [how, &[below.as_str(), path.as_str()]].concat();
        run("bindfs", &args).then_some(mount)
    }

    fn made(size: u64, make: &str, how: &[&str]) -> Option<Mount> {
        let folder = tempfile::tempdir().ok()?;
        let image = folder.path().join("image");
        fs::File::create(&image)
            .and_then(|file| file.set_len(size))
            .ok()?;
        let mount = Mount { folder, timer: None };
        fs::create_dir(mount.path()).ok()?;
        let (image, path) = (image.display().to_string(), mount.path().display().to_string());
        let is_mounted =
            run(make, &[how, &[image.as_str()]].concat()) && run("mount", &["-o", "loop", &image, &path]);
        is_mounted.then_some(mount)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    /// How many bytes were written so far to the device that it is on, which is nobody else's.
    pub(crate) fn bytes_written(&self) -> u64 {
        const SECTOR_LEN: u64 = 512;
        let device = fs::metadata(self.path()).expect("mounted").dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let figures = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).expect("figures");
        let sectors = figures.split_whitespace().nth(6).expect("the seventh");
        sectors.parse::<u64>().expect("a number") * SECTOR_LEN
    }

    pub(crate) fn freeze(&mut self) -> bool {
        let path = self.path().display().to_string();
        let thaw = format!("sleep 30; fsfreeze -u '{path}'");
        self.timer = Command::new("sh")
            .args(["-c", &thaw])
            .stderr(Stdio::null())
            .spawn()
            .ok();
        self.timer.is_some() && run("fsfreeze", &["-f", &path])
    }

    pub(crate) fn thaw(&mut self) {
        if let Some(mut timer) = self.timer.take() {
            run("fsfreeze", &["-u", &self.path().display().to_string()]);
            let _ = timer.kill();
            let _ = timer.wait();
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.thaw();
        run("umount", &[&self.path().display().to_string()]);
    }
}
