use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{failed, note_failed_read};
use super::map::ReadWhole;
use super::os::OsFile;
use super::{Bell, Map};
use crate::{Error, MappedFiles, Result};

/// An open file. Only its owner syncs it, because the system reports a failed write once per open
/// file.
#[derive(Debug)]
pub(crate) struct File {
    inner: Inner,
    path: PathBuf,
    /// Which files are mapped where this one is.
    mapped: MappedFiles,
}

/// How [`Dir::open`](super::Dir::open) opens a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Open {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A new file, which must not exist. Only its owner can read and write it.
    Create,
}

#[derive(Debug)]
enum Inner {
    Os(Arc<OsFile>),
    #[cfg(feature = "fault")]
    Sim(super::sim::SimFile),
}

/// The size of one write of zeros when space is reserved.
const ZEROS_LEN: usize = 256 << 10;
static ZEROS: [u8; ZEROS_LEN] = [0; ZEROS_LEN];

impl File {
    pub(super) fn os(file: OsFile, path: &Path) -> File {
        File {
            inner: Inner::Os(Arc::new(file)),
            path: path.to_path_buf(),
            mapped: MappedFiles::All,
        }
    }

    #[cfg(feature = "fault")]
    pub(super) fn sim(file: super::sim::SimFile, path: &Path) -> File {
        File {
            inner: Inner::Sim(file),
            path: path.to_path_buf(),
            mapped: MappedFiles::All,
        }
    }

