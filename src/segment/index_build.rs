//! Building the index file of a segment.

use super::ending::Seal;
use super::extent::WalkEnd;
use super::walk::Walk;
use super::walk_progress::WalkProgress;
use crate::directory::{Directory, corrupt};
use crate::format::{Binding, FileName, IndexDefect, SegmentHeader};
use crate::index::IndexBuilder;
use crate::{Corruption, Result};

/// The index file of a segment while it is being built, in steps.
#[derive(Debug)]
pub(crate) struct IndexBuild {
    builder: IndexBuilder,
    progress: WalkProgress,
    /// The first defect that a record caused, if any.
    defect: Option<IndexDefect>,
}

impl IndexBuild {
    pub(crate) fn begin(directory: &Directory, walk: &Walk<'_>) -> IndexBuild {
        IndexBuild {
            builder: IndexBuilder::new(directory.kinds, walk.base),
            progress: walk.begin(),
            defect: None,
        }
    }

    /// Enters about `records_max` more records; returns true when all are entered. `walk` goes
    /// through the segment up to its seal, and is the same each time.
    pub(crate) fn resume(&mut self, walk: &Walk<'_>, records_max: usize) -> bool {
        let IndexBuild {
            builder,
            progress,
            defect,
        } = self;
        walk.resume(progress, records_max, |entry| {
            if defect.is_none() {
                let pushed = entry.enter(builder);
                *defect = pushed.err();
            }
        })
    }

    /// Returns the bytes of the file; or where and why the segment falls short of its seal.
    pub(super) fn finish(self, header: &SegmentHeader, seal: Seal) -> Result<Vec<u8>, WalkEnd> {
        let extent = self.progress.extent;
        let is_complete = self.defect.is_none()
            && extent.stop == WalkEnd::Limit
            && extent.end == u64::from(seal.len)
            && extent.last_checksum == seal.last_checksum;
        if !is_complete {
            return Err(extent.stop);
        }
        let end = header.rewrite.map_or(extent.next_offset, |rewrite| rewrite.end);
        self.builder
            .finish(binding(header, seal), end)
            .map_err(|_| extent.stop)
    }

    /// Writes the index file of a segment that has just been sealed.
    pub(crate) fn write(self, directory: &Directory, header: &SegmentHeader, seal: Seal) -> Result<()> {
        let path = directory.path_of(&FileName::Segment(header.base));
        let short = || corrupt(&path, 0, None, Corruption::Short);
        let bytes = self
            .finish(header, seal)
            .map_err(|stop| stop.defect(&path).unwrap_or_else(short))?;
        store_index(directory, header.base, &bytes)
    }
}

/// Puts an index file in place. The file is derived: a crash may lose it, and a damaged one is
/// built anew.
pub(crate) fn store_index(directory: &Directory, base: u64, bytes: &[u8]) -> Result<()> {
    let temporary = FileName::IndexTemporary(base);
    let file = directory.create_anew(&temporary)?;
    let stored = file
        .write_at(0, bytes)
        .and_then(|()| file.sync())
        .and_then(|()| directory.rename(&temporary, &FileName::Index(base)));
    if stored.is_err() {
        let _ = directory.remove(&temporary);
    }
    stored
}

/// What binds an index file to one content of a segment.
pub(super) fn binding(header: &SegmentHeader, seal: Seal) -> Binding {
    Binding {
        salt: header.salt,
        base: header.base,
        generation: header.generation(),
        segment_len: seal.len,
        last_checksum: seal.last_checksum,
    }
}
