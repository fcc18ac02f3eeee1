use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::Checker;
use super::repair::{Damage, Repair};
use crate::directory::Directory;
use crate::directory::{Copies, MetaStore};
use crate::engine::{segment_bases, settle_unfinished, sort_out};
use crate::format::{IndexKinds, Meta};
use crate::segment::damaged_runs;
use crate::sys::Open;
use crate::{Corruption, Error, Log, Options, Result};

/// How [`recover_with`] goes about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct RecoverOptions {
    pub(super) dry_run: bool,
    pub(super) salvage: bool,
}

impl RecoverOptions {
    /// Cut the log in front of the first message that is lost.
    pub fn new() -> RecoverOptions {
        RecoverOptions::default()
    }

    /// Only say what would be done, and change nothing. Default: false.
    pub fn dry_run(mut self, dry_run: bool) -> RecoverOptions {
        self.dry_run = dry_run;
        self
    }

    /// Keep the good messages behind damage as well, which leaves gaps. Default: false.
    pub fn salvage(mut self, salvage: bool) -> RecoverOptions {
        self.salvage = salvage;
        self
    }
}

/// What [`recover`] did, or would.
///
/// A dry run does not tell which files will be in the quarantine, and of indexes only the damaged ones. Nor does it
/// foretell what opening settles in a log that was not closed: that segments behind a torn tail go with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoverReport {
    /// What was cut off, in the order of the log: first of all, exactly what is damaged.
    pub dropped: Vec<Dropped>,
    /// The files in which what was cut off is kept.
    pub quarantined: Vec<PathBuf>,
    /// Segments that the log has now.
    pub segments: u64,
    /// Messages that the log has now.
    pub messages: u64,
    /// The offset that the next message gets: above all that were ever given out. Where nobody knows which was the
    /// last, because the metadata is lost or messages of a log that was not closed, that is as much above
    /// the base of the last segment as a segment can hold, some 214 million.
    pub next_offset: u64,
    /// The log's epoch; it went up if messages were lost.
    pub epoch: u64,
    /// Index files that were damaged or missing and were built anew.
    pub indexes_rebuilt: u64,
    /// Whether no copy of the metadata could be read, so that it was made anew from what the segments say.
    pub metadata_rebuilt: bool,
    /// Whether anything was wrong, and with it anything changed.
    pub changed: bool,
}

/// A stretch of a segment that is no longer in the log. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The segment's file.
    pub path: PathBuf,
    /// Where in it, in bytes.
    pub position: u64,
    /// Bytes.
    pub len: u64,
    /// The offset of the first message in it, where known.
    pub first_offset: Option<u64>,
    /// The offset behind the last message in it, where known; the same as the first if there was no message in it.
    pub end_offset: Option<u64>,
    /// What is wrong with it.
    pub kind: Corruption,
}

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: position {}, {} bytes",
            self.path.display(),
            self.position,
            self.len
        )?;
        match (self.first_offset, self.end_offset) {
            (Some(first), Some(end)) if first == end => write!(f, ", no message")?,
            (Some(first), Some(end)) if first + 1 == end => write!(f, ", offset {first}")?,
            (Some(first), Some(end)) => write!(f, ", offsets {first} to {}", end - 1)?,
            (Some(first), None) => write!(f, ", offsets from {first}")?,
            (None, _) => {}
        }
        write!(f, ": {}", self.kind)
    }
}

/// Makes a damaged log usable: keeps every message in front of the first one that cannot be read, and says what went.
///
/// As [`recover_with`] with the default [`RecoverOptions`].
///
/// # Errors
///
/// As [`recover_with`].
pub fn recover(dir: impl AsRef<Path>, options: &Options) -> Result<RecoverReport> {
    recover_with(dir, options, &RecoverOptions::new())
}

/// Makes a damaged log usable: keeps every message in front of the first one that cannot be read, or with
/// [`salvage`](RecoverOptions::salvage) every message that can be read.
///
/// What is cut off is kept in the subfolder `quarantine`. Damaged indexes are built anew. Offsets of messages that
/// were lost are not given out again, and the epoch goes up. On a log that is in order nothing is changed; a torn tail
/// is cut as opening does. Indexes are those of `options`, and where the log's metadata is readable, those it has.
///
/// # Durability
///
/// All is on stable storage when this returns. After a crash meanwhile, recover again.
///
/// # Errors
///
/// [`Error::NoLog`]; [`Error::Locked`]; [`Error::Version`], of a file of another version of this library, which stays
/// as it is; [`Error::Io`].
pub fn recover_with(dir: impl AsRef<Path>, options: &Options, how: &RecoverOptions) -> Result<RecoverReport> {
    let dir = dir.as_ref();
    let storage = options.file_system();
    if !storage.is_dir(dir)? {
        return Err(Error::NoLog {
            path: dir.to_path_buf(),
        });
    }
    let lock = storage.lock(dir, !how.dry_run)?;
    let (mut repair, damage) = examine(dir, options, *how)?;
    let mut report = repair.plan(&damage)?;
    let is_closed = repair.meta.current().clean.is_some() && repair.do_copies_agree;
    let is_in_order = !report.changed && is_closed;
    if how.dry_run || is_in_order {
        return Ok(report);
    }
    if report.changed {
        report.quarantined = repair.carry_out(&report)?;
    }
    let meta = *repair.meta.current();
    drop(repair);
    drop(lock);
    finish(dir, options, &meta, &mut report)?;
    Ok(report)
}

