//! A segment that is complete: mapped on demand, searched through its index file.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;

use super::ending::{Ending, Seal, Testimony, end_of};
use super::extent::WalkEnd;
use super::index_build::{IndexBuild, binding, store_index};
use super::walk::Walk;
use crate::directory::{Directory, corrupt};
use crate::format::{Binding, FileName, FrameSeeds, IndexDefect, Previous, SegmentHeader};
use crate::index::SealedIndex;
use crate::sys::{Map, Open, found};
use crate::{Corruption, Error, Result};

/// The last segment of a log that is closed gets no index file if it is smaller than this: walking
/// through it again costs less.
pub(crate) const INDEX_LEN_MIN: u32 = 64 << 10;

/// A sealed segment. Its files are opened when they are needed, and may be released at any time.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(super) directory: Arc<Directory>,
    base: u64,
    /// The base offset of the segment behind, whose header knows this one's seal; or the seal
    /// itself, where there is no segment behind.
    end: SegmentEnd,
    mapped: ArcSwapOption<Mapped>,
    pub(super) opening: Mutex<()>,
    /// The mark that every reader sets; a search for unused segments takes it back.
    used: AtomicBool,
    /// When [`release_unused`](Sealed::release_unused) first found the segment unused; `None` if no
    /// call has found it unused since its last use.
    unused_since: Mutex<Option<Instant>>,
    /// The latest time in the segment, known once it was opened; `None` inside if it has no times.
    time_max: OnceLock<Option<i64>>,
    /// Set when its files are about to be replaced or removed.
    pub(super) retired: AtomicBool,
    /// Its files as they were when they were replaced. A reader with an older list of segments goes
    /// on reading in them: the files that have the name now hold other messages, which do not
    /// belong to that list.
    kept: OnceLock<Arc<Mapped>>,
    /// Bytes of its files, once somebody has asked; 0 if they are not known.
    size: AtomicU64,
}

/// How a sealed segment's end is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SegmentEnd {
    /// From the header of the next segment, which has this base offset.
    Successor(u64),
    /// From the metadata of a log that was closed, of which this is the last segment.
    Closed(Previous),
    /// Because this process has sealed it, or has found out.
    Known(Previous),
}

/// A sealed segment's files, mapped. Whatever has to be known of the segment together with its
/// content is taken from here: by now another segment may have the name. What each lookup needs is
/// first.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Mapped {
    pub(crate) index: SealedIndex,
    pub(crate) map: Map,
    pub(crate) seeds: FrameSeeds,
    /// Where the segment's frames end, in bytes.
    pub(crate) len: u32,
    /// How the segment behind, or the metadata, knows this one.
    pub(crate) origin: Previous,
    pub(crate) header: SegmentHeader,
}

/// Where the index of a segment that is opened comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IndexFrom {
    /// From the file, which is written if there is none.
    File,
    /// From the messages; the file is written anew.
    Messages,
    /// From the file if there is one; no file is written.
    WhatIsThere,
}

/// The result of checking an index file.
#[derive(Debug)]
pub(crate) enum IndexState {
    /// There is no index file that belongs to the segment as it is.
    Absent,
    /// The index file is damaged at this position.
    Damaged(u64),
    Good(Box<Mapped>),
}

impl Sealed {
    pub(crate) fn new(directory: Arc<Directory>, base: u64, end: SegmentEnd) -> Sealed {
        Sealed {
            directory,
            base,
            end,
            mapped: ArcSwapOption::empty(),
            opening: Mutex::new(()),
            used: AtomicBool::new(false),
            unused_since: Mutex::new(None),
            retired: AtomicBool::new(false),
            time_max: OnceLock::new(),
            kept: OnceLock::new(),
            size: AtomicU64::new(0),
        }
    }

    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Whether both know their end in the same way.
    pub(crate) fn ends_as(&self, other: &Sealed) -> bool {
        self.end == other.end
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.directory.path_of(&FileName::Segment(self.base))
    }

    pub(crate) fn index_path(&self) -> std::path::PathBuf {
        self.directory.path_of(&FileName::Index(self.base))
    }

