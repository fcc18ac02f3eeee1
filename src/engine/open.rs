//! Opening a log.

use std::path::Path;
use std::sync::Arc;

use super::append::Appender;
use super::file_log::FileLog;
use super::open_log::{FoundLog, OpenLog};
use super::recovery::{Recovered, Recovery};
use super::segments::SegmentList;
use crate::Durability;
use crate::Options;
use crate::chain::{Chain, Closed, Unclosed, Verdict, segment_bases};
use crate::directory::{Copies, Directory, MetaStore, Place, corrupt, initialise};
use crate::format::IndexKinds;
use crate::format::{CleanEnd, FileName, Life, Lives, Meta, PREPARED_NAME};
use crate::segment::{KeyRun, SegmentRef, runs_among};
use crate::sys::{DirLock, Open, Os, Storage};
use crate::{Corruption, Error, LifeId, Result};

impl Options {
    /// Opens the log in `dir`, creating it in an empty directory.
    ///
    /// A log that was not closed is recovered: all messages that were durable are there, and later
    /// ones up to the first batch that is not whole.
    ///
    /// # Errors
    ///
    /// [`Error::NoLog`] if the directory is missing, or, for reading only, empty;
    /// [`Error::Locked`], at once, if another handle has the log open; [`Error::Corrupt`] if bytes
    /// that were durable are damaged; [`Error::Version`] if a file has a format version that this
    /// library does not read; [`Error::Invalid`] for options out of range; [`Error::Unsupported`]
    /// on a file system that is refused; [`Error::Io`]. In all these cases the log is as it was;
    /// files that no longer belong to it may be gone.
    pub fn open(&self, dir: impl AsRef<Path>) -> Result<FileLog> {
        self.validate()?;
        open(self, dir.as_ref())
    }

    /// Returns options for opening the log in `dir` with the indexes that it has.
    ///
    /// # Errors
    ///
    /// [`Error::NoLog`] if there is no log; [`Error::Corrupt`] or [`Error::Version`] if the log's
    /// metadata is not readable; [`Error::Io`].
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
    let place = Place::of(&*storage, dir)?;
    let bases = segment_bases(&*storage, dir)?;
    let copies = read_or_create(&*storage, dir, options, &bases, place)?;
    let meta = copies.newest(dir)?;
    let kinds = IndexKinds {
        key: options.key_index,
        time: options.time_index,
    };
    let directory = Directory::new(storage, dir, meta.log_id, kinds, !options.read_only);
    let mut chain = Chain::new(Arc::new(directory), copies, meta, bases)?;
    if !options.read_only {
        remove_superseded(&mut chain, dir)?;
    }
    if chain.is_front_missing()? {
        let first = FileName::Segment(chain.meta.start_offset);
        let first = chain.directory.path_of(&first);
        return Err(corrupt(&first, 0, None, Corruption::Missing));
    }
    let runs = if options.key_index {
        runs_of(&chain.directory, chain.meta.start_offset)?
    } else {
        Vec::new()
    };
    let opening = Opening {
        options,
        chain,
        runs,
        place,
        common_until: u64::MAX,
    };
    let log = match opening.chain.verdict(options)? {
        Verdict::Closed(closed) => opening.closed(&closed, lock)?,
        Verdict::Unclosed(found) => opening.recovered(found, lock)?,
    };
    log.upkeep.make_key_runs();
    Ok(FileLog::new(log))
}

/// Removes the files that do not belong to the log any more.
fn remove_superseded(chain: &mut Chain, dir: &Path) -> Result<()> {
    let directory = &chain.directory;
    let storage = &*directory.storage;
    let is_any = !chain.superseded.is_empty();
    if chain.meta.clean.is_none() || !chain.copies.agree() || is_any {
        // A process that renamed a segment may have been killed before the new name was durable.
        // From here on the names in the directory are acted on, and later calls take them for
        // durable.
        storage.sync_dir(dir)?;
    }
    if is_any && !chain.copies.agree() {
        // The metadata decides which segments are removed now, and may not be durable either.
        let newest = chain.copies.newest(dir)?;
        MetaStore::new(dir, newest, &chain.copies).write(storage, |_| {})?;
        chain.copies = Copies::read(storage, dir)?;
        chain.meta.sequence += 1;
    }
    remove_leftovers(directory)?;
    directory.remove_segments(chain.superseded.iter().copied())
}

