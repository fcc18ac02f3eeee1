use std::path::Path;

use super::layout::{CATALOG, Layout};
use super::options::StoreOptions;
use super::report::StoreCheckReport;
use super::survey::Survey;
use crate::maintenance::check_in;
use crate::{CheckReport, Error, Result};

/// Checks the store in `dir`: its catalog, what [`publish_to`](super::Store::publish_to) has left
/// to do, each partition that was used, and the state of each work queue, as
/// [`check`](crate::check()) does a log. Reports every problem, and changes nothing.
///
/// Damage of one log does not keep the others from being checked. If the catalog is missing or
/// cannot be read, all partitions are checked that are found.
///
/// Somebody may have the store open, and write to it: the check takes no lock. Streams that are
/// deleted meanwhile are left out.
///
/// Only those of the `options` matter that say where and how files are read.
///
/// # Errors
///
/// [`Error::NoLog`] if the directory is missing or holds no store; [`Error::Unfinished`] if it
/// holds a backup or a restore that was interrupted; [`Error::Version`] and [`Error::Io`] of the
/// catalog. Damage is no error; the report lists it.
pub fn check(dir: impl AsRef<Path>, options: &StoreOptions) -> Result<StoreCheckReport> {
    let root = &options.log.dir_of_log(dir.as_ref())?;
    let mut report = StoreCheckReport::default();
    if let Some(catalog) = root.enter(CATALOG)?
        && let Some(checked) = check_if_there(check_in(&catalog))?
    {
        report.catalog = checked;
    }
    let mut survey = Survey::of(root, &options.log)?;
    if let Some(intents) = survey.intents()? {
        report.intents = check_if_there(check_in(&intents))?;
        survey.read_intents(&intents)?;
    }
    report.partitions = survey.each(|dir, _| check_in(dir))?;
    survey.each_queue(|dir| check_in(dir).map(|report| report.is_clean()))?;
    survey.forget_deleted(&mut report.partitions, CheckReport::is_clean)?;
    report.problems = survey.into_problems()?;
    report.trash = Layout::trash_in(root)?;
    Ok(report)
}

/// The report on a log that need not be there.
fn check_if_there(checked: Result<CheckReport>) -> Result<Option<CheckReport>> {
    match checked {
        Err(Error::NoLog { .. }) => Ok(None),
        checked => checked.map(Some),
    }
}
