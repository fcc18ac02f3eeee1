use std::path::Path;
use std::sync::Arc;

use super::check::{Problem, check_in, check_segments};
use super::findings::{Damage, Findings};
use super::plan::plan;
use super::repair::carry_out;
use super::report::{RecoverOptions, RecoverReport};
use crate::chain::{Chain, segment_bases};
use crate::directory::{Copies, Directory, Home, corrupt};
use crate::format::{IndexKinds, Life, Lives, Meta};
use crate::segment::damaged_runs;
use crate::sys::{Dir, FileId, UNKNOWN_BOOT};
use crate::{Corruption, Error, LifeId, Log, MappedFiles, Options, Result, Retention};

/// Makes a damaged log usable: keeps every message in front of the first one that cannot be read,
/// and reports what was cut off.
///
/// This is [`recover_with`] with the default [`RecoverOptions`].
///
/// # Errors
///
/// Those of [`recover_with`].
pub fn recover(dir: impl AsRef<Path>, options: &Options) -> Result<RecoverReport> {
    recover_with(dir, options, &RecoverOptions::new())
}

/// Makes a damaged log usable: keeps every message in front of the first one that cannot be read,
/// or with [`salvage`](RecoverOptions::salvage) every message that can be read.
///
/// The bytes that are cut off are kept in the subfolder `quarantine`. Damaged indexes are built
/// anew. The offsets of lost messages are not given out again, and a life begins at the first of
/// them (see [`Log::position`]). A log that is
/// in order is not changed; a torn tail is cut as by opening the log. The indexes are those that
/// the log has. If no copy of the metadata is readable, they are those that `options` name, and of
/// the others those in the newest index file.
///
/// # Durability
///
/// All changes are on stable storage when this returns. After a crash in between, recover again.
///
/// On a file system on which not all files are mapped (see
/// [`Options::mapped_files`](Options::mapped_files)), everything is read back and verified in the
/// end.
///
/// # Errors
///
/// [`Error::NoLog`] if the directory is missing or holds no log; [`Error::Locked`], at once or
/// after the [`lock_timeout`](Options::lock_timeout), if another handle has it open for writing;
/// [`Error::Version`] if a file, which stays as it is, has a format version that this library does
/// not read; [`Error::Corrupt`] if neither a copy of the metadata nor the header of any segment is
/// readable, or if what is read back is not what was written; [`Error::Io`]; and those of
/// [`Options::open`], which completes the recovery.
pub fn recover_with(dir: impl AsRef<Path>, options: &Options, how: &RecoverOptions) -> Result<RecoverReport> {
    recover_in(&options.dir_of_log(dir.as_ref())?, options, *how)
}

/// Recovers the log in this directory.
pub(crate) fn recover_in(dir: &Dir, options: &Options, how: RecoverOptions) -> Result<RecoverReport> {
    let lock = options.lock(dir, !how.dry_run)?;
    let findings = examine(dir, options, how)?;
    let plan = plan(&findings)?;
    let mut report = plan.report.clone();
    let meta = findings.chain.meta.clone();
    let is_in_order = !report.changed && meta.clean.is_some() && findings.chain.copies.agree();
    if how.dry_run || is_in_order {
        return Ok(report);
    }
    if report.changed {
        report.quarantined = carry_out(&findings, &plan)?;
    }
    drop(findings);
    drop(lock);
    finish(dir, options, &meta, &mut report)?;
    if dir.mapped_files() != MappedFiles::All {
        read_back(dir)?;
    }
    Ok(report)
}

/// Fails if what is there after a recovery is not in order.
fn read_back(dir: &Dir) -> Result<()> {
    let found = check_in(dir)?;
    found.problems.into_iter().next().map_or(Ok(()), |problem| {
        let Problem {
            path,
            position,
            offset,
            kind,
        } = problem;
        Err(corrupt(&path, position, offset, kind))
    })
}

