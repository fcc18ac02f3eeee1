use std::path::{Path, PathBuf};

use super::health::Health;
use crate::format::{
    FileName, HeaderDefect, INDEX_HEADER_LEN, IndexHeader, IndexKinds, RECORD_HEADER_LEN, SEGMENT_LEN_MAX,
    SegmentHeader, SegmentHeaderBytes,
};
use crate::log::Meter;
use crate::sys::{Dir, File, Open, failed_read, found};
use crate::{Corruption, Error, IndexKind, MappedFiles, Result};

/// The opened directory of a log: its files by name, and what all of them have in common.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) dir: Dir,
    pub(crate) log_id: [u8; 16],
    pub(crate) kinds: IndexKinds,
    pub(crate) health: Health,
    /// The names of its segments.
    name_of: fn(u64) -> FileName,
}

impl Directory {
    /// The directory of the log with this id, for reading and, if `is_writable`, for writing.
    pub(crate) fn new(dir: Dir, log_id: [u8; 16], kinds: IndexKinds, is_writable: bool) -> Directory {
        Directory {
            health: Health::new(&dir, !is_writable),
            dir,
            log_id,
            kinds,
            name_of: FileName::Segment,
        }
    }

    /// The same directory, with a meter that counts what happens to the log.
    pub(crate) fn metered(mut self) -> Directory {
        self.health.meter = Meter::of(self.dir.path());
        self
    }

    /// The same directory, in which files that have not got their names yet count as the segments.
    pub(crate) fn of_temporary(&self) -> Directory {
        Directory {
            name_of: FileName::SegmentTemporary,
            ..Directory::new(self.dir.clone(), self.log_id, self.kinds, true)
        }
    }

    /// Copies `start..end` of a file to the start of another, durably. Where not all
    /// files may be mapped, the copy is read back and compared.
    pub(crate) fn copy_durably(&self, from: &File, start: u64, end: u64, to: &File) -> Result<()> {
        copy_range(from, start, end, to)?;
        to.sync()?;
        if self.dir.mapped_files() == MappedFiles::All {
            Ok(())
        } else {
            compare_range(from, start, end, to)
        }
    }

    /// The base offset of the last of these segments, or of the last segment that was merged into
    /// it. For a segment that cannot be read, this is its own base offset: reading the segment will
    /// report what is wrong with it.
    pub(crate) fn last_base(&self, bases: &[u64]) -> Result<Option<u64>> {
        let Some(last) = bases.last() else {
            return Ok(None);
        };
        let header = self.header(*last)?;
        Ok(Some(header.map_or(*last, |header| header.last_base())))
    }

    /// The error for a call that needs an index which the log was opened without.
    pub(crate) fn no_index(&self, index: IndexKind) -> Error {
        Error::NoIndex {
            index,
            path: Some(self.dir.path().to_path_buf()),
        }
    }

    /// The path of a file, for messages.
    pub(crate) fn path_of(&self, name: &FileName) -> PathBuf {
        self.dir.path_of(&name.to_string())
    }

    pub(crate) fn open(&self, name: &FileName, how: Open) -> Result<File> {
        self.dir.open(&name.to_string(), how)
    }

    /// Creates a file, in the place of one that an earlier life or attempt may have left there.
    pub(crate) fn create_anew(&self, name: &FileName) -> Result<File> {
        self.dir.create_anew(&name.to_string())
    }

    pub(crate) fn rename(&self, from: &FileName, to: &FileName) -> Result<()> {
        self.dir.rename(&from.to_string(), &to.to_string())
    }

    pub(crate) fn remove(&self, name: &FileName) -> Result<()> {
        self.dir.remove(&name.to_string())
    }

    /// The length of a file in bytes.
    pub(crate) fn len_of(&self, name: &FileName) -> Result<u64> {
        self.dir.len_of(&name.to_string())
    }

    /// Removes segments and their indexes, durably. Files that are gone already are no error.
    pub(crate) fn remove_segments(&self, bases: impl Iterator<Item = u64>) -> Result<()> {
        let mut is_any = false;
        for base in bases {
            is_any = true;
            for name in [FileName::Segment(base), FileName::Index(base)] {
                found(self.remove(&name))?;
            }
        }
        if is_any { self.dir.sync() } else { Ok(()) }
    }

    /// Removes the index of a segment, which is derived, if there is one.
    pub(crate) fn remove_index(&self, base: u64) -> Result<()> {
        found(self.remove(&FileName::Index(base))).map(drop)
    }

