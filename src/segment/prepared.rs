use super::active::Active;
use super::reserve::{FirstReserve, PAGE, reserve_or_less};
use crate::Result;
use crate::directory::Directory;
use crate::format::{FileName, PREPARED_NAME, SegmentHeader};
use crate::sys::{File, Map};

/// A file with reserved space that is to become a segment.
#[derive(Debug)]
pub(crate) struct Prepared {
    file: File,
    map: Map,
}

impl Prepared {
    /// Creates the file under a name that is not part of the log.
    ///
    /// Nothing refers to the file: if this fails or the process dies, the log is as before.
    pub(crate) fn create(directory: &Directory, capacity: u64, reserve: FirstReserve) -> Result<Prepared> {
        let file = directory.dir.create_anew(PREPARED_NAME)?;
        let FirstReserve { wanted, least } = reserve;
        let reserved = reserve_or_less(0, least, wanted, capacity, |to| file.extend(0, to));
        match reserved.and_then(|_| file.map_reserved(capacity)) {
            Ok(map) => Ok(Prepared { file, map }),
            Err(error) => {
                let _ = directory.dir.remove(PREPARED_NAME);
                Err(error)
            }
        }
    }

    /// Makes sure that at least as much as needed is reserved, within the capacity. If this fails,
    /// the file is gone and the log is as before.
    pub(crate) fn with_space(self, directory: &Directory, reserve: FirstReserve) -> Result<Prepared> {
        let from = self.map.len();
        let to = reserve.least.next_multiple_of(PAGE).min(self.capacity());
        if to > from {
            if let Err(error) = self.file.extend(from, to) {
                self.discard(directory);
                return Err(error);
            }
            self.map.grow(to);
        }
        Ok(self)
    }

    /// Brings the reserved space to stable storage, so that [`install`](Prepared::install) has
    /// little to sync.
    pub(crate) fn synced(self, directory: &Directory) -> Result<Prepared> {
        match self.file.sync() {
            Ok(()) => Ok(self),
            Err(error) => {
                self.discard(directory);
                Err(error)
            }
        }
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.map.capacity()
    }

    /// Removes the file again.
    pub(crate) fn discard(self, directory: &Directory) {
        drop(self);
        // A file that cannot be removed now is removed by the next open.
        let _ = directory.dir.remove(PREPARED_NAME);
    }

    /// Gives the file its header, durably. If this fails, the file is gone and the log is as
    /// before.
    pub(crate) fn with_header(self, directory: &Directory, header: &SegmentHeader) -> Result<Prepared> {
        let written = self
            .file
            .write_at(0, &header.encode())
            .and_then(|()| self.file.sync());
        if let Err(error) = written {
            self.discard(directory);
            return Err(error);
        }
        Ok(self)
    }

    /// Makes the file a segment of the log: gives it its name and syncs the directory. The header
    /// is durable already, from [`with_header`](Prepared::with_header), so every `.log` file has a
    /// whole header, whatever happens.
    pub(crate) fn install(
        mut self,
        directory: &Directory,
        header: SegmentHeader,
        expected: u32,
    ) -> Result<Active> {
        let name = FileName::Segment(header.base);
        directory.dir.rename(PREPARED_NAME, &name.to_string())?;
        let path = directory.path_of(&name);
        self.file.set_path(&path);
        self.map.set_path(&path);
        directory.dir.sync()?;
        Ok(Active::new(directory, header, self.file, self.map, expected))
    }
}
