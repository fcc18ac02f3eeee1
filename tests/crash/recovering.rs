//! `recover` on damaged logs, the power failing after each of its operations: recovered again, the log is what it
//! would have been without that; nothing before the damage is lost, nothing removed is back, no offset is given twice.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use duramen::fault::SimDisk;
use duramen::{Error, Log, RecoverOptions, RecoverReport};

use super::content::{Content, as_new};
use super::examine::{Found, examine};
use super::history::{Expected, Promise, Published};
use super::marks::Marks;
use super::oracle::{is_sound, told, without_panic};
use super::run::Run;
use super::settings::Settings;
use super::workload::Step::{
    self, Batch, Close, DeleteLast, DeleteMiddle, Fill, Merge, Reopen, Small, Sync, Trim,
};
use super::workload::{Config, Workload};
use crate::verdict::{Verdict, ensure};

/// So many disks are tried for each operation.
const IMAGES: usize = 6;
/// An offset that was never given out is at most this far above the last,
const SKIPPED_MAX: u64 = 2000;
/// or, where nobody knows how many messages were in the last segment, this far above its base.
const SEGMENT_COUNT_MAX: u64 = (u32::MAX as u64 - 2 * 4096) / 20;

const LOGS: [&[Step]; 7] = [
    &[Fill, Close],
    &[Fill, Batch, DeleteMiddle, Close],
    &[Fill, Merge, Small, Close],
    &[Fill, DeleteLast, Close],
    &[Fill, Trim, Batch, Close],
    &[Fill, DeleteMiddle, Reopen, Trim, Close],
    &[Fill, Small, Sync, Small, Sync, Small, Sync],
];

/// What happens to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// One bit of the byte so many thousandths into the file.
    Flip(u64),
    /// Cut to so many thousandths.
    Cut(u64),
    Gone,
}

const DAMAGES: [Damage; 6] = [
    Damage::Flip(20),
    Damage::Flip(300),
    Damage::Flip(600),
    Damage::Flip(999),
    Damage::Cut(500),
    Damage::Gone,
];

struct Case {
    workload: Workload,
    path: String,
    damage: Damage,
    salvage: bool,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let salvage = if self.salvage { ", salvage" } else { "" };
        write!(f, "{}: {} {:?}{salvage}", self.workload, self.path, self.damage)
    }
}

impl Damage {
    fn happen(self, disk: &SimDisk, path: &str) {
        let path = Path::new(path);
        let mut bytes = disk.read_file(path).expect("a file");
        let at = |thousandths: u64| (bytes.len() as u64 * thousandths / 1000) as usize;
        match self {
            Damage::Flip(thousandths) => {
                let at = at(thousandths);
                bytes[at] ^= 4;
            }
            Damage::Cut(thousandths) => bytes.truncate(at(thousandths)),
            Damage::Gone => return disk.take_file(path).expect("a file"),
        }
        disk.set_file(path, &bytes).expect("a disk that was not used yet");
    }
}

/// A log before it was damaged.
struct Before {
    messages: Vec<Published>,
    found: Found,
    /// Offsets in the segment that is damaged, if it is one.
    hit: Option<std::ops::Range<u64>>,
}

impl Before {
    /// What may be there after recovering: any of its messages, with next offsets from its own on.
    fn at_most(&self) -> Expected<'_> {
        let there: BTreeSet<u64> = self.found.offsets.iter().copied().collect();
        let next = self.found.next;
        let far_above = SEGMENT_COUNT_MAX..=SEGMENT_COUNT_MAX + next;
        Expected {
            messages: &self.messages,
            ends: (next..=next + SKIPPED_MAX).chain(far_above.clone()).collect(),
            starts: (0..=next + SKIPPED_MAX).chain(far_above).collect(),
            gone: (0..next).filter(|offset| !there.contains(offset)).collect(),
            undecided: there.into_iter().map(|offset| BTreeSet::from([offset])).collect(),
            absent: false,
            marks: Marks::new(),
            lost: Marks::new(),
            trims_late: false,
            promise: Promise {
                point: 0,
                durable: next,
                seen: next,
                epoch: self.found.epoch,
            },
        }
    }
}

