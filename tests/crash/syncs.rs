//! Battery S: each place in the library that asks for a sync is left out, one at a time, which must be noticed.
//!
//! The disk notes which functions asked for each sync of a run. Then the run is repeated, and the disk ignores all
//! syncs of one place: as if the line was not in the library. What the battery does not notice is either a gap in the
//! battery or a sync too many. Those that are known are in [`NOT_NOTICED`], with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use duramen::Log;
use duramen::fault::{CrashPlan, SimDisk, SyncPlace};

use super::battery::{during_recovery, run};
use super::content::{Content, as_new};
use super::examine::Found;
use super::history::{Expected, Published};
use super::oracle::{copy_recovers, is_sound, open, recovers, told, without_panic};
use super::run::Run;
use super::settings::Settings;
use super::workload::Step::{
    Backup, Batch, Close, Compact, DeleteFirst, DeleteLast, DeleteMiddle, Fill, Merge, Recover, Reopen, Roll,
    Segment, Small, Sync, Thin, Trim, TrimAll,
};
use super::workload::{Config, Step, Workload};
use crate::verdict::Verdict;

const WORKLOADS: [&[Step]; 22] = [
    &[Small],
    &[Thin, Merge],
    &[Fill, Trim],
    &[Batch, Roll, Sync],
    &[Small, Sync, Small, Reopen, Sync],
    &[Fill, DeleteLast, Sync],
    &[Fill, Trim, Trim],
    &[Fill, DeleteMiddle, Close],
    &[Fill, Backup],
    &[Fill, Backup, Batch, Roll, Backup],
    &[Thin, Backup, Merge, Backup],
    &[Fill, Backup, Trim, Backup],
    &[Roll, Small, Recover, Small],
    &[Fill, TrimAll, Small],
    &[Fill, DeleteFirst],
    &[Fill, Compact],
    &[Thin, Merge, Close],
    &[Fill, Close, Small, DeleteFirst],
    &[Small, Close, Small, Reopen, Close],
    &[Small, Sync, Small, Close],
    &[Small, Segment, Small],
    &[Small, Small],
];

/// Disks to try at most at each point, of two kinds.
const IMAGES: usize = 24;
/// A place is left out in at most so many runs.
const TRIES_MAX: usize = 24;
/// So many places there are at least: fewer means that the disk does not know the functions any more.
const NOTICED_MIN: usize = 30;

/// Places where a missing sync is not noticed, by the functions that lead there from the innermost, and why.
const NOT_NOTICED: &[(&str, &str)] = &[
    (
        "prepare_dir < open",
        "create_dirs syncs as it goes; sync_above syncs the same directories before there is a log in them",
    ),
    (
        "open < copy < backup",
        "as above, for the directories of a backup",
    ),
    (
        "remove_segments < remove_superseded",
        "files of removed segments that come back do not count, and the next open removes them",
    ),
    (
        "remove_segments < unlink < drop_segments",
        "as above: after a trim the start offset is beyond them",
    ),
    (
        "sync_stored < sync_step < sync < rewrite",
        "everything was synced just before; it is for a segment that upkeep copies meanwhile, and here is no upkeep",
    ),
];

/// Places of which it is not settled whether a missing sync is noticed: they are tried, and what is missed is printed.
const OPEN: &[&str] = &[
    "copy_segment < copy_segments < copy < backup",
    "finish < copy < backup",
    "install < create_segment < new_segment < roll < leave_behind",
    "overwrite < write_copy < write",
    "remove_segments < unlink < merge",
    "remove_superseded < open",
    "rename < write_copy < write < write_both",
    "sync_above < ",
    "sync_stored < sync_step < sync < make_durable < close",
];

/// What is known of each place.
#[derive(Default)]
struct Battery {
    /// Noticed, and in which case; or missed in some case.
    noticed: BTreeMap<SyncPlace, String>,
    missed: BTreeMap<SyncPlace, String>,
    tries: BTreeMap<SyncPlace, usize>,
    tried: usize,
}

