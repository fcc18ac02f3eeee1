//! Opening a log.

use std::path::Path;
use std::sync::Arc;

use super::append::Appender;
use super::file_log::FileLog;
use super::open_log::{OpenLog, Opened};
use super::recovery::{Recovered, Recovery};
use super::segments::SegmentList;
use crate::Durability;
use crate::Options;
use crate::directory::{Copies, MetaStore, initialise};
use crate::directory::{Directory, corrupt};
use crate::format::IndexKinds;
use crate::format::{CleanEnd, FileName, Meta, PREPARED_NAME};
use crate::segment::{Active, KeyRun, Seal, Sealed, SegmentEnd, SegmentRef, Stop, runs_among};
use crate::sys::{DirLock, Open, Os, Storage};
use crate::{Corruption, Error, Result};

impl Options {
    /// Opens the log in `dir`, creating it in an empty directory.
    ///
    /// A log that was not closed is recovered: what was durable is there, and what was not is there
    /// up to the first batch that is not whole.
    ///
    /// # Errors
    ///
    /// [`Error::NoLog`] if the directory is missing, or, for reading only, empty; [`Error::Locked`]
    /// at once if another handle has the log open; [`Error::Corrupt`] if bytes that were durable
    /// are damaged; [`Error::Version`]; [`Error::Invalid`] for options out of range;
    /// [`Error::Unsupported`] on a file system that is refused; [`Error::Io`]. The log is as it was
    /// in any of these cases; files that are not part of it any more may be gone.
    pub fn open(&self, dir: impl AsRef<Path>) -> Result<FileLog> {
        self.validate()?;
        open(self, dir.as_ref())
    }

    /// The options with which an existing log keeps the indexes it has.
    ///
    /// # Errors
    ///
    /// [`Error::NoLog`] if there is none; [`Error::Corrupt`] or [`Error::Version`] if its metadata
    /// is not readable.
    pub fn of(dir: impl AsRef<Path>) -> Result<Options> {
        Options::new().with_indexes_of(dir.as_ref())
    }

    /// These options, with the indexes that the log in `dir` has.
    pub(crate) fn with_indexes_of(self, dir: &Path) -> Result<Options> {
        let storage = self.file_system();
        let no_log = || Error::NoLog {
            path: dir.to_path_buf(),
        };
        if !storage.is_dir(dir)? {
            return Err(no_log());
        }
        let copies = Copies::read(&*storage, dir)?;
        if copies.is_absent() && segment_bases(&*storage, dir)?.is_empty() {
            return Err(no_log());
        }
        let meta = copies.newest(dir)?;
        Ok(self.key_index(meta.key_index).time_index(meta.time_index))
    }

    fn validate(&self) -> Result<()> {
        if !Options::ROLLOVER_RANGE.contains(&self.rollover) {
            return Err(Error::Invalid("rollover must be between 1 KiB and 2 GiB"));
        }
        if self.segments_mapped_max == 0 {
            return Err(Error::Invalid(
                "at least one segment must be allowed to be mapped",
            ));
        }
        if self.read_only && self.recover {
            return Err(Error::Invalid("cutting a damaged log needs to write to it"));
        }
        let is_paced = matches!(self.durability, Durability::Interval(_) | Durability::Bytes(_));
        if is_paced && !self.background {
            return Err(Error::Invalid("paced durability needs the background thread"));
        }
        Ok(())
    }

    #[cfg_attr(
        not(feature = "fault"),
        expect(clippy::unused_self, reason = "there is only one")
    )]
    pub(crate) fn file_system(&self) -> Arc<dyn Storage> {
        #[cfg(feature = "fault")]
        if let Some(disk) = &self.environment.disk {
            return Arc::new(disk.clone());
        }
        Arc::new(Os)
    }
}

