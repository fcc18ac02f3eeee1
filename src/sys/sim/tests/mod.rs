mod content;
mod crash;
mod faults;

use std::collections::BTreeSet;
use std::path::Path;

use super::{CrashPlan, SimDisk};
use crate::sys::{Created, Dir, File, Open, Storage};

const PLAN: CrashPlan = CrashPlan {
    seed: 7,
    exhaustive_units_max: 12,
    samples: 256,
    one_by_one: false,
    first: 0,
};

fn dir() -> &'static Path {
    Path::new("/d")
}

fn path(name: &str) -> std::path::PathBuf {
    dir().join(name)
}

/// The directory `/d`, opened.
fn folder(disk: &SimDisk) -> Dir {
    disk.open_dir(dir()).unwrap()
}

fn create(disk: &SimDisk, path: &Path) -> Dir {
    Created::open(disk, path, &|_| Ok(())).unwrap().keep()
}

/// A disk with the directory `/d`.
fn disk() -> SimDisk {
    let disk = SimDisk::new(1);
    create(&disk, dir());
    disk
}

/// As `disk`, with a file that is durable with its name.
fn disk_with(name: &str, bytes: &[u8]) -> (SimDisk, File) {
    let disk = disk();
    let file = folder(&disk).open(name, Open::Create).unwrap();
    file.write_at(0, bytes).unwrap();
    file.sync().unwrap();
    folder(&disk).sync().unwrap();
    (disk, file)
}

/// What a file may hold after a power cut now.
fn found(disk: &SimDisk, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    disk.crash_images(disk.point(), &PLAN)
        .map(|image| image.read_file(&path(name)))
        .collect()
}

#[expect(clippy::unnecessary_wraps, reason = "compared with what may be absent")]
fn some(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(bytes.to_vec())
}
