//! Preparing the machine for measurements, and describing it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Outcome;

/// A directory for this run, removed when dropped.
#[derive(Debug)]
pub(crate) struct WorkDir(PathBuf);

impl WorkDir {
    /// Creates a directory in `parent`, which must be on a file system with a disk. In a memory
    /// file system, syncs and page faults cost nothing, so the figures would be meaningless.
    pub(crate) fn create(parent: &Path) -> Outcome<WorkDir> {
        const TMPFS_MAGIC: i64 = 0x0102_1994;
        let dir = parent.join(format!("run-{}", std::process::id()));
        fs::create_dir_all(&dir)?;
        let dir = WorkDir(dir);
        if rustix::fs::statfs(dir.path())?.f_type == TMPFS_MAGIC {
            return Err(format!(
                "{} is in memory: give a directory on a disk by --dir",
                parent.display()
            )
            .into());
        }
        Ok(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes the page cache allocate and free `bytes`.
///
/// The first use of memory that a virtual machine's host has not yet provided is ten times slower
/// than later ones, and many hosts take back memory that a guest leaves free for two seconds.
/// Therefore this is called before the first measurement, and again right before each one that
/// needs much memory.
pub(crate) fn warm_page_cache(dir: &Path, bytes: u64) -> Outcome {
    let path = dir.join("warm-up");
    let mut file = File::create(&path)?;
    let zeros = vec![0; 1 << 20];
    for _ in 0..bytes.div_ceil(1 << 20) {
        file.write_all(&zeros)?;
    }
    fs::remove_file(&path)?;
    Ok(())
}

/// Removes a directory if it exists.
pub(crate) fn clear(dir: &Path) -> Outcome {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// The size in bytes of this process's memory that is not backed by files.
pub(crate) fn anonymous_bytes() -> Outcome<u64> {
    memory_bytes("Anonymous:")
}

/// The size in bytes of this process's memory, pages of files included.
pub(crate) fn resident_bytes() -> Outcome<u64> {
    memory_bytes("Rss:")
}

fn memory_bytes(name: &str) -> Outcome<u64> {
    let text = fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let size = line.ok_or_else(|| format!("no line {name}"))?;
    Ok(size.trim_end_matches("kB").trim().parse::<u64>()? << 10)
}

/// Allows this process and its children as many descriptors as it may have.
pub(crate) fn raise_descriptor_limit() -> Outcome {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

/// How many descriptors this process may have.
pub(crate) fn descriptors_max() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many bytes this process has had read from disks so far.
pub(crate) fn disk_bytes_read() -> Outcome<u64> {
    let text = fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("read_bytes:"));
    Ok(line.ok_or("no line read_bytes")?.trim().parse()?)
}

/// The processor, cores, kernel and file system, for the head of the report.
pub(crate) fn describe(dir: &Path) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = kernel.trim().split('-').next().unwrap_or_default();
    format!(
        "{}, {cores} cores, Linux {kernel}, {}",
        cpu.trim_start_matches([' ', '\t', ':']),
        file_system(dir)
    )
}

/// The type of the file system that `dir` is on, taken from the longest mount point above it.
fn file_system(dir: &Path) -> String {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((words.next()?, words.next()?))
        })
        .filter(|(point, _)| dir.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map_or_else(|| "unknown file system".to_owned(), |(_, kind)| kind.to_owned())
}
