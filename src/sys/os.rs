//! The operating system's file system.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::rand::{GetRandomFlags, getrandom};

use super::error::{failed, random_failed};
use super::{DirLock, File, Open, Storage, overlay};
use crate::{Error, Result};

/// The operating system's file system.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Os;

/// The file systems that are refused: the type that `statfs` reports, and the reason.
const REFUSED: [(i64, &str); 9] = [
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
const COPY_ON_WRITE: &str =
    "on btrfs, ZFS and bcachefs a full disk can kill a process that stores through a mapping";

/// Why a file system of this type is refused, if it is.
fn refusal(number: i64) -> Option<&'static str> {
    let found = REFUSED.iter().find(|(refused, _)| *refused == number);
    found.map(|(_, what)| *what)
}

impl Storage for Os {
    fn check_supported(&self, dir: &Path) -> Result<()> {
        let file = fs::File::open(dir).map_err(failed("open directory", dir))?;
        let stat = rustix::fs::fstatfs(&file).map_err(|error| failed("look at", dir)(error.into()))?;
        let refusal = match stat.f_type {
            overlay::MAGIC => {
                overlay::refusal(&file, &stat, refusal, COPY_ON_WRITE).map_err(failed("look at", dir))?
            }
            other => refusal(other),
        };
        match refusal {
            Some(what) => Err(Error::Unsupported {
                path: dir.to_path_buf(),
                what,
            }),
            None => Ok(()),
        }
    }

    fn create_dirs(&self, dir: &Path) -> Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        let parent = match dir.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        if parent != Path::new(".") {
            self.create_dirs(parent)?;
        }
        match fs::DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
            other => other.map_err(failed("create directory", dir))?,
        }
        self.sync_dir(parent)
    }

    fn is_dir(&self, dir: &Path) -> Result<bool> {
        match fs::metadata(dir) {
            Ok(metadata) => Ok(metadata.is_dir()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("look at", dir)(error)),
        }
    }

    fn real_path(&self, dir: &Path) -> Result<PathBuf> {
        fs::canonicalize(dir).map_err(failed("look at", dir))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir).map_err(failed("list", dir))? {
            // A name that is not UTF-8 is not one of the library's.
            if let Ok(name) = entry.map_err(failed("list", dir))?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn open(&self, path: &Path, how: Open) -> Result<File> {
        // O_NONBLOCK keeps a FIFO with one of the library's names from blocking the call.
        // O_NOFOLLOW refuses symbolic links.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let file = fs::OpenOptions::new()
            .read(true)
            .write(how != Open::Read)
            .create_new(how == Open::Create)
            .mode(0o600)
            .custom_flags(flags.bits().cast_signed())
            .open(path)
            .map_err(failed(if how == Open::Create { "create" } else { "open" }, path))?;
        let metadata = file.metadata().map_err(failed("look at", path))?;
        if !metadata.is_file() || metadata.nlink() > 1 {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file of one name");
            return Err(Error::Io {
                operation: "open",
                path: path.to_path_buf(),
                source,
            });
        }
        Ok(File::os(file, path))
    }

    fn len_of(&self, path: &Path) -> Result<u64> {
        fs::symlink_metadata(path)
            .map(|metadata| metadata.len())
            .map_err(failed("look at", path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to).map_err(failed("rename", from))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        fs::remove_file(path).map_err(failed("remove", path))
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let file = fs::File::open(dir).map_err(failed("open directory", dir))?;
        file.sync_all().map_err(|source| Error::SyncFailed {
            path: dir.to_path_buf(),
            source,
        })
    }

    fn lock(&self, dir: &Path, exclusive: bool) -> Result<DirLock> {
        DirLock::os(dir, exclusive)
    }

    fn random(&self) -> Result<[u8; 16]> {
        let mut bytes = [0; 16];
        loop {
            match getrandom(&mut bytes, GetRandomFlags::empty()) {
                // Up to 256 bytes are never returned in part.
                Ok(_) => return Ok(bytes),
                Err(error) if error == rustix::io::Errno::INTR => {}
                Err(error) => return Err(random_failed(error.into())),
            }
        }
    }
}