    /// The indexes that the newest readable index file has; none if there is no such file.
    pub(crate) fn newest_index_kinds(&self, bases: &[u64]) -> Result<IndexKinds> {
        for base in bases.iter().rev() {
            let Some(file) = found(self.open(&FileName::Index(*base), Open::Read))? else {
                continue;
            };
            let mut bytes = [0; INDEX_HEADER_LEN];
            let len = file.read_at(0, &mut bytes)?;
            let bytes = bytes.get(..len).unwrap_or_default();
            if let Ok(header) = IndexHeader::decode(bytes, file.len()?) {
                return Ok(header.kinds);
            }
        }
        Ok(IndexKinds::default())
    }

    /// The header of a segment, if it can be read and is of this log.
    pub(crate) fn header(&self, base: u64) -> Result<Option<SegmentHeader>> {
        match self.open_segment(base, Open::Read) {
            Ok((_, header)) => Ok(Some(header)),
            Err(Error::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The header of a segment, of whatever log, if it can be read.
    pub(crate) fn header_of_any_log(&self, base: u64) -> Result<Option<SegmentHeader>> {
        let file = self.open(&FileName::Segment(base), Open::Read)?;
        let mut bytes: SegmentHeaderBytes = [0; _];
        let len = file.read_at(0, &mut bytes)?;
        Ok(SegmentHeader::decode(bytes.get(..len).unwrap_or_default())
            .ok()
            .filter(|header| header.base == base))
    }

    /// Reads and verifies the header of the segment file with this base offset.
    pub(crate) fn open_segment(&self, base: u64, how: Open) -> Result<(File, SegmentHeader)> {
        let name = (self.name_of)(base);
        let path = self.path_of(&name);
        let file = found(self.open(&name, how))?;
        let file = file.ok_or_else(|| corrupt(&path, 0, None, Corruption::Missing))?;
        let mut bytes: SegmentHeaderBytes = [0; _];
        let len = file.read_at(0, &mut bytes)?;
        if len < bytes.len() {
            return Err(corrupt(&path, len as u64, None, Corruption::Short));
        }
        let header = SegmentHeader::decode(&bytes).map_err(|defect| header_error(&path, defect))?;
        if header.log_id != self.log_id || header.base != base {
            return Err(corrupt(&path, 0, None, Corruption::Foreign));
        }
        Ok((file, header))
    }
}

/// An offset above all that can have been given out in the segment with this base, whatever its
/// `rollover` was. The length of its file gives no such bound, because the file may have been
/// longer.
pub(crate) fn offset_bound(base: u64) -> u64 {
    base.saturating_add(SEGMENT_LEN_MAX / RECORD_HEADER_LEN as u64)
}

/// The error for a header that cannot be used.
pub(crate) fn header_error(path: &Path, defect: HeaderDefect) -> Error {
    match defect {
        HeaderDefect::Magic => corrupt(path, 0, None, Corruption::Magic),
        HeaderDefect::Damaged => corrupt(path, 0, None, Corruption::Header),
        HeaderDefect::Version(version) => Error::Version {
            path: path.to_path_buf(),
            version,
        },
    }
}

/// The error for damage in a file. If its bytes were only not to be read, the error says that.
pub(crate) fn corrupt(path: &Path, position: u64, offset: Option<u64>, kind: Corruption) -> Error {
    failed_read(path).unwrap_or_else(|| Error::Corrupt {
        path: path.to_path_buf(),
        position,
        offset,
        kind,
    })
}

/// Copies `start..end` of one file to the start of another.
fn copy_range(from: &File, start: u64, end: u64, to: &File) -> Result<()> {
    const BUFFER_LEN_MAX: u64 = 1 << 20;
    let len = end.saturating_sub(start).min(BUFFER_LEN_MAX);
    let mut buffer = vec![0; usize::try_from(len).unwrap_or(0)];
    let mut at = start;
    while at < end {
        let len = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
        let read = from.read_at(at, &mut buffer[..len])?;
        if read < len {
            return Err(corrupt(from.path(), at + read as u64, None, Corruption::Short));
        }
        to.write_at(at - start, &buffer[..len])?;
        at += len as u64;
    }
    Ok(())
}

/// Fails unless `start..end` of one file is at the start of the other.
fn compare_range(from: &File, start: u64, end: u64, to: &File) -> Result<()> {
    const BUFFER_LEN: usize = 256 << 10;
    let [mut wanted, mut found] = [vec![0; BUFFER_LEN], vec![0; BUFFER_LEN]];
    let mut at = start;
    while at < end {
        let len = usize::try_from(end - at).unwrap_or(usize::MAX).min(BUFFER_LEN);
        let read = from.read_at(at, &mut wanted[..len])?;
        let read_back = to.read_at(at - start, &mut found[..len])?;
        if (read, read_back) != (len, len) || wanted[..len] != found[..len] {
            return Err(Error::Io {
                operation: "read back",
                path: to.path().to_path_buf(),
                source: std::io::Error::other("other bytes are there than were written"),
            });
        }
        at += len as u64;
    }
    Ok(())
}