impl Case {
    fn config(&self) -> Config {
        self.workload.config
    }

    fn recover(&self, disk: &SimDisk) -> Verdict<RecoverReport> {
        let how = RecoverOptions::new().salvage(self.salvage);
        let config = self.config();
        duramen::recover_with(config.dir, &config.options(disk), &how)
            .map_err(|error| format!("G7: does not recover: {}", told(&error)))
    }

    /// What is in a log that opens.
    fn found(&self, disk: &SimDisk, expected: &Expected<'_>) -> Verdict<Found> {
        let config = self.config();
        let log = config
            .options(disk)
            .open(config.dir)
            .map_err(|error| format!("G7: does not open: {}", told(&error)))?;
        let found = examine(&config, &log, expected)?;
        log.close().map_err(|error| told(&error))?;
        is_sound(&config, disk)?;
        Ok(found)
    }

    /// Recovers without a crash, then with one after each operation; returns how many disks were tried.
    fn run(&self, before: &Before, disk: &SimDisk) -> Verdict<usize> {
        let whole = disk.kill();
        let report = self.recover(&whole)?;
        let done = whole.point();
        let after = self.found(&whole.kill(), &before.at_most())?;
        self.is_enough(before, &after, &report)?;
        let again = whole.kill();
        let second = self.recover(&again)?;
        ensure!(
            !second.changed,
            "G7: recovering again changes something: {second:?}"
        );
        ensure!(again.point() == done, "G7: recovering again writes");
        let mut tried = 0;
        for point in (1..=done).filter(|point| whole.is_crash_point(*point)) {
            for disk in whole.crash_images(point, &Settings::get().plan()).take(IMAGES) {
                tried += 1;
                let story = || format!("after {point} of {done} operations\n{}", disk.op_log());
                self.nothing_is_given_twice(before, &disk.kill())
                    .map_err(|text| format!("{text}, {}", story()))?;
                let recovered = disk.kill();
                self.recover(&recovered)
                    .map_err(|text| format!("{text}, {}", story()))?;
                let found = self.found(&recovered, &before.at_most());
                let found = found.map_err(|text| format!("{text}, {}", story()))?;
                // A log that is open while messages are seen before they are durable may always have lost some.
                let is_lossy = |found: &Found| found.epoch > before.found.epoch;
                ensure!(
                    found.offsets == after.offsets
                        && (is_lossy(&found) == is_lossy(&after) || !self.config().is_visible_durable()),
                    "G7: recovered to {found:?} instead of {after:?}, {}",
                    story()
                );
                ensure!(
                    point < done || (found.next, found.start) == (after.next, after.start),
                    "G7: recovering had returned, now {found:?} instead of {after:?}, {}",
                    story()
                );
            }
        }
        Ok(tried)
    }

    /// That no more is lost than has to be.
    fn is_enough(&self, before: &Before, after: &Found, report: &RecoverReport) -> Verdict<()> {
        let is_kept = |offset: &u64| after.offsets.binary_search(offset).is_ok();
        let lost: Vec<u64> = before
            .found
            .offsets
            .iter()
            .copied()
            .filter(|offset| !is_kept(offset))
            .collect();
        let Some(first) = lost.first() else { return Ok(()) };
        let Some(hit) = &before.hit else {
            return Err(format!("G1: {lost:?} are lost, but no segment was damaged"));
        };
        ensure!(*first >= hit.start, "G1: {lost:?} are lost, damaged were {hit:?}");
        ensure!(
            after.epoch > before.found.epoch,
            "G3: {lost:?} are lost, and the epoch is as before"
        );
        ensure!(!report.dropped.is_empty(), "G5: {lost:?} are lost without a word");
        if self.salvage {
            let is_in_it = lost.iter().all(|offset| hit.contains(offset));
            let is_one_record = matches!(self.damage, Damage::Flip(from) if from >= 300);
            ensure!(
                is_in_it && (!is_one_record || lost.len() == 1),
                "G1: {lost:?} are lost to {:?}",
                self.damage
            );
        }
        Ok(())
    }

