use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Map;
use super::error::failed;
use crate::{Error, Result};

/// An open file. Its owner is the only one to sync it: the system reports a failed write once per open file.
#[derive(Debug)]
pub(crate) struct File {
    inner: Inner,
    path: PathBuf,
}

#[derive(Debug)]
enum Inner {
    Os(fs::File),
    #[cfg(feature = "fault")]
    Sim(super::sim::SimFile),
}

/// Bytes of zeros written at a time when space is reserved.
const ZEROS_LEN: usize = 256 << 10;
static ZEROS: [u8; ZEROS_LEN] = [0; ZEROS_LEN];

impl File {
    pub(super) fn os(file: fs::File, path: &Path) -> File {
        File {
            inner: Inner::Os(file),
            path: path.to_path_buf(),
        }
    }

    #[cfg(feature = "fault")]
    pub(super) fn sim(file: super::sim::SimFile, path: &Path) -> File {
        File {
            inner: Inner::Sim(file),
            path: path.to_path_buf(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Notes that the file was renamed.
    pub(crate) fn set_path(&mut self, path: &Path) {
        self.path = path.to_path_buf();
    }

    /// The file's length in bytes.
    pub(crate) fn len(&self) -> Result<u64> {
        match &self.inner {
            Inner::Os(file) => file.metadata().map(|m| m.len()),
            #[cfg(feature = "fault")]
            Inner::Sim(file) => file.len(),
        }
        .map_err(failed("look at", &self.path))
    }

    /// Fills `buffer` from `position` on, less where the file ends before; returns the bytes read.
    pub(crate) fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let at = position + filled as u64;
            let read = match &self.inner {
                Inner::Os(file) => file.read_at(&mut buffer[filled..], at),
                #[cfg(feature = "fault")]
                Inner::Sim(file) => file.read_at(&mut buffer[filled..], at),
            };
            match read {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed("read", &self.path)(error)),
            }
        }
        Ok(filled)
    }

    /// Writes all of `bytes` at `position`.
    pub(crate) fn write_at(&self, position: u64, bytes: &[u8]) -> Result<()> {
        match &self.inner {
            Inner::Os(file) => check_size_limit(position + bytes.len() as u64)
                .and_then(|()| file.write_all_at(bytes, position)),
            #[cfg(feature = "fault")]
            Inner::Sim(file) => file.write_at(position, bytes),
        }
        .map_err(failed("write", &self.path))
    }

    /// Writes zeros from `from` to `to`, so that later stores through a mapping find space that is really there.
    ///
    /// Zeros and not a bare `fallocate`: after a failed sync some file systems never again write to space that was
    /// only allocated, and the first sync of such space has to record that it was written.
    ///
    /// `from` is where the file ends. When this fails, for want of space most likely, it ends there again.
    pub(crate) fn reserve(&self, from: u64, to: u64) -> Result<()> {
        let written = self.write_zeros(from, to);
        if written.is_err() {
            // What was got of it others may need, and a file that was closed must not have grown.
            let _ = self.set_len(from);
        }
        written
    }

    fn write_zeros(&self, from: u64, to: u64) -> Result<()> {
        let mut at = from;
        while at < to {
            let len = (to - at).min(ZEROS_LEN as u64);
            #[expect(clippy::cast_possible_truncation, reason = "at most ZEROS_LEN")]
            self.write_at(at, &ZEROS[..len as usize])?;
            at += len;
        }
        Ok(())
    }

    /// Cuts or extends the file.
    pub(crate) fn set_len(&self, len: u64) -> Result<()> {
        match &self.inner {
            Inner::Os(file) => check_size_limit(len).and_then(|()| file.set_len(len)),
            #[cfg(feature = "fault")]
            Inner::Sim(file) => file.set_len(len),
        }
        .map_err(failed("set the length of", &self.path))
    }

    /// Brings bytes, including those stored through mappings, and length to stable storage.
    ///
    /// After an error nothing is known about the bytes written since the last success, and a second call may succeed
    /// although they are lost: never try again.
    pub(crate) fn sync(&self) -> Result<()> {
        match &self.inner {
            Inner::Os(file) => file.sync_data(),
            #[cfg(feature = "fault")]
            Inner::Sim(file) => file.sync(),
        }
        .map_err(|source| Error::SyncFailed {
            path: self.path.clone(),
            source,
        })
    }

    /// Maps the first `capacity` bytes, which may be more than the file has; see [`Map::grow`].
    pub(crate) fn map(&self, capacity: u64, writable: bool) -> Result<Map> {
        let len = self.len()?.min(capacity);
        match &self.inner {
            Inner::Os(file) => Map::os(file, capacity, len, writable),
            #[cfg(feature = "fault")]
            Inner::Sim(file) => file.map(writable).map(|map| Map::sim(map, capacity, len)),
        }
        .map_err(failed("map", &self.path))
    }
}

/// Writing past the process's file size limit kills it with a signal, so the limit is looked at first.
fn check_size_limit(end: u64) -> io::Result<()> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize);
    if limit.current.is_some_and(|max| end > max) {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "over the process's file size limit",
        ));
    }
    Ok(())
}
