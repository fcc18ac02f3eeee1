//! Opening a log.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::append::Appender;
use super::beside::{Seen, Tails, until_it_fits};
use super::file_log::FileLog;
use super::found_log::FoundLog;
use super::open_log::OpenLog;
use super::prepare::{no_log, read_or_create, remove_superseded, runs_of, without_metadata};
use super::recovery::{Recovered, Recovery};
use super::segments::SegmentList;
use crate::Durability;
use crate::Options;
use crate::chain::{Chain, Closed, FoundProducers, Unclosed, Verdict, segment_bases};
use crate::control::{ControlState, Guard, Producers};
use crate::directory::{Copies, Directory, Home, MetaStore};
use crate::format::IndexKinds;
use crate::log::{Span, Timed};
use crate::segment::{Active, Extent, KeyRun, SegmentRef, runs_among};
use crate::sys::{Created, Dir, DirLock, Open, find_dir};
use crate::{Error, Event, LifeId, Result};

impl Options {
    /// Opens the log in `dir`, creating it in an empty directory.
    ///
    /// A log that was not closed is recovered: all messages that were durable are there, and later
    /// ones up to the first batch that is not whole.
    ///
    /// # Errors
    ///
    /// [`Error::NoLog`] if the directory is missing, or, for reading only, empty;
    /// [`Error::Locked`], at once or after the [`lock_timeout`](Options::lock_timeout), if another
    /// handle has the log open for writing, and this one is to write too; [`Error::Corrupt`] if
    /// bytes that were durable are damaged; [`Error::Version`] if a file has a format version that
    /// this library does not read; [`Error::Invalid`] for options out of range;
    /// [`Error::Unsupported`] where files cannot be locked; [`Error::Io`]. In all these cases
    /// the log is as it was; files that no longer belong to it may be gone.
    pub fn open(&self, dir: impl AsRef<Path>) -> Result<FileLog> {
        self.check_values()?;
        open_at(self, dir.as_ref())
    }

    /// Returns options for opening the log in `dir` that name the indexes it has. Opening it
    /// without naming them has the same effect; this fails where there is no log.
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
        let dir = self.dir_of_log(dir)?;
        self.with_indexes_in(&dir)
    }

    /// These options, with the indexes that the log in `dir` has.
    pub(crate) fn with_indexes_in(self, dir: &Dir) -> Result<Options> {
        let copies = Copies::read(dir)?;
        if copies.is_absent() && segment_bases(dir)?.is_empty() {
            return Err(no_log(dir.path()));
        }
        let meta = copies.newest(dir)?;
        Ok(self.key_index(meta.key_index).time_index(meta.time_index))
    }

    /// Opens the directory in which a log is to be.
    pub(crate) fn dir_of_log(&self, path: &Path) -> Result<Dir> {
        let dir = find_dir(&*self.file_system(), path)?.ok_or_else(|| no_log(path))?;
        Ok(dir.mapping_at_most(self.environment.mapped_files))
    }

    /// Opens the log in this directory.
    pub(crate) fn open_in(&self, dir: &Dir) -> Result<FileLog> {
        self.check_values()?;
        open(self, dir)
    }

    /// Opens the log that is in this directory. Creates none.
    pub(crate) fn open_existing_in(&self, dir: &Dir) -> Result<FileLog> {
        self.check_values()?;
        self.open_again(dir, None)
    }

    /// Opens the log in this directory once more, under the lock of an earlier handle if there is
    /// one. Creates no log.
    pub(super) fn open_again(&self, dir: &Dir, lock: Option<DirLock>) -> Result<FileLog> {
        let lock = lock.map_or_else(|| self.lock_for_writing(dir), |lock| Ok(Some(lock)))?;
        if Copies::read(dir)?.is_absent() && segment_bases(dir)?.is_empty() {
            return Err(no_log(dir.path()));
        }
        open_locked(self, dir, lock)
    }

    /// Fails for options out of range.
    pub(crate) fn check_values(&self) -> Result<()> {
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
}

/// Opens the log at `path`. Creates the directory if the options say so; if nothing comes to be in
/// it after all, it is removed again.
fn open_at(options: &Options, path: &Path) -> Result<FileLog> {
    if options.read_only || !options.create_dirs {
        return options.open_in(&options.dir_of_log(path)?);
    }
    let created = Created::open(&*options.file_system(), path, &|_| Ok(()))?;
    let dir = created.dir().clone();
    let log = open(options, &dir.mapping_at_most(options.environment.mapped_files))?;
    created.keep();
    Ok(log)
}

fn open(options: &Options, dir: &Dir) -> Result<FileLog> {
    open_locked(options, dir, options.lock_for_writing(dir)?)
}