    /// Returns the mapped files, which are opened if need be, and whether this call opened them.
    pub(crate) fn mapped(&self) -> Result<(arc_swap::Guard<Option<Arc<Mapped>>>, bool)> {
        // The flag is only written when it changes, so that readers do not fight for its cache
        // line.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        let mapped = self.mapped.load();
        if mapped.is_some() {
            return Ok((mapped, false));
        }
        let _one_at_a_time = self.opening.lock();
        let mapped = self.mapped.load();
        if mapped.is_some() {
            return Ok((mapped, false));
        }
        if let Some(kept) = self.kept.get() {
            return Ok((arc_swap::Guard::from_inner(Some(Arc::clone(kept))), false));
        }
        // The files are not read back from `mapped`: another thread may release them at once.
        let opened = Arc::new(self.open(IndexFrom::File)?);
        self.mapped.store(Some(Arc::clone(&opened)));
        Ok((arc_swap::Guard::from_inner(Some(opened)), true))
    }

    /// Builds the index anew from the messages, because the one in use turned out to be damaged.
    pub(crate) fn rebuild_index(&self) -> Result<Arc<Mapped>> {
        let _one_at_a_time = self.opening.lock();
        if self.kept.get().is_some() {
            // The file of this name now belongs to another segment: the reader begins again with a
            // newer list.
            return Err(corrupt(&self.index_path(), 0, None, Corruption::Index));
        }
        let opened = Arc::new(self.open(IndexFrom::Messages)?);
        self.mapped.store(Some(Arc::clone(&opened)));
        Ok(opened)
    }

    /// Releases the files if they were not used since the last call, or in any case if `anyway`.
    /// Readers that are using the files keep them until they are done. Returns whether anything was
    /// released.
    pub(crate) fn release(&self, anyway: bool) -> bool {
        let used = self.take_mark(&mut self.unused_since.lock());
        (anyway || !used) && self.mapped.swap(None).is_some()
    }

    /// Releases the files if the calls of this function, over the time of at least `unused_for` up
    /// to `now`, have seen no use; returns whether anything was released. A reader leaves only its
    /// mark, so that reading costs no look at the clock.
    pub(crate) fn release_unused(&self, unused_for: Duration, now: Instant) -> bool {
        let mut unused_since = self.unused_since.lock();
        self.take_mark(&mut unused_since);
        let since = *unused_since.get_or_insert(now);
        now.saturating_duration_since(since) >= unused_for && self.mapped.swap(None).is_some()
    }

    /// Takes back the mark that readers leave; returns whether there was one.
    fn take_mark(&self, unused_since: &mut Option<Instant>) -> bool {
        let used = self.used.swap(false, Ordering::Relaxed);
        if used {
            *unused_since = None;
        }
        used
    }

    /// Keeps the segment from writing files of its name from now on, because they are about to be
    /// removed, or because the log goes on in them.
    pub(crate) fn retire(&self) {
        let _not_while_opening = self.opening.lock();
        self.retired.store(true, Ordering::Release);
    }

    /// Keeps the segment from looking at its name from now on, because another file is about to get
    /// it: between the rename and the change of the list, readers would meet a file that is not of
    /// their list. Its own files, with an index that is whole, stay for as long as readers need.
    pub(crate) fn retire_readable(&self) -> Result<Arc<Mapped>> {
        let _not_while_opening = self.opening.lock();
        if let Some(kept) = self.kept.get() {
            return Ok(Arc::clone(kept));
        }
        let mut files = match self.mapped.load_full() {
            Some(files) => files,
            None => Arc::new(self.open(IndexFrom::File)?),
        };
        if files.index.verify_pages().is_err() {
            files = Arc::new(self.open(IndexFrom::Messages)?);
        }
        self.retired.store(true, Ordering::Release);
        Ok(Arc::clone(self.kept.get_or_init(|| files)))
    }

    /// The segment's files for a backup, apart from those of the readers. This writes nothing: the
    /// log may be closed meanwhile, and the directory have another owner.
    pub(crate) fn open_apart(&self) -> Result<Arc<Mapped>> {
        let _not_while_retiring = self.opening.lock();
        if let Some(kept) = self.kept.get() {
            return Ok(Arc::clone(kept));
        }
        match self.mapped.load_full() {
            Some(files) => Ok(files),
            None => self.open(IndexFrom::WhatIsThere).map(Arc::new),
        }
    }