impl Battery {
    /// Leaves out each of `places` that nobody has noticed yet. `without` is given the numbers of the syncs to ignore,
    /// and the points at which the power is to fail.
    fn each(
        &mut self,
        places: &[(usize, SyncPlace)],
        end: usize,
        name: &str,
        without: impl Fn(BTreeSet<usize>, &[usize], &mut usize) -> Verdict<()>,
    ) {
        let all: BTreeSet<&SyncPlace> = places.iter().map(|(_, place)| place).collect();
        for place in all {
            let functions = place.functions();
            let is_known = NOT_NOTICED.iter().any(|(known, _)| functions.starts_with(known));
            let tries = self.tries.entry(place.clone()).or_default();
            *tries += 1;
            if is_known || self.noticed.contains_key(place) || *tries > TRIES_MAX {
                continue;
            }
            let is_here = |index: &usize| places[*index].1 == *place;
            let which: BTreeSet<usize> = (0..places.len()).filter(is_here).collect();
            let first = which.first().map_or(0, |first| places[*first].0);
            // Before a sync most may be lost.
            let later = places
                .iter()
                .map(|(point, _)| *point)
                .filter(|point| *point > first);
            let points: Vec<usize> = later.chain([end]).collect();
            match without_panic(|| without(which, &points, &mut self.tried)) {
                Ok(()) => {
                    let name = || name.to_owned();
                    self.missed.entry(place.clone()).or_insert_with(name);
                }
                Err(text) => {
                    let text = text.lines().next().unwrap_or_default();
                    self.missed.remove(place);
                    self.noticed.insert(place.clone(), format!("{name}: {text}"));
                }
            }
        }
    }

    /// The power fails at any point of a workload, and after the log was opened once more after a kill at any point.
    fn try_workload(&mut self, workload: &Workload) {
        let seed = Settings::get().seed;
        let watch = |disk: &SimDisk, step: usize| {
            if step == 0 {
                disk.watch_syncs();
            }
        };
        let (done, last) = run(workload, seed, watch).unwrap_or_else(|text| panic!("{text}"));
        let (places, end) = (done.disk.sync_places(), done.disk.point());
        self.each(&places, end, &workload.to_string(), |which, points, tried| {
            in_workload(workload, &which, points, tried)
        });
        let kills = places
            .iter()
            .map(|(point, _)| *point)
            .filter(|point| *point >= last);
        for point in kills.chain([end]) {
            let backs_up = workload.steps.ends_with(&[Backup]);
            let name = format!("{workload}, killed at {point}");
            let killed = done.disk.kill_at(point);
            killed.watch_syncs();
            let whole = Reopened::new(&done, &killed, point, backs_up);
            whole.unwrap_or_else(|text| panic!("{name}: {text}"));
            self.each(
                &killed.sync_places(),
                killed.point(),
                &name,
                |which, points, tried| {
                    let killed = done.disk.kill_at(point);
                    killed.ignore_syncs(which);
                    let reopened = Reopened::new(&done, &killed, point, backs_up)?;
                    points.iter().try_for_each(|point| {
                        let copy = reopened.copy(*point);
                        cut(
                            &done.config,
                            (&killed, *point),
                            &reopened.expected(*point),
                            copy.as_ref(),
                            tried,
                        )
                    })
                },
            );
        }
    }
}

/// A workload of which some syncs are ignored, with power cuts at these points.
fn in_workload(
    workload: &Workload,
    which: &BTreeSet<usize>,
    points: &[usize],
    tried: &mut usize,
) -> Verdict<()> {
    let ignore = |disk: &SimDisk, step: usize| {
        if step == 0 {
            disk.ignore_syncs(which.iter().copied());
        }
    };
    let (run, _) = run(workload, Settings::get().seed, ignore)?;
    for point in points {
        let copy = run.history.of_copy(*point);
        let expected = run.history.after_power_cut(*point);
        cut(&run.config, (&run.disk, *point), &expected, copy.as_ref(), tried)?;
    }
    match workload.steps.last() {
        Some(Close) => is_settled(&run.config, &run.disk, tried),
        Some(Backup) => is_settled(&run.config.copy(), &run.disk, tried),
        _ => Ok(()),
    }
}

/// Each change lost alone and kept alone, and then many at once.
fn images(disk: &SimDisk, point: usize) -> impl Iterator<Item = SimDisk> {
    let plan = Settings::get().plan();
    let one_by_one = CrashPlan {
        one_by_one: true,
        ..plan
    };
    let single = disk.crash_images(point, &one_by_one).take(IMAGES);
    single.chain(disk.crash_images(point, &plan).take(IMAGES))
}

/// After closing, and after a backup, nothing may be lost: also a copy of the metadata that is torn looks like damage.
fn is_settled(config: &Config, disk: &SimDisk, tried: &mut usize) -> Verdict<()> {
    images(disk, disk.point()).try_for_each(|disk| {
        *tried += 1;
        is_sound(config, &disk)
    })
}

