//! What there is in the directory of a store, as far as it can be told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::atomic::read_intent_of;
use super::catalog::{Catalog, options_of_intents};
use super::intents::Place;
use super::layout::{CATALOG, Layout};
use super::record::Record;
use super::report::{PartitionReport, StoreProblem, StoreProblemKind};
use crate::sys::Dir;
use crate::types::StreamId;
use crate::{Corruption, Error, Log, Options, Result};

/// The streams of a store, and what is wrong with it.
pub(super) struct Survey<'a> {
    root: &'a Dir,
    options: &'a Options,
    /// None if the directory of all streams is missing.
    layout: Option<Layout>,
    /// What was in the directory of all streams before the catalog was read.
    names: Vec<String>,
    /// The streams that are there by the catalog, those included that are being deleted.
    states: BTreeMap<StreamId, Record>,
    /// Whether the catalog could be read to its end.
    is_whole: bool,
    /// Each with the partition that it is about, if it is about one.
    problems: Vec<(Option<Place>, StoreProblem)>,
}

impl Survey<'_> {
    /// Looks at the directories and then at the catalog, in `root`. Fails with `NoLog` if there is
    /// neither a catalog nor a stream.
    pub(super) fn of<'a>(root: &'a Dir, options: &'a Options) -> Result<Survey<'a>> {
        let layout = match Layout::find(root) {
            Err(Error::Corrupt { .. }) => None,
            layout => Some(layout?),
        };
        // First: a stream is in the catalog before it has a directory.
        let names = layout.as_ref().map_or(Ok(Vec::new()), Layout::names)?;
        let mut survey = Survey {
            root,
            options,
            layout,
            names,
            states: BTreeMap::new(),
            is_whole: true,
            problems: Vec::new(),
        };
        let path = root.path_of(CATALOG);
        let mut unknown = Vec::new();
        match survey.read_catalog(&mut unknown) {
            Ok(states) => survey.states = states,
            Err(no_log @ Error::NoLog { .. }) if survey.names.is_empty() => return Err(no_log),
            Err(Error::NoLog { .. } | Error::Corrupt { .. }) => {
                survey.is_whole = false;
                survey.add(None, path.clone(), StoreProblemKind::Catalog);
            }
            Err(error) => return Err(error),
        }
        survey.add_unknown(&path, &unknown);
        Ok(survey)
    }

    fn read_catalog(&self, unknown: &mut Vec<u64>) -> Result<BTreeMap<StreamId, Record>> {
        let dir = self.root.enter(CATALOG)?;
        let path = || self.root.path_of(CATALOG);
        let dir = dir.ok_or_else(|| Error::NoLog { path: path() })?;
        Catalog::open(&dir, &to_read(self.options))?.states(unknown)
    }

    fn add(&mut self, place: Option<Place>, path: PathBuf, kind: StoreProblemKind) {
        let problem = StoreProblem {
            path,
            offset: None,
            kind,
        };
        self.problems.push((place, problem));
    }

    fn add_unknown(&mut self, path: &std::path::Path, offsets: &[u64]) {
        let kind = StoreProblemKind::Unknown;
        let problem = |offset: &u64| StoreProblem {
            path: path.to_path_buf(),
            offset: Some(*offset),
            kind,
        };
        self.problems
            .extend(offsets.iter().map(|offset| (None, problem(offset))));
    }

    /// The partitions that were used. If the catalog cannot tell, those that are found.
    fn places(&self) -> Result<BTreeSet<Place>> {
        let mut places = BTreeSet::new();
        if self.is_whole {
            let live = self.states.iter().filter(|(_, record)| record.deleted.is_none());
            for (id, record) in live {
                places.extend(record.made.iter().map(|number| (*id, number)));
            }
        } else if let Some(layout) = &self.layout {
            for id in self.names.iter().filter_map(|name| StreamId::of_name(name)) {
                places.extend(layout.numbers(id)?.into_iter().map(|number| (id, number)));
            }
        }
        Ok(places)
    }

    /// Has `work` report on each partition that was used, given its directory and what the catalog
    /// says of its stream. What is missing is noted as a problem.
    pub(super) fn each<T>(
        &mut self,
        work: impl Fn(&Dir, Option<&Record>) -> Result<T>,
    ) -> Result<Vec<PartitionReport<Result<T>>>> {
        let mut reports = Vec::new();
        for place in self.places()? {
            let (id, partition) = place;
            let dir = match &self.layout {
                Some(layout) => layout.find_partition(id, partition)?,
                None => None,
            };
            let record = self.states.get(&id);
            let report = dir.as_ref().map(|dir| work(dir, record));
            match report {
                Some(Err(Error::NoLog { .. })) if !self.is_whole => {}
                Some(Err(Error::NoLog { path })) => self.add(Some(place), path, StoreProblemKind::Empty),
                None => {
                    let path = Layout::path_of(self.root, id, partition);
                    self.add(Some(place), path, StoreProblemKind::Missing);
                }
                Some(report) => reports.push(PartitionReport {
                    stream: record.map(|record| record.name.clone()).unwrap_or_default(),
                    id,
                    partition,
                    report,
                }),
            }
        }
        reports.sort_by(|a, b| (&a.stream, a.id, a.partition).cmp(&(&b.stream, b.id, b.partition)));
        Ok(reports)
    }

    /// Forgets what was wrong with streams that were deleted meanwhile.
    pub(super) fn forget_deleted<T>(
        &mut self,
        reports: &mut Vec<PartitionReport<Result<T>>>,
        is_clean: impl Fn(&T) -> bool,
    ) -> Result<()> {
        let is_good = |report: &Result<T>| report.as_ref().is_ok_and(&is_clean);
        let is_any = self.problems.iter().any(|(place, _)| place.is_some());
        if !self.is_whole || (!is_any && reports.iter().all(|report| is_good(&report.report))) {
            return Ok(());
        }
        let states = self.read_catalog(&mut Vec::new())?;
        let is_live = |id: StreamId| states.get(&id).is_some_and(|record| record.deleted.is_none());
        reports.retain(|report| is_good(&report.report) || is_live(report.id));
        self.problems
            .retain(|(place, _)| place.is_none_or(|(id, _)| is_live(id)));
        Ok(())
    }

    /// Looks at the state of each work queue; notes as problems those that are not as they should
    /// be.
    pub(super) fn each_queue(&mut self, is_clean: impl Fn(&Dir) -> Result<bool>) -> Result<()> {
        for (id, _, dir) in Layout::queues_in(self.root)? {
            let looked = is_clean(&dir);
            match looked {
                // It was just made.
                Ok(true) | Err(Error::NoLog { .. }) => {}
                // It has gone with its stream.
                _ if self.is_whole && !self.states.contains_key(&id) => {}
                Ok(false) | Err(Error::Corrupt { .. }) => {
                    self.add(None, dir.path().to_path_buf(), StoreProblemKind::Queue);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The directory of the log of intents, if there is one.
    pub(super) fn intents(&self) -> Result<Option<Dir>> {
        Layout::intents_in(self.root)
    }

    /// Reads the intents that are not settled, and notes those that say nothing known; returns
    /// whether there are such. Damage is left to the check of the log.
    pub(super) fn read_intents(&mut self, dir: &Dir) -> Result<bool> {
        let log = match options_of_intents(&to_read(self.options)).open_in(dir) {
            Err(Error::NoLog { .. } | Error::Corrupt { .. }) => return Ok(false),
            log => log?,
        };
        let mut at = log.start_offset()?;
        while at < log.next_offset()? {
            match read_intent_of(&log, at) {
                Ok((_, messages)) => at += 1 + messages.len() as u64,
                // A writer has settled it meanwhile.
                Err(_) if log.start_offset()? > at => at = log.start_offset()?,
                Err(Error::Corrupt {
                    kind: Corruption::Catalog,
                    ..
                }) => {
                    self.add_unknown(dir.path(), &[at]);
                    return Ok(true);
                }
                Err(Error::Corrupt { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// What is wrong, with the directories that the catalog does not know.
    pub(super) fn into_problems(mut self) -> Result<Vec<StoreProblem>> {
        if let Some(layout) = self.layout.take().filter(|_| self.is_whole) {
            for name in std::mem::take(&mut self.names) {
                let is_known = StreamId::of_name(&name).is_some_and(|id| self.states.contains_key(&id));
                // If it has gone meanwhile, it was that of a stream that was deleted.
                if !is_known && let Some(path) = layout.still_has(&name)? {
                    self.add(None, path, StoreProblemKind::Stray);
                }
            }
        }
        Ok(self.problems.into_iter().map(|(_, problem)| problem).collect())
    }
}

/// These options, for reading only what is there.
fn to_read(options: &Options) -> Options {
    options.clone().read_only(true).recover(false)
}