fn open(options: &Options, dir: &Path) -> Result<FileLog> {
    let storage = options.file_system();
    prepare_dir(&*storage, dir, options)?;
    let lock = storage.lock(dir, !options.read_only)?;
    let bases = segment_bases(&*storage, dir)?;
    let mut copies = read_or_create(&*storage, dir, options, &bases)?;
    let mut meta = copies.newest(dir)?;
    let kinds = IndexKinds {
        key: options.key_index,
        time: options.time_index,
    };
    let directory = Arc::new(Directory::new(
        storage,
        dir,
        meta.log_id,
        kinds,
        !options.read_only,
    ));
    if meta.unfinished {
        settle_unfinished(&directory, &mut meta, &bases)?;
    }
    let (bases, superseded) = sort_out(&directory, &meta, bases)?;
    if !options.read_only {
        if meta.clean.is_none() || !copies.agree() || !superseded.is_empty() {
            // Whoever renamed a segment may have been killed before the name was durable. What it
            // shows is acted on from here on, and counts as done for whoever asks for it again.
            directory.storage.sync_dir(dir)?;
        }
        if !superseded.is_empty() && !copies.agree() {
            // As may be the metadata, by which segments are removed now.
            let newest = copies.newest(dir)?;
            MetaStore::new(dir, newest, &copies).write(&*directory.storage, |_| {})?;
            copies = Copies::read(&*directory.storage, dir)?;
            meta.sequence += 1;
        }
        remove_leftovers(&directory)?;
        directory.remove_segments(superseded.iter().copied())?;
    }
    if is_front_missing(&directory, &bases, meta.start_offset)? {
        let first = directory.path_of(&FileName::Segment(meta.start_offset));
        return Err(corrupt(&first, 0, None, Corruption::Missing));
    }
    let runs = if options.key_index {
        runs_of(&directory, meta.start_offset)?
    } else {
        Vec::new()
    };
    let opening = Opening {
        directory,
        options,
        copies,
        meta,
        bases,
        runs,
    };
    let log = match opening.clean_end()? {
        Some(last) => opening.closed(last, lock)?,
        None => opening.recovered(lock)?,
    };
    log.upkeep.make_key_runs();
    Ok(FileLog::new(log))
}

/// Sees to it that there is a directory that can be used.
fn prepare_dir(storage: &dyn Storage, dir: &Path, options: &Options) -> Result<()> {
    if !storage.is_dir(dir)? {
        if options.read_only || !options.create_dirs {
            return Err(Error::NoLog {
                path: dir.to_path_buf(),
            });
        }
        storage.create_dirs(dir)?;
    }
    if options.read_only {
        return Ok(());
    }
    storage.check_supported(dir)
}

/// What the two copies of the metadata say; in an empty directory they are written first.
fn read_or_create(storage: &dyn Storage, dir: &Path, options: &Options, bases: &[u64]) -> Result<Copies> {
    let copies = Copies::read(storage, dir)?;
    if !copies.is_absent() {
        return Ok(copies);
    }
    if !bases.is_empty() {
        // Segments without metadata are not an empty log.
        let path = dir.join(crate::format::META_NAMES[0]);
        return Err(corrupt(&path, 0, None, Corruption::Meta));
    }
    if options.read_only {
        return Err(Error::NoLog {
            path: dir.to_path_buf(),
        });
    }
    sync_above(storage, dir)?;
    create_log(storage, dir, options)?;
    let mut copies = Copies::read(storage, dir)?;
    copies.are_ours = true;
    Ok(copies)
}

/// The key runs there are. Those that others cover, or that were trimmed, are removed.
fn runs_of(directory: &Directory, start_offset: u64) -> Result<Vec<Arc<KeyRun>>> {
    let (runs, rest) = runs_among(&directory.storage.list(&directory.path)?, start_offset);
    if directory.health.may_write_files() {
        for name in rest {
            directory.storage.remove(&directory.path_of(&name))?;
        }
    }
    Ok(runs)
}

/// What opening has found so far.
struct Opening<'a> {
    directory: Arc<Directory>,
    options: &'a Options,
    copies: Copies,
    meta: Meta,
    bases: Vec<u64>,
    runs: Vec<Arc<KeyRun>>,
}