    pub(crate) fn is_mapped(&self) -> bool {
        self.mapped.load().is_some()
    }

    /// The length of the index file in bytes; 0 if there is none.
    pub(crate) fn index_len(&self) -> Result<u64> {
        let file = found(self.directory.open(&FileName::Index(self.base), Open::Read))?;
        file.map_or(Ok(0), |file| file.len())
    }

    /// Bytes of its files. Asks the system only if its index may have changed since the last call;
    /// a file that cannot be asked for counts nothing.
    pub(crate) fn size(&self) -> u64 {
        let known = self.size.load(Ordering::Relaxed);
        if known > 0 {
            return known;
        }
        let len = |name| self.directory.len_of(&name).unwrap_or(0);
        let size = len(FileName::Segment(self.base)) + len(FileName::Index(self.base));
        self.size.store(size, Ordering::Relaxed);
        size
    }

    /// Puts its index file in place.
    pub(super) fn store_index(&self, bytes: &[u8]) -> Result<()> {
        let stored = store_index(&self.directory, self.base, bytes);
        self.size.store(0, Ordering::Relaxed);
        stored
    }

    /// How the segment behind, or the metadata, knows this one; and the file that an error about it
    /// names.
    pub(crate) fn link(&self) -> Result<(Previous, std::path::PathBuf)> {
        if let Some(kept) = self.kept.get() {
            return Ok((kept.origin, self.path()));
        }
        match self.end {
            SegmentEnd::Closed(link) | SegmentEnd::Known(link) => Ok((link, self.path())),
            SegmentEnd::Successor(base) => {
                let (file, successor) = self.directory.open_segment(base, Open::Read)?;
                let path = file.path().to_path_buf();
                match successor.previous {
                    Some(link) => Ok((link, path)),
                    None => Err(corrupt(&path, 0, None, Corruption::Missing)),
                }
            }
        }
    }

    /// Where this segment ends, by what others know of it and by its own `header`.
    pub(crate) fn ending(&self, header: &SegmentHeader) -> Result<Ending> {
        let (link, known_from) = self.link()?;
        let testimony = match self.end {
            SegmentEnd::Closed(_) | SegmentEnd::Known(_) => Testimony::Metadata(link),
            SegmentEnd::Successor(_) => Testimony::Successor(link),
        };
        end_of(header, testimony).ok_or_else(|| {
            // The segment behind follows one that is missing, or a different one of the same name.
            let kind = if header.last_base() == link.base {
                Corruption::Foreign
            } else {
                Corruption::Missing
            };
            corrupt(&known_from, 0, None, kind)
        })
    }

    /// Verifies the whole index file, without repairing it.
    pub(crate) fn check_index(&self) -> Result<IndexState> {
        let (file, header) = self.directory.open_segment(self.base, Open::Read)?;
        let Ending { seal, origin, .. } = self.ending(&header)?;
        let Some(index) = found(self.directory.open(&FileName::Index(self.base), Open::Read))? else {
            return Ok(IndexState::Absent);
        };
        let len = index.len()?;
        if len == 0 || file.len()? < u64::from(seal.len) {
            return Ok(if len == 0 {
                IndexState::Damaged(0)
            } else {
                IndexState::Absent
            });
        }
        let index = match SealedIndex::open(index.map(len)?, &binding(&header, seal), self.directory.kinds) {
            Ok(index) => index,
            // The file is left from an earlier state of the segment, or lacks an index that was
            // turned on later.
            Err(IndexDefect::Foreign | IndexDefect::Kinds) => return Ok(IndexState::Absent),
            Err(defect) => return Ok(IndexState::Damaged(defect.position())),
        };
        if let Err(defect) = index.verify_all() {
            return Ok(IndexState::Damaged(defect.position()));
        }
        let map = file.map(u64::from(seal.len))?;
        Ok(IndexState::Good(Box::new(Mapped {
            header,
            origin,
            map,
            seeds: FrameSeeds::new(header.salt),
            index,
            len: seal.len,
        })))
    }