/// Creates the directory if the options say so, and checks that it can be used.
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

/// Reads the two copies of the metadata; in an empty directory they are written first.
fn read_or_create(
    storage: &dyn Storage,
    dir: &Path,
    options: &Options,
    bases: &[u64],
    place: Place,
) -> Result<Copies> {
    let copies = Copies::read(storage, dir)?;
    if !copies.is_absent() {
        return Ok(copies);
    }
    if !bases.is_empty() {
        // A directory with segments but without metadata is not an empty log.
        let path = dir.join(crate::format::META_NAMES[0]);
        return Err(corrupt(&path, 0, None, Corruption::Meta));
    }
    if options.read_only {
        return Err(Error::NoLog {
            path: dir.to_path_buf(),
        });
    }
    sync_above(storage, dir)?;
    create_log(storage, dir, options, place)?;
    let mut copies = Copies::read(storage, dir)?;
    copies.are_ours = true;
    Ok(copies)
}

/// The key runs of the log. The files of those that others cover, or that were trimmed, are
/// removed.
fn runs_of(directory: &Directory, start_offset: u64) -> Result<Vec<Arc<KeyRun>>> {
    let (runs, rest) = runs_among(&directory.storage.list(&directory.path)?, start_offset);
    if directory.health.may_write_files() {
        for name in rest {
            directory.storage.remove(&directory.path_of(&name))?;
        }
    }
    Ok(runs)
}

/// What has been found so far while opening a log.
struct Opening<'a> {
    options: &'a Options,
    chain: Chain,
    runs: Vec<Arc<KeyRun>>,
    place: Place,
    /// The current life is known to have its messages up to here; see [`FoundLog`].
    common_until: u64,
}