    pub(super) fn mapped_as(self, mapped: MappedFiles) -> File {
        File { mapped, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Records that the file was renamed.
    pub(crate) fn set_path(&mut self, path: &Path) {
        self.path = path.to_path_buf();
    }

    /// The file's length in bytes.
    pub(crate) fn len(&self) -> Result<u64> {
        match &self.inner {
            Inner::Os(file) => file.len(),
            #[cfg(feature = "fault")]
            Inner::Sim(file) => file.len(),
        }
        .map_err(failed("look at", &self.path))
    }

    /// Fills `buffer` from `position` on, up to the end of the file. Returns the number of bytes
    /// read.
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

    /// Whether the process may write to the file up to `end`.
    pub(crate) fn check_size_limit(&self, end: u64) -> Result<()> {
        match &self.inner {
            Inner::Os(file) => file.check_size_limit(end),
            #[cfg(feature = "fault")]
            Inner::Sim(_) => Ok(()),
        }
        .map_err(failed("write", &self.path))
    }

    /// Writes all of `bytes` at `position`.
    pub(crate) fn write_at(&self, position: u64, bytes: &[u8]) -> Result<()> {
        self.check_size_limit(position + bytes.len() as u64)?;
        self.write_checked(position, bytes)
    }

    /// Does the same without [`check_size_limit`](File::check_size_limit), which was called for
    /// more than this.
    pub(crate) fn write_checked(&self, position: u64, bytes: &[u8]) -> Result<()> {
        match &self.inner {
            Inner::Os(file) => file.write_all_at(bytes, position),
            #[cfg(feature = "fault")]
            Inner::Sim(file) => file.write_at(position, bytes),
        }
        .map_err(failed("write", &self.path))
    }

    /// Writes zeros from `from` to `to`, so that later stores through a mapping find allocated
    /// space.
    ///
    /// `fallocate` alone is not enough. After a failed sync, some file systems never again write to
    /// space that was allocated but not written. The first sync of such space also has to record
    /// that it was written, which takes time.
    ///
    /// `from` must be the file's length. If this fails, most likely for lack of space, the file
    /// gets that length back.
    pub(crate) fn reserve(&self, from: u64, to: u64) -> Result<()> {
        let written = self.write_zeros(from, to);
        if written.is_err() {
            // Others may need the space that was reserved so far, and a closed file must not have
            // grown.
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

    /// Truncates or extends the file.
    pub(crate) fn set_len(&self, len: u64) -> Result<()> {
        match &self.inner {
            Inner::Os(file) => file.set_len(len),
            #[cfg(feature = "fault")]
            Inner::Sim(file) => file.set_len(len),
        }
        .map_err(failed("set the length of", &self.path))
    }

    /// Syncs the file's bytes, including those stored through mappings, and its length to stable
    /// storage.
    ///
    /// After an error, the state of the bytes written since the last success is unknown. A second
    /// call may succeed although they are lost, so never retry.
    pub(crate) fn sync(&self) -> Result<()> {
        match &self.inner {
            Inner::Os(file) => file.sync(),
            #[cfg(feature = "fault")]
            Inner::Sim(file) => file.sync(),
        }
        .map_err(|source| Error::SyncFailed {
            path: self.path.clone(),
            source,
        })
    }

    /// Readies the file for the bytes from `from`, which is its length, to `to`: by
    /// [`reserve`](File::reserve), or where files are copied on write, where zeros would keep no
    /// space for what is written over them, by its length alone.
    pub(crate) fn extend(&self, from: u64, to: u64) -> Result<()> {
        if self.mapped == MappedFiles::Sealed {
            self.set_len(to)
        } else {
            self.reserve(from, to)
        }
    }

    /// Maps the first `len` bytes, to be read.
    ///
    /// On a full disk, a load from a place that the file has no block for kills the process with
    /// SIGBUS on some file systems. Copying a file may leave such holes, and so may a power cut. So
    /// a file with a hole is not mapped: what is loaded is read from it. The same goes for a file
    /// system on which nothing is mapped.
    pub(crate) fn map(&self, len: u64) -> Result<Map> {
        let len = self.len()?.min(len);
        if self.mapped == MappedFiles::Nothing || self.has_hole(len)? {
            return Ok(Map::reading(self.again(), len, len));
        }
        self.mapping(len, len, false)
    }

    /// A map of the first `capacity` bytes, which may exceed the file's length, for appending; see
    /// [`Map::grow`]. Where stores through mappings are safe, they are mapped for stores, but not
    /// if the file has a hole: then nothing can be appended, which [`Map::is_appendable`] tells.
    /// Elsewhere they are read, and written to the file by calls.
    pub(crate) fn map_to_append(&self, capacity: u64) -> Result<Map> {
        let len = self.len()?.min(capacity);
        if self.mapped == MappedFiles::All && self.has_hole(len)? {
            return Ok(Map::reading(self.again(), len, len));
        }
        self.map_reserved(capacity)
    }

    /// Does the same as [`map_to_append`](File::map_to_append) for a file whose bytes this process
    /// has written.
    pub(crate) fn map_reserved(&self, capacity: u64) -> Result<Map> {
        let len = self.len()?.min(capacity);
        if self.mapped == MappedFiles::All {
            self.mapping(capacity, len, true)
        } else {
            Ok(Map::appending(self.again(), len, capacity))
        }
    }

    fn mapping(&self, capacity: u64, len: u64, writable: bool) -> Result<Map> {
        match &self.inner {
            Inner::Os(file) => file
                .map(capacity, writable)
                .map(|map| Map::os(map, writable, capacity, len)),
            #[cfg(feature = "fault")]
            Inner::Sim(file) => file.map(writable).map(|map| Map::sim(map, capacity, len)),
        }
        .map_err(failed("map", &self.path))
    }

    /// The file's bytes without a mapping, read each time that they are loaded; up to `capacity` if
    /// it grows ([`Map::grow`]). Others may shorten the file: then what it no longer has is not
    /// loaded, and nobody is killed.
    pub(crate) fn unmapped(&self, capacity: u64) -> Result<Map> {
        let len = self.len()?;
        Ok(Map::reading(self.again(), len, capacity.max(len)))
    }

    /// Whether the file is not known to have a block for each of its first `len` bytes.
    fn has_hole(&self, len: u64) -> Result<bool> {
        match &self.inner {
            Inner::Os(file) => file.has_hole(len),
            #[cfg(feature = "fault")]
            Inner::Sim(file) => Ok(file.has_hole(len)),
        }
        .map_err(failed("look for holes in", &self.path))
    }

    /// The file, which has [`BELL_LEN`](super::BELL_LEN) bytes and is never cut, as one by which
    /// processes wake each other.
    pub(crate) fn bell(&self) -> Result<Bell> {
        match &self.inner {
            Inner::Os(file) => file.bell(),
            #[cfg(feature = "fault")]
            Inner::Sim(_) => Err(io::ErrorKind::Unsupported.into()),
        }
        .map_err(failed("map", &self.path))
    }

    /// The same file, open for as long as either.
    fn again(&self) -> Box<dyn ReadWhole> {
        let inner = match &self.inner {
            Inner::Os(file) => Inner::Os(Arc::clone(file)),
            #[cfg(feature = "fault")]
            Inner::Sim(file) => Inner::Sim(file.again()),
        };
        Box::new(File {
            inner,
            path: self.path.clone(),
            mapped: self.mapped,
        })
    }
}

impl ReadWhole for File {
    fn read_whole(&self, position: u64, buffer: &mut [u8]) -> Option<()> {
        match self.read_at(position, buffer) {
            Ok(read) => (read == buffer.len()).then_some(()),
            Err(error) => {
                note_failed_read(&self.path, error);
                None
            }
        }
    }

    fn set_path(&mut self, path: &Path) {
        File::set_path(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_a_hole_is_read_and_takes_no_stores() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("file");
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).create_new(true);
        let file = File::os(OsFile::new(options.open(&path).expect("a file")), &path);
        file.write_at(0, &[7; 4096]).expect("written");
        file.set_len(1 << 20).expect("longer");
        file.write_at((1 << 20) - 4, &[9; 4]).expect("written");
        let map = file.map_to_append(1 << 20).expect("a map");
        assert!(!map.is_appendable() && !map.store(8192, b"x"));
        assert_eq!(map.array(4094), Some([7, 7, 0, 0]));
        let mut end = vec![1];
        assert!(map.append_to((1 << 20) - 5, 5, &mut end).is_some());
        assert_eq!(end, [1, 0, 9, 9, 9, 9]);
        assert!(map.append_to((1 << 20) - 4, 5, &mut end).is_none() && end.len() == 6);

        file.write_at(0, &vec![7; 1 << 20]).expect("written");
        let map = file.map_to_append(2 << 20).expect("a map");
        assert!(map.is_appendable() && map.store(8192, b"x"));
    }
}