    /// Whoever opens the log after the crash without recovering it either cannot, or cannot do harm.
    fn nothing_is_given_twice(&self, before: &Before, disk: &SimDisk) -> Verdict<()> {
        let config = self.config();
        let log = match config.options(disk).open(config.dir) {
            Ok(log) => log,
            Err(Error::Corrupt { .. }) => return Ok(()),
            Err(error) => return Err(format!("G7: does not open, and not for damage: {}", told(&error))),
        };
        // What is damaged in the middle is only noticed when it is read.
        let more = Content::new(u64::MAX, 0, 30);
        let next = as_new(&[more], |messages| log.publish(messages));
        let next = next.map_err(|error| format!("G7: does not go on: {}", told(&error)))?;
        ensure!(
            next > before.found.next,
            "G3: offset {} is given out again",
            next - 1
        );
        Ok(())
    }
}

/// A log as it is after some steps, and the disk that it is on.
fn prepare(workload: &Workload) -> (Run, Found, SimDisk) {
    let mut run = Run::new(workload.config, workload.config.disk(Settings::get().seed));
    for step in &workload.steps {
        run.step(*step)
            .unwrap_or_else(|error| panic!("{workload}: {step:?}: {error}"));
    }
    run.disk = run.disk.kill();
    run.log = None;
    let point = run.disk.point();
    let disk = run.disk.power_cut();
    let log = run
        .config
        .options(&disk)
        .read_only(true)
        .open(run.config.dir)
        .expect("a log");
    let found = examine(&run.config, &log, &run.history.after_power_cut(point)).expect("as it should be");
    drop(log);
    (run, found, disk)
}

fn battery(config: Config) {
    let (mut cases, mut tried) = (0, 0);
    let mut failed: Vec<String> = Vec::new();
    for steps in LOGS {
        let workload = Workload {
            config,
            steps: steps.to_vec(),
        };
        let (run, found, disk) = prepare(&workload);
        let bases = run.bases();
        for (path, _) in disk.files().into_iter().filter(|(_, len)| *len > 0) {
            let base = path.strip_suffix(".log").and_then(|path| path.rsplit('/').next());
            let base: Option<u64> = base.and_then(|name| name.parse().ok());
            let end = bases.iter().copied().find(|other| Some(*other) > base);
            let before = Before {
                messages: run.history.messages.clone(),
                found: found.clone(),
                hit: base.map(|base| base..end.unwrap_or(found.next)),
            };
            // Of a log that was not closed nobody knows that its last segment is missing.
            let is_known = workload.steps.ends_with(&[Close]) || base != bases.last().copied();
            let damages = DAMAGES
                .into_iter()
                .filter(|damage| is_known || !matches!(damage, Damage::Gone | Damage::Cut(_)));
            for damage in damages {
                for salvage in [false, true] {
                    let disk = disk.power_cut();
                    damage.happen(&disk, &path);
                    let case = Case {
                        workload: workload.clone(),
                        path: path.clone(),
                        damage,
                        salvage,
                    };
                    cases += 1;
                    match without_panic(|| case.run(&before, &disk)) {
                        Ok(disks) => tried += disks,
                        Err(text) => failed.push(format!("{case}: {text}")),
                    }
                }
            }
        }
    }
    println!("{}: {cases} cases, {tried} disks", config.name);
    for text in &failed {
        println!("{}", text.lines().next().unwrap_or_default());
    }
    assert!(
        failed.is_empty(),
        "{} of {cases} failed, such as {}",
        failed.len(),
        failed[0]
    );
}

#[test]
fn a_crash_while_recovering_changes_nothing_of_the_result() {
    battery(Config::REMOVING[0]);
}

#[test]
fn a_crash_while_recovering_changes_nothing_of_the_result_with_os() {
    battery(Config {
        kept_max: None,
        ..Config::REMOVING[1]
    });
}