/// Checks the whole log, and returns what is wrong with it.
fn examine(dir: &Dir, options: &Options, how: RecoverOptions) -> Result<Findings> {
    let home = Home::of(dir)?;
    let copies = Copies::read(dir)?;
    let bases = segment_bases(dir)?;
    if copies.is_absent() && bases.is_empty() {
        return Err(Error::NoLog {
            path: dir.path().to_path_buf(),
        });
    }
    let directory = |log_id, kinds| Directory::new(dir.clone(), log_id, kinds, !how.dry_run);
    let (meta, has_meta) = match copies.newest(dir) {
        Ok(meta) => (meta, true),
        Err(Error::Corrupt { .. }) => {
            let any = directory([0; 16], IndexKinds::default());
            (from_segments(&any, options, &bases)?, false)
        }
        Err(error) => return Err(error),
    };
    let directory = Arc::new(directory(meta.log_id, meta.index_kinds()));
    let mut chain = Chain::new(directory, copies, meta, bases)?;
    if !chain.copies.agree() && !chain.meta.unfinished && chain.has_gone_on()? {
        chain.meta.clean = None;
    }
    let reports = check_segments(&chain, None)?;
    let damage = chain.bases.iter().zip(reports);
    let damage = damage.map(|(base, report)| Damage::of(*base, &report)).collect();
    Ok(Findings {
        how,
        is_meta_good: has_meta && chain.copies.damaged().next().is_none(),
        is_meta_lost: !has_meta,
        is_front_missing: chain.is_front_missing()?,
        missing_last: chain.missing_last()?,
        runs_damaged: damaged_runs(&chain.directory)?,
        are_producers_damaged: match chain.directory.load_producers(u64::MAX) {
            Err(Error::Corrupt { .. }) => true,
            other => other.map(|_| false)?,
        },
        damage,
        chain,
        home,
    })
}

/// Makes the metadata anew, as far as the segments tell what it said.
fn from_segments(directory: &Directory, options: &Options, bases: &[u64]) -> Result<Meta> {
    let headers = bases.iter().map(|base| directory.header_of_any_log(*base));
    let headers: Vec<_> = headers.collect::<Result<_>>()?;
    let known = headers.iter().flatten();
    let Some(newest) = known.clone().next_back() else {
        return Err(Error::Corrupt {
            path: directory.dir.path_of(crate::format::META_NAMES[0]),
            position: 0,
            offset: None,
            kind: Corruption::Meta,
        });
    };
    let found = directory.newest_index_kinds(bases)?;
    let start_offset = bases.first().copied().unwrap_or(0);
    // Nobody has a position in this life: another one begins at once.
    let life = Life {
        id: LifeId::from_bytes(directory.dir.random()?),
        begin: start_offset,
    };
    let epoch = known.map(|header| header.epoch).max().unwrap_or(0);
    Ok(Meta {
        log_id: newest.log_id,
        sequence: 1,
        start_offset,
        next_offset: start_offset,
        key_index: options.key_index.unwrap_or(found.key),
        time_index: options.time_index.unwrap_or(found.time),
        visible_is_durable: false,
        has_gaps: true,
        unfinished: false,
        incomplete: false,
        merge: None,
        boot: UNKNOWN_BOOT,
        lock: FileId::default(),
        lives: Lives::new(life, epoch),
        clean: None,
        control: (newest.base, newest.control),
    })
}

/// Opens and closes the log, which repairs the rest: a torn tail, the indexes and the clean end.
fn finish(dir: &Dir, options: &Options, meta: &Meta, report: &mut RecoverReport) -> Result<()> {
    let options = options
        .clone()
        .create_dirs(false)
        .read_only(false)
        .recover(true)
        // What can still be read is kept, whatever the policy says.
        .retention(Retention::new())
        .key_index(meta.key_index)
        .time_index(meta.time_index);
    let log = options.open_in(dir)?;
    // A log in order may lack index files, which are made when they are needed.
    report.indexes_rebuilt += log.rebuild_indexes(report.changed)?;
    report.changed |= report.indexes_rebuilt > 0;
    let stats = log.stat()?;
    report.segments = stats.segments;
    report.messages = stats.messages;
    report.next_offset = stats.next_offset;
    report.epoch = stats.epoch;
    log.close()
}