    fn open(&self, index: IndexFrom) -> Result<Mapped> {
        let (file, header) = self.directory.open_segment(self.base, Open::Read)?;
        let Ending { seal, origin, .. } = self.ending(&header)?;
        let len = file.len()?;
        if len < u64::from(seal.len) {
            return Err(corrupt(file.path(), len, None, Corruption::Short));
        }
        let map = file.map(u64::from(seal.len))?;
        let seeds = FrameSeeds::new(header.salt);
        let binding = binding(&header, seal);
        let stored = match index {
            IndexFrom::Messages => None,
            IndexFrom::File | IndexFrom::WhatIsThere => self.open_index(&binding)?,
        };
        let is_stored = match index {
            IndexFrom::File => !self.is_small_last(seal),
            IndexFrom::Messages => true,
            IndexFrom::WhatIsThere => false,
        };
        let index = match stored {
            Some(index) => index,
            None => self.build_index(&map, &header, seal, is_stored)?,
        };
        self.time_max.get_or_init(|| index.time_max());
        Ok(Mapped {
            header,
            origin,
            map,
            seeds,
            index,
            len: seal.len,
        })
    }

    /// Whether this is the last segment of a log that was closed, and too small for an index file.
    fn is_small_last(&self, seal: Seal) -> bool {
        matches!(self.end, SegmentEnd::Closed(_)) && seal.len < INDEX_LEN_MIN
    }

    /// The latest time in the segment, if that is known without opening it.
    pub(crate) fn time_max(&self) -> Option<i64> {
        self.time_max.get().map(|max| max.unwrap_or(i64::MIN))
    }

    /// Opens the index file, if there is one that belongs to exactly this segment and has the
    /// indexes asked for.
    pub(super) fn open_index(&self, binding: &Binding) -> Result<Option<SealedIndex>> {
        let Some(file) = found(self.directory.open(&FileName::Index(self.base), Open::Read))? else {
            return Ok(None);
        };
        let len = file.len()?;
        if len == 0 {
            return Ok(None);
        }
        Ok(SealedIndex::open(file.map(len)?, binding, self.directory.kinds).ok())
    }

    /// A walk through the whole segment.
    pub(super) fn walk_of<'a>(&self, map: &'a Map, header: &SegmentHeader, seal: Seal) -> Walk<'a> {
        Walk {
            map,
            seeds: FrameSeeds::new(header.salt),
            base: self.base,
            header_checksum: header
                .encode()
                .last_chunk()
                .copied()
                .map_or(0, u32::from_le_bytes),
            limit: u64::from(seal.len),
            rewritten: header.rewrite.is_some(),
            hash_keys: self.directory.kinds.key,
        }
    }

    /// Builds the index from the messages; keeps it in a file if `is_stored` and where files may be
    /// written, and else in memory.
    fn build_index(
        &self,
        map: &Map,
        header: &SegmentHeader,
        seal: Seal,
        is_stored: bool,
    ) -> Result<SealedIndex> {
        let walk = self.walk_of(map, header, seal);
        let mut build = IndexBuild::begin(&self.directory, &walk);
        build.resume(&walk, usize::MAX);
        let bytes = build.finish(header, seal).map_err(|stop| self.defect(stop))?;
        let defect = |_: IndexDefect| corrupt(&self.index_path(), 0, None, Corruption::Index);
        let binding = binding(header, seal);
        if is_stored
            && self.directory.health.may_write_files()
            && !self.retired.load(Ordering::Acquire)
            && self.store_index(&bytes).is_ok()
            && let Some(index) = self.open_index(&binding)?
        {
            return Ok(index);
        }
        SealedIndex::open(Map::from_bytes(bytes), &binding, self.directory.kinds).map_err(defect)
    }

    pub(super) fn defect(&self, stop: WalkEnd) -> Error {
        // Without a defect the segment is whole, but not the one that the next segment followed.
        let other = || corrupt(&self.path(), 0, None, Corruption::Foreign);
        stop.defect(&self.path()).unwrap_or_else(other)
    }
}