fn open_locked(options: &Options, dir: &Dir, lock: Option<DirLock>) -> Result<FileLog> {
    let _span = Span::open(dir.path());
    let begun = Instant::now();
    let found = if options.read_only {
        find_beside(options, dir, None)?
    } else {
        find(options, dir, None)?
    };
    let log = OpenLog::new(options, found, lock, find_beside);
    log.upkeep.make_indexes();
    log.upkeep.begin_retention();
    let log = FileLog::new(log);
    log.log.note_indexes()?;
    log.trim_as_told()?;
    log.log.teller().tell_left();
    // What the policy removes may have been the first that is written.
    let health = log.log.health();
    health.check_not_poisoned()?;
    health.meter().took(Timed::Open, begun.elapsed());
    Ok(log)
}

/// Finds out where a log ends that somebody may be writing to.
fn find_beside(options: &Options, dir: &Dir, known: Option<&Arc<Directory>>) -> Result<FoundLog> {
    until_it_fits(dir, || find(options, dir, known))
}

/// Finds out where the log ends, and, for writing, makes it safe to go on. `known` is its directory
/// if a handle has that already.
fn find(options: &Options, dir: &Dir, known: Option<&Arc<Directory>>) -> Result<FoundLog> {
    let home = Home::of(dir)?;
    let (seen, bases, copies) = if options.read_only {
        let (seen, copies) = Seen::read(dir)?;
        let bases = seen.listing().bases();
        if copies.is_absent() {
            return Err(without_metadata(dir, &bases));
        }
        (Some(seen), bases, copies)
    } else {
        let bases = segment_bases(dir)?;
        let copies = read_or_create(dir, options, &bases, home)?;
        (None, bases, copies)
    };
    let meta = copies.newest(dir)?;
    let kinds = IndexKinds {
        key: options.key_index.unwrap_or(meta.key_index),
        time: options.time_index.unwrap_or(meta.time_index),
    };
    let directory = known.map_or_else(
        || {
            let found = Directory::new(dir.clone(), meta.log_id, kinds, !options.read_only);
            Arc::new(if options.read_only { found } else { found.metered() })
        },
        Arc::clone,
    );
    let mut chain = Chain::new(directory, copies, meta, bases)?;
    if !options.read_only {
        remove_superseded(&mut chain)?;
    }
    chain.check_front()?;
    let start_offset = chain.meta.start_offset;
    let runs = match &seen {
        _ if !kinds.key => Vec::new(),
        Some(seen) => runs_among(seen.listing().key_runs(), start_offset).0,
        None => runs_of(&chain.directory, start_offset)?,
    };
    let opening = Opening {
        options,
        chain,
        runs,
        home,
        common_until: u64::MAX,
        unsynced: Vec::new(),
        seen,
        told: None,
    };
    match opening.chain.verdict(options)? {
        Verdict::Closed(closed) => opening.closed(&closed),
        Verdict::Unclosed(found) => opening.recovered(found),
    }
}

/// What has been found so far while opening a log.
struct Opening<'a> {
    options: &'a Options,
    chain: Chain,
    runs: Vec<Arc<KeyRun>>,
    home: Home,
    /// The current life is known to have its messages up to here; see [`FoundLog`].
    common_until: u64,
    unsynced: Vec<(Arc<Active>, Extent)>,
    seen: Option<Seen>,
    /// What is to be told of a recovery.
    told: Option<Event>,
}