impl Opening<'_> {
    /// Where the log ends, if it was closed and is as it was then.
    fn clean_end(&self) -> Result<Option<CleanEnd>> {
        let Some(end) = self.meta.clean.filter(|_| self.copies.agree()) else {
            return Ok(None);
        };
        let path = |base| self.directory.path_of(&FileName::Segment(base));
        let (last, base) = match (end.last, self.bases.last()) {
            (None, None) => return Ok(Some(end)),
            (Some(last), Some(base)) => (last, *base),
            (Some(last), None) => return Err(corrupt(&path(last.base), 0, None, Corruption::Missing)),
            (None, Some(base)) => return Err(corrupt(&path(*base), 0, None, Corruption::Foreign)),
        };
        let (file, header) = match self.directory.open_segment(base, Open::Read) {
            Err(Error::Corrupt { .. }) if self.options.recover => return Ok(None),
            other => other?,
        };
        let Some(seal) = Seal::of(&header, last) else {
            return Err(if header.last_base() < last.base {
                corrupt(&path(last.base), 0, None, Corruption::Missing)
            } else {
                corrupt(file.path(), 0, None, Corruption::Foreign)
            });
        };
        let (len, sealed_len) = (file.len()?, u64::from(seal.len));
        let kind = match len.cmp(&sealed_len) {
            std::cmp::Ordering::Less => Corruption::Short,
            std::cmp::Ordering::Equal => return self.checked(end, base, seal),
            std::cmp::Ordering::Greater if self.meta.unfinished => {
                return self.cut_unfinished(end, base, sealed_len);
            }
            std::cmp::Ordering::Greater => Corruption::Trailing,
        };
        if self.options.recover {
            return Ok(None);
        }
        Err(corrupt(file.path(), len.min(sealed_len), None, kind))
    }

    /// Cuts off what a backup onto this copy had added when it was interrupted.
    fn cut_unfinished(&self, end: CleanEnd, base: u64, len: u64) -> Result<Option<CleanEnd>> {
        if !self.options.read_only {
            let (file, _) = self.directory.open_segment(base, Open::Write)?;
            file.set_len(len)?;
            file.sync()?;
        }
        Ok(Some(end))
    }

    /// Verifies the last segment, if that was asked for.
    fn checked(&self, end: CleanEnd, base: u64, seal: Seal) -> Result<Option<CleanEnd>> {
        if !self.options.check && !self.options.recover {
            return Ok(Some(end));
        }
        let (active, extent) = Active::adopt(&self.directory, base, None, None)?;
        let whole = extent.stop == Stop::Limit && extent.last_checksum == seal.last_checksum;
        if whole {
            return Ok(Some(end));
        }
        if self.options.recover {
            return Ok(None);
        }
        let path = active.file.path();
        let other = || corrupt(path, extent.end, None, Corruption::Foreign);
        Err(extent.stop.defect(path).unwrap_or_else(other))
    }

    /// A log that was closed: nothing of it is read.
    fn closed(self, end: CleanEnd, lock: DirLock) -> Result<OpenLog> {
        let mut segments = Vec::with_capacity(self.bases.len());
        for pair in self.bases.windows(2) {
            let end = SegmentEnd::Successor(pair[1]);
            segments.push(SegmentRef::Sealed(Arc::new(Sealed::new(
                Arc::clone(&self.directory),
                pair[0],
                end,
            ))));
        }
        if let Some(last) = end.last {
            let base = self.bases.last().copied().unwrap_or(last.base);
            let segment = Sealed::new(Arc::clone(&self.directory), base, SegmentEnd::Known(last));
            segments.push(SegmentRef::Sealed(Arc::new(segment)));
        }
        // A rewritten segment says itself how far it reaches.
        let reached = match self.bases.last() {
            Some(base) => self.directory.open_segment(*base, Open::Read)?.1.rewrite,
            None => None,
        };
        let next_offset = self
            .meta
            .next_offset
            .max(reached.map_or(0, |rewrite| rewrite.end));
        let appender = Appender {
            next_offset,
            previous: end.last,
            is_marked_clean: true,
            ..Appender::default()
        };
        let mut meta = MetaStore::new(&self.directory.path, self.meta, &self.copies);
        if self.meta.unfinished && !self.options.read_only {
            meta.write_both(&*self.directory.storage, |meta| meta.unfinished = false)?;
        }
        Ok(self.open_log(lock, segments, appender, meta, next_offset))
    }

    /// A log that was not closed.
    fn recovered(self, lock: DirLock) -> Result<OpenLog> {
        let mut meta = MetaStore::new(&self.directory.path, self.meta, &self.copies);
        let recovery = Recovery {
            meta: &mut meta,
            directory: &self.directory,
            options: self.options,
            copies: &self.copies,
            bases: self.bases.clone(),
            next_offset_min: self.meta.next_offset,
        };
        let Recovered {
            segments,
            active,
            previous,
            unsynced,
            next_offset,
            synced,
            has_cut,
            has_gap,
        } = recovery.run()?;
        let mut appender = Appender {
            next_offset,
            previous,
            unsynced: unsynced.iter().map(|(segment, _)| Arc::clone(segment)).collect(),
            ..Appender::default()
        };
        if let Some((active, extent)) = active {
            #[expect(clippy::cast_possible_truncation, reason = "positions in a segment are u32")]
            appender.begin(
                &active,
                active.visible().count,
                extent.end as u32,
                extent.last_checksum,
            );
        }
        // A cut of durable messages has been counted already.
        let may_have_lost = !has_cut && !self.meta.visible_is_durable;
        let is_read_only = self.options.read_only;
        let log = self.open_log(lock, segments, appender, meta, synced);
        if !is_read_only {
            let durable = log.append.frontiers().visible_is_durable();
            log.metadata.write_both(|meta| {
                meta.epoch = meta.epoch.saturating_add(u64::from(may_have_lost));
                meta.is_copy = false;
                meta.next_offset = next_offset;
                meta.has_gaps |= has_gap;
                meta.clean = None;
                meta.unfinished = false;
                meta.visible_is_durable = durable;
            })?;
            for (segment, extent) in unsynced {
                #[expect(clippy::cast_possible_truncation, reason = "positions in a segment are u32")]
                let seal = Seal {
                    len: extent.end as u32,
                    last_checksum: extent.last_checksum,
                };
                log.upkeep.ask_to_seal(&segment, seal);
            }
        }
        Ok(log)
    }

    fn open_log(
        self,
        lock: DirLock,
        segments: Vec<SegmentRef>,
        appender: Appender,
        metadata: MetaStore,
        durable: u64,
    ) -> OpenLog {
        let list = SegmentList {
            start_offset: self.meta.start_offset,
            segments,
            next_offset_min: appender.next_offset,
            key_runs: self.runs,
            ..SegmentList::default()
        };
        let opened = Opened {
            directory: self.directory,
            list,
            appender,
            metadata,
            durable,
            lock,
        };
        OpenLog::new(self.options, opened)
    }
}

