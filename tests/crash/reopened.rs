//! A log that was opened after a kill, written to, synced and closed, and what a power cut may leave of it.

use std::path::Path;

use duramen::Log;
use duramen::fault::SimDisk;

use super::battery::during_recovery;
use super::examine::Found;
use super::gone_on::GoneOn;
use super::history::{Expected, ExpectedCopy};
use super::oracle::{open, told};
use super::run::Run;
use super::workload::Config;
use crate::verdict::Verdict;

/// What is opened after a kill.
#[derive(Clone, Debug)]
pub(crate) struct Killed<'a> {
    pub(crate) config: Config,
    /// What is found then, and what might be found after a power cut instead.
    found: Expected<'a>,
    cut: Expected<'a>,
    /// What may be there of its backup, and whether another is taken.
    copy: Option<ExpectedCopy<'a>>,
    backs_up: bool,
}

impl<'a> Killed<'a> {
    /// The log itself.
    pub(crate) fn log(run: &'a Run, point: usize, backs_up: bool) -> Killed<'a> {
        Killed {
            config: run.config,
            found: run.history.after_kill(point),
            cut: run.history.after_power_cut(point),
            copy: run.history.of_copy(point),
            backs_up,
        }
    }

    /// Its backup, used as a log; `None` if it is not finished.
    pub(crate) fn copy(run: &'a Run, point: usize) -> Option<Killed<'a>> {
        let config = run.config.copy();
        let ExpectedCopy { old, new } = run.history.of_copy(point)?;
        let is_it = |one: &Expected<'a>| open(&config, &run.disk.kill_at(point), one).is_ok();
        let found = old.into_iter().chain(new).find(is_it)?;
        Some(Killed {
            config,
            cut: found.clone(),
            found,
            copy: None,
            backs_up: false,
        })
    }
}

pub(crate) struct Reopened<'a> {
    killed: &'a Killed<'a>,
    found: Found,
    gone_on: GoneOn,
    /// The points at which a backup was finished, if one was to be taken, and at which it was synced.
    backed_up: Option<usize>,
    synced: usize,
}

impl<'a> Reopened<'a> {
    pub(crate) fn new(killed: &'a Killed<'a>, disk: &SimDisk) -> Verdict<Reopened<'a>> {
        let config = killed.config;
        let (log, found) = open(&config, disk, &killed.found)?;
        let mut backed_up = None;
        if killed.backs_up {
            let done = log.backup(Path::new(config.copy().dir));
            done.map_err(|error| format!("G1: no backup: {}", told(&error)))?;
            backed_up = Some(disk.point());
        }
        let gone_on = GoneOn::new(&log, &found, &killed.cut.exactly(&found))?;
        log.sync()
            .map_err(|error| format!("G1: does not sync: {}", told(&error)))?;
        let synced = disk.point();
        log.close()
            .map_err(|error| format!("G1: does not close: {}", told(&error)))?;
        Ok(Reopened {
            killed,
            found,
            gone_on,
            backed_up,
            synced,
        })
    }

    /// What may be found of the backup when the power fails at `point`.
    pub(crate) fn copy(&self, point: usize) -> Option<ExpectedCopy<'_>> {
        let before = self.killed.copy.clone();
        let Some(done) = self.backed_up.filter(|_| point > self.found.point) else {
            return before;
        };
        let ours = self.killed.cut.exactly(&self.found);
        let old = |old| ExpectedCopy { old, new: Vec::new() };
        if done <= point {
            return Some(old(Some(ours)));
        }
        let mut all = before.unwrap_or(old(None));
        all.new.push(ours);
        Some(all)
    }

    /// What may be found of the log when the power fails at `point`.
    pub(crate) fn expected(&self, point: usize) -> Expected<'_> {
        let Killed { config, cut, .. } = self.killed;
        if point <= self.found.point {
            return during_recovery(config, cut, &self.found, point);
        }
        let opened = during_recovery(config, cut, &self.found, self.found.point);
        let next = self.gone_on.next();
        let mut ends: Vec<u64> = opened.ends.clone();
        ends.extend(&self.gone_on.ends);
        let mut promise = opened.promise;
        if point >= self.synced {
            ends = vec![next];
            promise.durable = next;
            promise.seen = next;
        }
        let mut expected = Expected {
            messages: &self.gone_on.messages,
            ends,
            promise,
            absent: false,
            marks: self.gone_on.marks.clone(),
            ..cut.exactly(&self.found)
        };
        expected.gone.extend(&self.gone_on.controls);
        expected
    }
}
