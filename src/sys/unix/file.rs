use std::fs;
use std::io;
use std::os::unix::fs::FileExt;

use memmap2::{Advice, MmapOptions};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::system::{Bell, Stores};
use super::{Mapping, Twin};

/// How many files this process may have open.
pub(crate) fn open_files_max() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX))
}

/// An open file of the operating system.
#[derive(Debug)]
pub(in crate::sys) struct OsFile {
    file: fs::File,
    /// What was stored through a mapping of this file, as far as a sync has to be told.
    stores: Stores,
}

impl OsFile {
    pub(in crate::sys) fn new(file: fs::File) -> OsFile {
        OsFile {
            file,
            stores: Stores::new(),
        }
    }

    pub(in crate::sys) fn len(&self) -> io::Result<u64> {
        self.file.metadata().map(|metadata| metadata.len())
    }

    pub(in crate::sys) fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    pub(in crate::sys) fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, position)
    }

    /// Writing past the process's file size limit kills it with a signal, so the limit is checked
    /// first.
    #[expect(
        clippy::unused_self,
        reason = "where no file can be opened, no limit can be asked for"
    )]
    pub(in crate::sys) fn check_size_limit(&self, end: u64) -> io::Result<()> {
        let limit = getrlimit(Resource::Fsize);
        if limit.current.is_some_and(|max| end > max) {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "over the process's file size limit",
            ));
        }
        Ok(())
    }

    pub(in crate::sys) fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_size_limit(len)?;
        self.file.set_len(len)
    }

    /// Brings the bytes and the length to stable storage. On Apple's systems the standard library
    /// asks for `F_FULLFSYNC`, which has the device empty its cache.
    pub(in crate::sys) fn sync(&self) -> io::Result<()> {
        self.stores.flush(&self.file)?;
        self.file.sync_data()
    }

    pub(in crate::sys) fn map(&self, capacity: u64, writable: bool) -> io::Result<Mapping> {
        let size = usize::try_from(capacity).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut options = MmapOptions::new();
        options.len(size);
        let map = if writable {
            options.map_raw(&self.file)
        } else {
            options.map_raw_read_only(&self.file)
        }?;
        if !writable && Twin::IS_POSSIBLE {
            // Otherwise each page that is not in memory would bring many neighbours along.
            let _ = map.advise(Advice::Random);
        }
        Ok(Mapping::new(self.stores.hold(map, writable)))
    }

    /// Whether the file is not known to have a block for each of its first `len` bytes.
    pub(in crate::sys) fn has_hole(&self, len: u64) -> io::Result<bool> {
        match seek(&self.file, SeekFrom::Hole(0)) {
            Ok(hole) => Ok(hole < len),
            // The file is empty, or the file system knows no holes.
            Err(Errno::NXIO | Errno::INVAL | Errno::NOTTY) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The file as one by which processes wake each other.
    pub(in crate::sys) fn bell(&self) -> io::Result<Bell> {
        Bell::of(&self.file)
    }
}