/// The base offsets of the segment files in `dir`, ascending.
pub(crate) fn segment_bases(storage: &dyn Storage, dir: &Path) -> Result<Vec<u64>> {
    let mut bases: Vec<u64> = storage
        .list(dir)?
        .iter()
        .filter_map(|name| match FileName::parse(name) {
            Some(FileName::Segment(base)) => Some(base),
            _ => None,
        })
        .collect();
    bases.sort_unstable();
    Ok(bases)
}

/// The bases that segments may have which are part of a merged one, if the last merge has taken
/// place.
fn merged(directory: &Directory, meta: &Meta, bases: &[u64]) -> Result<Option<std::ops::Range<u64>>> {
    let Some((base, end)) = meta.merge.filter(|(base, _)| bases.contains(base)) else {
        return Ok(None);
    };
    match directory.open_segment(base, Open::Read) {
        Ok((_, header)) => Ok(header
            .rewrite
            .filter(|rewrite| rewrite.end >= end)
            .map(|rewrite| base.saturating_add(1)..rewrite.end)),
        // What is wrong with it will be said when it is opened.
        Err(Error::Corrupt { .. } | Error::Version { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// In a copy whose backup was interrupted, the last segment may have been replaced already by what
/// it was rewritten to: that is where the copy ends then.
pub(crate) fn settle_unfinished(directory: &Directory, meta: &mut Meta, bases: &[u64]) -> Result<()> {
    let Some(CleanEnd { last: Some(last) }) = meta.clean else {
        return Ok(());
    };
    let merged = merged(directory, meta, bases)?;
    let is_merged = |base: u64| merged.as_ref().is_some_and(|range| range.contains(&base));
    let Some(base) = bases
        .iter()
        .rfind(|base| **base <= last.base && !is_merged(**base))
    else {
        return Ok(());
    };
    let rewrite = match directory.open_segment(*base, Open::Read) {
        Ok((_, header)) => header.rewrite.filter(|rewrite| rewrite.end > last.base),
        // Opening it will say what is wrong with it.
        Err(Error::Corrupt { .. }) => None,
        Err(error) => return Err(error),
    };
    if let Some(rewrite) = rewrite {
        meta.clean = Some(CleanEnd {
            last: Some(rewrite.origin),
        });
        meta.next_offset = meta.next_offset.max(rewrite.end);
    }
    Ok(())
}

/// Divides the segment files into those that count, and those that do not and are to go: trimmed,
/// merged into another one, or left by a backup that was interrupted.
pub(crate) fn sort_out(directory: &Directory, meta: &Meta, bases: Vec<u64>) -> Result<(Vec<u64>, Vec<u64>)> {
    let merged = merged(directory, meta, &bases)?;
    let unfinished_from = match meta.clean {
        Some(end) if meta.unfinished => end.last.map_or(0, |last| last.base.saturating_add(1)),
        _ => u64::MAX,
    };
    let is_merged = |base: &u64| merged.as_ref().is_some_and(|range| range.contains(base));
    let (mut superseded, mut kept): (Vec<u64>, Vec<u64>) = bases
        .into_iter()
        .partition(|base| is_merged(base) || *base >= unfinished_from);
    // All in a segment are trimmed if the next one begins at or below the start offset.
    let trimmed = kept
        .partition_point(|base| *base <= meta.start_offset)
        .saturating_sub(1);
    superseded.extend(kept.drain(..trimmed));
    Ok((kept, superseded))
}

/// Whether segments that were not trimmed are missing at the front: the first one there is begins
/// behind the start offset and says that it followed another.
pub(crate) fn is_front_missing(directory: &Directory, bases: &[u64], start_offset: u64) -> Result<bool> {
    match bases.first() {
        Some(first) if start_offset < *first => match directory.open_segment(*first, Open::Read) {
            Ok((_, header)) => Ok(header.previous.is_some()),
            // Opening or checking that segment will say what is wrong with it.
            Err(Error::Corrupt { .. }) => Ok(false),
            Err(error) => Err(error),
        },
        _ => Ok(false),
    }
}

/// The directory and those it is in, as its name says.
pub(crate) fn with_above(dir: &Path) -> impl Iterator<Item = &Path> {
    let here = |above: &Path| above.as_os_str().is_empty();
    dir.ancestors()
        .map(move |above| if here(above) { Path::new(".") } else { above })
}

/// Makes the names that lead to `dir` durable: whoever created the directories may have been killed
/// before it could.
pub(crate) fn sync_above(storage: &dyn Storage, dir: &Path) -> Result<()> {
    for above in with_above(dir).skip(1) {
        match storage.sync_dir(above) {
            // Where we may not look, we have not created anything either.
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::PermissionDenied => {}
            other => other?,
        }
    }
    Ok(())
}

fn create_log(storage: &dyn Storage, dir: &Path, options: &Options) -> Result<()> {
    let meta = Meta {
        log_id: storage.random()?,
        sequence: 1,
        epoch: 0,
        start_offset: 0,
        next_offset: 0,
        key_index: options.key_index,
        time_index: options.time_index,
        visible_is_durable: options.durability == Durability::EachPublish,
        has_gaps: false,
        unfinished: false,
        is_copy: false,
        merge: None,
        clean: Some(CleanEnd { last: None }),
    };
    initialise(storage, dir, &meta)
}

/// Removes what an earlier life began and did not finish. Nothing in the log refers to it.
fn remove_leftovers(directory: &Directory) -> Result<()> {
    for name in directory.storage.list(&directory.path)? {
        let is_leftover = name == PREPARED_NAME
            || matches!(
                FileName::parse(&name),
                Some(
                    FileName::SegmentTemporary(_)
                        | FileName::IndexTemporary(_)
                        | FileName::KeysTemporary { .. }
                )
            );
        if is_leftover {
            directory.storage.remove(&directory.path.join(&name))?;
        }
    }
    Ok(())
}
