//! Building the index of a sealed segment before a reader needs it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::ending::Seal;
use super::index_build::{IndexBuild, binding};
use super::sealed::Sealed;
use crate::Result;
use crate::format::SegmentHeader;
use crate::sys::{Map, Open};

/// The index of a sealed segment that has no index file of its own, or one without the indexes that
/// are asked for, while it is being built in steps.
#[derive(Debug)]
pub(crate) struct AbsentIndex {
    sealed: Arc<Sealed>,
    map: Map,
    header: SegmentHeader,
    seal: Seal,
    build: IndexBuild,
}

impl Sealed {
    /// Whether there is an index file that belongs to the segment as it is, and has the indexes
    /// asked for. Its pages are verified when they are used.
    pub(crate) fn has_index(&self) -> Result<bool> {
        let (_, header) = self.directory.open_segment(self.base(), Open::Read)?;
        let seal = self.ending(&header)?.seal;
        Ok(self.open_index(&binding(&header, seal))?.is_some())
    }
}

impl AbsentIndex {
    /// Begins the index of a segment; `None` if the file is too short for that.
    pub(crate) fn begin(sealed: &Arc<Sealed>) -> Result<Option<AbsentIndex>> {
        let (file, header) = sealed.directory.open_segment(sealed.base(), Open::Read)?;
        let seal = sealed.ending(&header)?.seal;
        if file.len()? < u64::from(seal.len) {
            return Ok(None);
        }
        let map = file.map(u64::from(seal.len))?;
        let build = IndexBuild::begin(&sealed.directory, &sealed.walk_of(&map, &header, seal));
        Ok(Some(AbsentIndex {
            sealed: Arc::clone(sealed),
            map,
            header,
            seal,
            build,
        }))
    }

    pub(crate) fn sealed(&self) -> &Arc<Sealed> {
        &self.sealed
    }

    /// Enters about `records_max` more records; returns true when all are entered.
    pub(crate) fn resume(&mut self, records_max: usize) -> bool {
        let walk = self.sealed.walk_of(&self.map, &self.header, self.seal);
        self.build.resume(&walk, records_max)
    }

    /// Writes the file, unless a reader has built it meanwhile, or the segment's files are about to
    /// be replaced or removed.
    pub(crate) fn store(self) -> Result<()> {
        let sealed = &self.sealed;
        let bytes = self
            .build
            .finish(&self.header, self.seal)
            .map_err(|stop| sealed.defect(stop))?;
        let _not_while_opening = sealed.opening.lock();
        let is_retired = sealed.retired.load(Ordering::Acquire);
        if is_retired || sealed.open_index(&binding(&self.header, self.seal))?.is_some() {
            return Ok(());
        }
        sealed.store_index(&bytes)
    }
}
