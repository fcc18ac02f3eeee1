use std::path::Path;

use super::catalog::{options_of_catalog, options_of_intents, options_of_queue};
use super::layout::{CATALOG, Layout};
use super::options::StoreOptions;
use super::report::StoreRecoverReport;
use super::survey::Survey;
use crate::directory::corrupt;
use crate::maintenance::recover_in;
use crate::sys::Dir;
use crate::{Corruption, Durability, Error, Options, RecoverOptions, RecoverReport, Result};

/// Makes a damaged store usable: recovers its catalog, what
/// [`publish_to`](super::Store::publish_to) has left to do, the states of work queues, and each
/// partition that was used, as [`recover_with`](crate::recover_with) does a log.
///
/// Of the catalog, every message is kept that can be read, whatever `how` says: each of them is all
/// that is known of a stream then. If the newest one is lost, the stream is as the one before has
/// it. A stream of which none is left is unknown: its directory stays where it is, and is moved to
/// the subfolder `quarantine` when the store is opened for writing.
///
/// A partition that cannot be recovered is reported, and the others go on. One whose directory is
/// missing or empty is reported, too; nothing is made in its place. What is cut off of a log is in
/// the subfolder `quarantine` of its directory. If a `publish_to` was under way and what it has
/// left to do cannot be understood, the log of intents is moved to the `quarantine` of the store.
/// Then some of its parts may be there without the others.
///
/// Of the `options`, the configuration of a stream has those that matter for its partitions.
///
/// # Durability
///
/// All changes are on stable storage when this returns. After a crash in between, recover again.
///
/// # Errors
///
/// [`Error::NoLog`] if the directory is missing or holds no store; [`Error::Locked`] if another
/// handle has it open for writing; [`Error::Unfinished`] if it holds a backup or a restore that was
/// interrupted; [`Error::Corrupt`] if the catalog is missing beside streams, which only a copy of
/// it can help; those of [`recover_with`](crate::recover_with) for the catalog and for the log of
/// intents.
pub fn recover(
    dir: impl AsRef<Path>,
    options: &StoreOptions,
    how: &RecoverOptions,
) -> Result<StoreRecoverReport> {
    let root = &options.log.dir_of_log(dir.as_ref())?;
    let (catalog, path) = (root.enter(CATALOG)?, root.path_of(CATALOG));
    let no_log = || Error::NoLog { path: path.clone() };
    let recovered = catalog.as_ref().ok_or_else(no_log).and_then(|catalog| {
        let options = options_of_catalog(&options.log);
        Ok((catalog, recover_in(catalog, &options, how.salvage(true))?))
    });
    let (catalog, recovered) = match recovered {
        Err(Error::NoLog { .. }) if Layout::has_streams(root)? => {
            return Err(corrupt(&path, 0, None, Corruption::Directory));
        }
        recovered => recovered?,
    };
    // No writer until all is done.
    let _lock = options.log.lock(catalog, !how.dry_run)?;
    let mut survey = Survey::of(root, &options.log)?;
    let intents = recover_intents(root, &mut survey, &options.log, *how)?;
    let partitions = survey.each(|dir, record| {
        let log = options.log.clone();
        let options = record.map_or(log.clone(), |record| record.config.apply_to(log));
        recover_in(dir, &options, *how)
    })?;
    survey.each_queue(|dir| {
        let options = options_of_queue(&options.log, Durability::Os);
        recover_in(dir, &options, *how).map(|_| true)
    })?;
    Ok(StoreRecoverReport {
        catalog: recovered,
        intents,
        partitions,
        problems: survey.into_problems()?,
    })
}

fn recover_intents(
    root: &Dir,
    survey: &mut Survey<'_>,
    options: &Options,
    how: RecoverOptions,
) -> Result<Option<RecoverReport>> {
    let Some(dir) = survey.intents()? else {
        return Ok(None);
    };
    let report = match recover_in(&dir, &options_of_intents(options), how.salvage(false)) {
        Err(Error::NoLog { .. }) => return Ok(None),
        report => report?,
    };
    let is_unknown = survey.read_intents(&dir)?;
    if is_unknown && !how.dry_run {
        Layout::set_intents_aside(root)?;
    }
    Ok(Some(report))
}