/// Looks at everything, and finds out what is wrong.
fn examine(dir: &Path, options: &Options, how: RecoverOptions) -> Result<(Repair, Vec<Damage>)> {
    let storage = options.file_system();
    let copies = Copies::read(&*storage, dir)?;
    let bases = segment_bases(&*storage, dir)?;
    if copies.is_absent() && bases.is_empty() {
        return Err(Error::NoLog {
            path: dir.to_path_buf(),
        });
    }
    let directory = |log_id, kinds| Directory::new(Arc::clone(&storage), dir, log_id, kinds, !how.dry_run);
    let (mut meta, has_meta) = match copies.newest(dir) {
        Ok(meta) => (meta, true),
        Err(Error::Corrupt { .. }) => {
            let kinds = IndexKinds {
                key: options.key_index,
                time: options.time_index,
            };
            (from_segments(&directory([0; 16], kinds), &bases)?, false)
        }
        Err(error) => return Err(error),
    };
    let kinds = IndexKinds {
        key: meta.key_index,
        time: meta.time_index,
    };
    let directory = Arc::new(directory(meta.log_id, kinds));
    if meta.unfinished {
        settle_unfinished(&directory, &mut meta, &bases)?;
    }
    let (bases, superseded) = sort_out(&directory, &meta, bases)?;
    if !copies.agree() && has_gone_on(&directory, &meta, &bases)? {
        meta.clean = None;
    }
    let store = MetaStore::new(dir, meta, &copies);
    let do_copies_agree = copies.agree();
    let last_known = copies.durable_end().map(|(base, _)| base);
    let are_copies_good = copies.damaged().next().is_none();
    let checker = Checker {
        directory: Arc::clone(&directory),
        meta,
        copies,
        bases,
    };
    let reports = checker.segments()?;
    let repair = Repair {
        directory,
        meta: store,
        how,
        is_meta_good: has_meta && are_copies_good,
        is_meta_lost: !has_meta,
        do_copies_agree,
        last_known,
        is_end_wrong: false,
        lost_from: None,
        is_front_lost: false,
        segments: Vec::new(),
        superseded,
        runs_damaged: damaged_runs(&checker.directory)?,
    };
    let damage = checker.bases.iter().zip(reports);
    let damage = damage.map(|(base, report)| Damage::of(*base, &report)).collect();
    Ok((repair, damage))
}

/// Whether the log was opened again after it was closed as `meta` says. The copy that says so may be the damaged one.
fn has_gone_on(directory: &Directory, meta: &Meta, bases: &[u64]) -> Result<bool> {
    let (Some(end), Some(base)) = (meta.clean, bases.last()) else {
        return Ok(false);
    };
    let Some(last) = end.last else { return Ok(true) };
    let Some(header) = directory.header(*base)? else {
        return Ok(*base > last.base);
    };
    let (file, _) = directory.open_segment(*base, Open::Read)?;
    let is_longer = header.rewrite.is_none() && file.len()? > u64::from(last.len);
    Ok(header.last_base() > last.base || (*base == last.base && is_longer))
}

/// What the metadata said, as far as the segments tell.
fn from_segments(directory: &Directory, bases: &[u64]) -> Result<Meta> {
    let headers = bases.iter().map(|base| directory.header_of_any_log(*base));
    let headers: Vec<_> = headers.collect::<Result<_>>()?;
    let known = headers.iter().flatten();
    let Some(newest) = known.clone().next_back() else {
        return Err(Error::Corrupt {
            path: directory.path.join(crate::format::META_NAMES[0]),
            position: 0,
            offset: None,
            kind: Corruption::Meta,
        });
    };
    Ok(Meta {
        log_id: newest.log_id,
        sequence: 1,
        epoch: known.map(|header| header.epoch).max().unwrap_or(0),
        start_offset: bases.first().copied().unwrap_or(0),
        next_offset: 0,
        key_index: directory.kinds.key,
        time_index: directory.kinds.time,
        visible_is_durable: false,
        has_gaps: true,
        unfinished: false,
        merge: None,
        is_copy: false,
        clean: None,
    })
}

/// Opens and closes the log, which recovers the rest: a torn tail, indexes, the clean end.
fn finish(dir: &Path, options: &Options, meta: &Meta, report: &mut RecoverReport) -> Result<()> {
    let options = options
        .clone()
        .create_dirs(false)
        .read_only(false)
        .recover(true)
        .key_index(meta.key_index)
        .time_index(meta.time_index);
    let log = options.open(dir)?;
    // A log in order may have segments without an index file, which are made when they are needed.
    report.indexes_rebuilt += log.rebuild_indexes(report.changed)?;
    report.changed |= report.indexes_rebuilt > 0;
    let stats = log.stat()?;
    report.segments = stats.segments;
    report.messages = stats.messages;
    report.next_offset = stats.next_offset;
    report.epoch = stats.epoch;
    log.close()
}