impl Opening<'_> {
    /// Opens a log that was closed. No segment is read.
    fn closed(self, closed: &Closed, lock: DirLock) -> Result<OpenLog> {
        let Chain {
            directory,
            meta,
            copies,
            ..
        } = &self.chain;
        if let Some((base, len)) = closed.excess
            && !self.options.read_only
        {
            let (file, _) = directory.open_segment(base, Open::Write)?;
            file.set_len(len)?;
            file.sync()?;
        }
        let appender = Appender {
            next_offset: closed.next_offset,
            previous: closed.last,
            is_marked_clean: true,
            ..Appender::default()
        };
        let mut store = MetaStore::new(&directory.path, meta.clone(), copies);
        if !self.options.read_only {
            self.begin_as_copy(closed, &mut store)?;
            self.place.forgive(&*directory.storage, &directory.path)?;
        }
        let segments = self.chain.closed_segments(closed);
        Ok(self.open_log(lock, segments, appender, store, closed.next_offset))
    }

    /// Takes a copy over as a log of its own: a backup, or a log whose directory was copied.
    fn begin_as_copy(&self, closed: &Closed, store: &mut MetaStore) -> Result<()> {
        let Chain { directory, meta, .. } = &self.chain;
        let is_copy = self.place.is_copy(meta);
        if !is_copy && !meta.unfinished {
            return Ok(());
        }
        let life = LifeId::from_bytes(directory.storage.random()?);
        store.write_both(&*directory.storage, |meta| {
            meta.unfinished = false;
            if is_copy {
                meta.next_offset = closed.next_offset;
                self.place.begin_life(meta, life, closed.next_offset);
            }
        })
    }

    /// Opens a log that was not closed.
    fn recovered(mut self, found: Unclosed, lock: DirLock) -> Result<OpenLog> {
        let directory = &self.chain.directory;
        let mut meta = MetaStore::new(&directory.path, self.chain.meta.clone(), &self.chain.copies);
        let recovery = Recovery {
            meta: &mut meta,
            directory,
            options: self.options,
            place: self.place,
        };
        let Recovered {
            segments,
            active,
            previous,
            unsynced,
            next_offset,
            synced,
            has_cut,
            reached,
        } = recovery.run(found)?;
        let mut appender = Appender {
            next_offset,
            previous,
            unsynced: unsynced.iter().map(|(segment, _)| Arc::clone(segment)).collect(),
            ..Appender::default()
        };
        if let Some((active, extent)) = active {
            let seal = extent.seal();
            appender.begin(&active, active.visible().count, seal.len, seal.last_checksum);
        }
        if self.options.read_only {
            if self.place.may_have_lost(&self.chain.meta) {
                self.common_until = reached.max(self.chain.meta.start_offset);
            }
            return Ok(self.open_log(lock, segments, appender, meta, synced));
        }
        // With a cut of durable messages, a life has begun already.
        let (place, storage) = (self.place, &*directory.storage);
        let begins = !has_cut && (place.is_copy(&self.chain.meta) || place.may_have_lost(&self.chain.meta));
        let life = LifeId::from_bytes(storage.random()?);
        meta.write_both(storage, |meta| {
            meta.next_offset = next_offset.max(meta.start_offset);
            meta.has_gaps |= next_offset != reached;
            meta.clean = None;
            meta.unfinished = false;
            meta.visible_is_durable = self.options.durability == Durability::EachPublish;
            place.note_boot(meta);
            if begins {
                place.begin_life(meta, life, reached.max(meta.start_offset));
            }
        })?;
        place.forgive(storage, &directory.path)?;
        let log = self.open_log(lock, segments, appender, meta, synced);
        for (segment, extent) in unsynced {
            log.upkeep.ask_to_seal(&segment, extent.seal());
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
            start_offset: self.chain.meta.start_offset,
            segments,
            next_offset_min: appender.next_offset,
            key_runs: self.runs,
            ..SegmentList::default()
        };
        let opened = FoundLog {
            directory: self.chain.directory,
            list,
            appender,
            metadata,
            durable,
            lock,
            place: self.place,
            common_until: self.common_until,
        };
        OpenLog::new(self.options, opened)
    }
}

/// The directory and, going by its path, those that it is in.
pub(crate) fn with_above(dir: &Path) -> impl Iterator<Item = &Path> {
    let here = |above: &Path| above.as_os_str().is_empty();
    dir.ancestors()
        .map(move |above| if here(above) { Path::new(".") } else { above })
}

/// Makes the names that lead to `dir` durable: a process that created the directories may have been
/// killed before it synced them.
pub(crate) fn sync_above(storage: &dyn Storage, dir: &Path) -> Result<()> {
    for above in with_above(dir).skip(1) {
        match storage.sync_dir(above) {
            // No directory was created in one that may not even be opened.
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::PermissionDenied => {}
            other => other?,
        }
    }
    Ok(())
}

fn create_log(storage: &dyn Storage, dir: &Path, options: &Options, place: Place) -> Result<()> {
    let life = Life {
        id: LifeId::from_bytes(storage.random()?),
        begin: 0,
    };
    let meta = Meta {
        log_id: storage.random()?,
        sequence: 1,
        start_offset: 0,
        next_offset: 0,
        key_index: options.key_index,
        time_index: options.time_index,
        visible_is_durable: options.durability == Durability::EachPublish,
        has_gaps: false,
        unfinished: false,
        merge: None,
        boot: place.boot,
        lock: place.lock,
        lives: Lives::new(life, 0),
        clean: Some(CleanEnd { last: None }),
    };
    initialise(storage, dir, &meta)
}

/// Removes files that an earlier life began and did not finish. Nothing in the log refers to them.
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