/// What may be found when the power fails at a point.
fn cut(
    config: &Config,
    (disk, point): (&SimDisk, usize),
    expected: &Expected<'_>,
    copy: Option<&Expected<'_>>,
    tried: &mut usize,
) -> Verdict<()> {
    if !disk.is_crash_point(point) {
        return Ok(());
    }
    images(disk, point).try_for_each(|disk| {
        *tried += 1;
        if let Some(copy) = copy {
            copy_recovers(config, &disk.kill(), copy)?;
        }
        recovers(config, &disk, expected).map(drop)
    })
}

/// A log that was opened after a kill, written to, synced and closed.
struct Reopened<'a> {
    config: Config,
    before: Expected<'a>,
    found: Found,
    /// With the one that was published since.
    messages: Vec<Published>,
    /// The points at which a backup was finished, if one was to be taken, and at which it was synced.
    backed_up: Option<usize>,
    synced: usize,
}

impl<'a> Reopened<'a> {
    fn new(run: &'a Run, killed: &SimDisk, point: usize, backs_up: bool) -> Verdict<Reopened<'a>> {
        let config = run.config;
        let (log, found) = open(&config, killed, &run.history.after_kill(point))?;
        let mut backed_up = None;
        if backs_up {
            let done = log.backup(Path::new(config.copy().dir));
            done.map_err(|error| format!("G1: no backup: {}", told(&error)))?;
            backed_up = Some(killed.point());
        }
        let more = Content::new(u64::MAX, found.next, 30);
        let next = as_new(std::slice::from_ref(&more), |messages| log.publish(messages));
        next.map_err(|error| format!("G1: does not go on: {}", told(&error)))?;
        log.sync()
            .map_err(|error| format!("G1: does not sync: {}", told(&error)))?;
        let synced = killed.point();
        log.close()
            .map_err(|error| format!("G1: does not close: {}", told(&error)))?;
        let mut messages = run.history.messages[..found.next as usize].to_vec();
        messages.push(Arc::new(more));
        Ok(Reopened {
            config,
            before: run.history.after_power_cut(point),
            found,
            messages,
            backed_up,
            synced,
        })
    }

    fn copy(&self, point: usize) -> Option<Expected<'_>> {
        let is_done = self.backed_up.is_some_and(|done| done <= point);
        is_done.then(|| self.before.exactly(&self.found))
    }

    fn expected(&self, point: usize) -> Expected<'_> {
        if point <= self.found.point {
            return during_recovery(&self.config, &self.before, &self.found, point);
        }
        let opened = during_recovery(&self.config, &self.before, &self.found, self.found.point);
        let next = self.found.next + 1;
        let mut ends: Vec<u64> = opened.ends.clone();
        ends.push(next);
        let mut promise = opened.promise;
        if point >= self.synced {
            ends = vec![next];
            promise.durable = next;
            promise.seen = next;
        }
        Expected {
            messages: &self.messages,
            ends,
            promise,
            absent: false,
            ..self.before.exactly(&self.found)
        }
    }
}

#[test]
fn each_sync_that_is_left_out_is_noticed() {
    let started = Instant::now();
    let mut battery = Battery::default();
    for steps in WORKLOADS {
        for config in [Config::REMOVING[0], Config::OS] {
            battery.try_workload(&Workload {
                config,
                steps: steps.to_vec(),
            });
        }
        println!(
            "{steps:?}: {} disks, {:.1} s",
            battery.tried,
            started.elapsed().as_secs_f64()
        );
    }
    println!("{} places noticed", battery.noticed.len());
    for (place, text) in &battery.noticed {
        println!("noticed: {}: {text}", place.functions());
    }
    let missed = battery.missed.iter();
    let missed = missed.map(|(place, name)| format!("{} in {name}: {place:?}", place.functions()));
    let is_open = |text: &String| OPEN.iter().any(|open| text.starts_with(open));
    let (open, missed): (Vec<String>, Vec<String>) = missed.partition(is_open);
    open.iter().for_each(|text| println!("open: missed: {text}"));
    assert!(
        battery.noticed.len() >= NOTICED_MIN,
        "only {} places",
        battery.noticed.len()
    );
    assert!(
        missed.is_empty(),
        "nobody notices that these syncs are missing: {missed:#?}"
    );
}