impl Opening<'_> {
    /// Opens a log that was closed. No segment is read.
    fn closed(self, closed: &Closed) -> Result<FoundLog> {
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
        let control = self.chain.control_when_closed(closed)?;
        let end = closed.next_offset;
        let found = self.chain.producers(&control, end, None, self.options)?;
        let appender = Appender {
            next_offset: closed.next_offset,
            previous: closed.last,
            is_marked_clean: true,
            guard: self.guard(control, found.producers, closed.next_offset),
            ..Appender::default()
        };
        let mut store = MetaStore::new(&directory.dir, meta.clone(), copies)
            .noting(self.options.environment.durable_metadata.clone());
        if !self.options.read_only {
            self.begin_as_copy(closed, &mut store)?;
            self.home.forgive(&directory.dir)?;
        }
        let segments = self.chain.closed_segments(closed);
        let known = (closed.next_offset, found.saved);
        Ok(self.found(segments, appender, store, known))
    }

    /// Takes a copy over as a log of its own: a backup, or a log whose directory was copied.
    fn begin_as_copy(&self, closed: &Closed, store: &mut MetaStore) -> Result<()> {
        let Chain { directory, meta, .. } = &self.chain;
        let is_copy = self.home.is_copy(meta);
        if !is_copy && !meta.unfinished {
            return Ok(());
        }
        if meta.unfinished {
            directory.remove_producers_behind(closed.next_offset)?;
        }
        let life = LifeId::from_bytes(directory.dir.random()?);
        store.write_both(|meta| {
            meta.unfinished = false;
            if is_copy {
                meta.next_offset = closed.next_offset;
                self.home.begin_life(meta, life, closed.next_offset);
            }
        })
    }

    /// Opens a log that was not closed.
    fn recovered(mut self, found: Unclosed) -> Result<FoundLog> {
        let directory = &self.chain.directory;
        let mut meta = MetaStore::new(&directory.dir, self.chain.meta.clone(), &self.chain.copies)
            .noting(self.options.environment.durable_metadata.clone());
        let control = self.chain.control_when_unclosed(&found)?;
        let end = found.next_offset_min.max(found.reached());
        let FoundProducers { producers, saved } =
            self.chain.producers(&control, end, Some(&found), self.options)?;
        let recovery = Recovery {
            meta: &mut meta,
            directory,
            options: self.options,
            home: self.home,
            control,
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
            has_gap,
            tails,
            cut_bytes,
        } = recovery.run(found)?;
        let control = self.control_shown(control, tails.as_ref(), next_offset);
        let mut appender = Appender {
            next_offset,
            previous,
            unsynced: unsynced.iter().map(|(segment, _)| Arc::clone(segment)).collect(),
            guard: self.guard(control, producers, next_offset),
            ..Appender::default()
        };
        if let Some((active, extent)) = active {
            let seal = extent.seal();
            appender.begin(&active, active.visible().count, seal.len, seal.last_checksum);
        }
        if self.options.read_only {
            self.note_shown(reached, tails);
            return Ok(self.found(segments, appender, meta, (synced, saved)));
        }
        if self.chain.meta.unfinished {
            directory.remove_producers_behind(next_offset)?;
        }
        // With a cut of durable messages, a life has begun already.
        let (home, was) = (self.home, &self.chain.meta);
        let begins = (!has_cut && (home.is_copy(was) || home.may_have_lost(was))).then_some(reached);
        // What had no space to be copied is shown all the same, and may be lost in a power cut.
        self.go_on(&mut meta, next_offset, has_gap, unsynced.is_empty(), begins)?;
        self.unsynced = unsynced;
        self.told = Some(Event::Recovered {
            cut_bytes,
            lost_durable: has_cut,
            new_life: has_cut || begins.is_some(),
            next_offset,
        });
        Ok(self.found(segments, appender, meta, (synced, saved)))
    }

    /// Has the metadata say that the log is written to, from `next_offset` on. If `begins` is an
    /// offset, another life begins there.
    fn go_on(
        &self,
        meta: &mut MetaStore,
        next_offset: u64,
        has_gap: bool,
        is_proven: bool,
        begins: Option<u64>,
    ) -> Result<()> {
        let (home, dir) = (self.home, &self.chain.directory.dir);
        let life = LifeId::from_bytes(dir.random()?);
        meta.write_both(|meta| {
            meta.next_offset = next_offset.max(meta.start_offset);
            meta.has_gaps |= has_gap;
            meta.clean = None;
            meta.unfinished = false;
            meta.visible_is_durable = self.options.durability == Durability::EachPublish && is_proven;
            home.note_boot(meta);
            if let Some(begin) = begins {
                home.begin_life(meta, life, begin.max(meta.start_offset));
            }
        })?;
        home.forgive(dir)
    }

    /// What has an effect of `control`, which the log has come to: for a reader, what is shown.
    fn control_shown(
        &self,
        control: ControlState,
        tails: Option<&(Tails, bool)>,
        next_offset: u64,
    ) -> ControlState {
        match tails {
            Some((tails, true)) => tails.control_in(&self.chain.meta, next_offset),
            _ => control,
        }
    }

    /// Notes what a reader sees of a log that was not closed.
    fn note_shown(&mut self, reached: u64, tails: Option<(Tails, bool)>) {
        if self.home.may_have_lost(&self.chain.meta) {
            self.common_until = reached.max(self.chain.meta.start_offset);
        }
        if let (Some(seen), Some((tails, only_durable))) = (&mut self.seen, tails) {
            seen.with_tails(tails, only_durable);
        }
    }

    fn guard(&self, control: ControlState, producers: Producers, next_offset: u64) -> Guard {
        Guard::new(self.options.admission, control, producers, next_offset)
    }

    fn found(
        self,
        segments: Vec<SegmentRef>,
        appender: Appender,
        metadata: MetaStore,
        (durable, producers_saved): (u64, u64),
    ) -> FoundLog {
        let mut start_offset = self.chain.meta.start_offset;
        if self.options.read_only {
            // A writer trims as soon as the log is open.
            start_offset = start_offset.max(appender.guard.state.trim_to.min(appender.next_offset));
        }
        let list = SegmentList {
            start_offset,
            segments,
            next_offset_min: appender.next_offset,
            last_time: appender.guard.state.last_time,
            key_runs: self.runs,
            ..SegmentList::default()
        };
        FoundLog {
            directory: self.chain.directory,
            list,
            appender,
            metadata,
            durable,
            producers_saved,
            home: self.home,
            common_until: self.common_until,
            unsynced: self.unsynced,
            seen: self.seen,
            recovered: self.told,
        }
    }
}
