//! Battery A: the power fails after every operation, and everything that may then be found is opened.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::Instant;

use duramen::fault::{CrashPlan, SimDisk};
use fastrand::Rng;

use super::examine::Found;
use super::history::{Expected, ExpectedCopy};
use super::oracle::{copy_is_finished_after_crashes, copy_recovers, open, recovers, told, without_panic};
use super::run::Run;
use super::settings::{Settings, mix};
use super::workload::{Config, Step, Workload};
use crate::verdict::Verdict;

/// Of so many disks, one is crashed again during its recovery, after every operation.
const AGAIN_EVERY: usize = 64;
/// Of workloads that are longer than this, only one point in four is tried with a kill.
const KILLS_ALL_MAX: usize = 3;
/// Of so many kills, one.
const KILL_AGAIN_EVERY: usize = 32;
/// Of so many backups, one is taken again with a crash after every operation.
const COPIES_AGAIN_EVERY: usize = 32;
/// So many disks are then tried for each operation.
const AGAIN_IMAGES: usize = 2;

/// What was tried.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    pub(crate) workloads: usize,
    pub(crate) points: usize,
    /// Distinct disks after a power cut, and after a kill.
    pub(crate) states: usize,
    /// Of the disks after a power cut, so many were put to every test; the others were opened and read.
    pub(crate) deep: usize,
    pub(crate) kills: usize,
    /// Disks after a power cut during a recovery.
    pub(crate) again: usize,
    /// Backups that were opened.
    pub(crate) copies: usize,
}

pub(crate) struct Battery {
    pub(crate) settings: Settings,
    pub(crate) tried: Tried,
    checked: HashSet<(u64, u64)>,
    states: HashSet<u64>,
}

impl Battery {
    pub(crate) fn new(settings: Settings) -> Battery {
        Battery {
            settings,
            tried: Tried::default(),
            checked: HashSet::new(),
            states: HashSet::new(),
        }
    }

    /// Runs the workloads until about `states` disks were tried, spread over all points. `before_step` is called with
    /// the number of each step that is about to be done.
    pub(crate) fn run(
        &mut self,
        workloads: &[Workload],
        states: usize,
        before_step: impl Fn(&SimDisk, usize),
    ) -> Verdict<()> {
        let goal = self.states.len() + states;
        for (done, workload) in workloads.iter().enumerate() {
            let (run, first) = run(workload, self.settings.seed, &before_step)?;
            let points = first..=run.disk.point();
            let points: Vec<usize> = points.filter(|point| run.disk.is_crash_point(*point)).collect();
            // What points with few disks leave over goes to those that come later.
            let left = goal.saturating_sub(self.states.len());
            let mut left = left.div_ceil(workloads.len() - done);
            for (index, point) in points.iter().enumerate() {
                let images_max = left.div_ceil(points.len() - index).max(2);
                let before = self.states.len();
                self.crash_at(workload, &run, *point, images_max)?;
                left = left.saturating_sub(self.states.len() - before);
            }
            self.tried.workloads += 1;
        }
        Ok(())
    }

    fn crash_at(&mut self, workload: &Workload, run: &Run, point: usize, images_max: usize) -> Verdict<()> {
        let expected = run.history.after_power_cut(point);
        if workload.steps.len() <= KILLS_ALL_MAX
            || mix(self.settings.seed, self.tried.points as u64).is_multiple_of(4)
        {
            self.kill_at(workload, run, point, &expected)?;
        }
        self.tried.points += 1;
        let copy = run.history.of_copy(point);
        let images = run.disk.crash_images(point, &self.settings.plan());
        let mut new = 0;
        for (index, disk) in images.enumerate() {
            if new == images_max {
                break;
            }
            new += usize::from(self.states.insert(disk.hash()));
            let name = format!("{workload}:{point}:{index}");
            if let Some(copy) = &copy {
                self.try_copy(&run.config, &name, &disk, copy)?;
            }
            if !self.is_new(&disk, &run.config, &expected) {
                continue;
            }
            let is_deep = mix(self.settings.seed, disk.hash()).is_multiple_of(self.settings.deep_one_in);
            let opened = || {
                if is_deep {
                    recovers(&run.config, &disk, &expected)
                } else {
                    open(&run.config, &disk, &expected).map(|(_, found)| found)
                }
            };
            let found = without_panic(opened).map_err(|text| self.report(&text, &name, &disk))?;
            self.tried.deep += usize::from(is_deep);
            if self.checked.len().is_multiple_of(AGAIN_EVERY) {
                self.crash_again(run.config, &name, (&disk, 0), &expected, &found)?;
            }
        }
        Ok(())
    }

    fn kill_at(
        &mut self,
        workload: &Workload,
        run: &Run,
        point: usize,
        expected: &Expected<'_>,
    ) -> Verdict<()> {
        let after_kill = run.history.after_kill(point);
        let killed = run.disk.kill_at(point);
        // Whatever the disk did so far, what it says from here on is true.
        killed.tell_the_truth();
        self.tried.kills += 1;
        let name = format!("{workload}:{point}:kill");
        let found = without_panic(|| recovers(&run.config, &killed, &after_kill))
            .map_err(|text| self.report(&text, &name, &killed))?;
        if let Some(copy) = run.history.of_copy(point) {
            self.try_copy(&run.config, &name, &run.disk.kill_at(point), &copy)?;
        }
        if self.tried.kills.is_multiple_of(KILL_AGAIN_EVERY) {
            self.crash_again(run.config, &name, (&killed, point), expected, &found)?;
        }
        Ok(())
    }

    /// Whether this was not tried yet.
    fn is_new(&mut self, disk: &SimDisk, config: &Config, expected: &Expected<'_>) -> bool {
        let hash = disk.hash_in(Path::new(config.dir));
        self.checked.insert((hash, key(config, expected)))
    }

    fn try_copy(
        &mut self,
        config: &Config,
        name: &str,
        disk: &SimDisk,
        expected: &ExpectedCopy<'_>,
    ) -> Verdict<()> {
        let hash = disk.hash_in(Path::new(config.copy().dir));
        let all = expected.old.iter().chain(&expected.new);
        // One key for all that may be there.
        let keys = all.fold(hash, |sum, one| mix(sum, key(config, one)));
        if !self.checked.insert((hash, keys)) {
            return Ok(());
        }
        self.tried.copies += 1;
        // Its own disk: the log on the other one is looked at separately.
        let disk = disk.kill();
        without_panic(|| copy_recovers(config, &disk, expected))
            .map_err(|text| self.report(&text, name, &disk))?;
        if self.tried.copies.is_multiple_of(COPIES_AGAIN_EVERY) {
            let plan = self.settings.plan();
            self.tried.again +=
                without_panic(|| copy_is_finished_after_crashes(config, &disk.kill(), expected, &plan))
                    .map_err(|text| self.report(&text, name, &disk))?;
        }
        Ok(())
    }

    /// The power fails again while the log is being opened, after more than `from` operations, and right after.
    fn crash_again(
        &mut self,
        config: Config,
        name: &str,
        (disk, from): (&SimDisk, usize),
        expected: &Expected<'_>,
        found: &Found,
    ) -> Verdict<()> {
        let mut plan = self.settings.plan();
        plan.seed = mix(plan.seed, self.tried.again as u64);
        for point in (from + 1..=found.point).filter(|point| disk.is_crash_point(*point)) {
            let expected = during_recovery(&config, expected, found, point);
            let images = disk
                .crash_images(point, &plan)
                .enumerate()
                .skip(self.tried.again % 7)
                .take(AGAIN_IMAGES);
            for (index, disk) in images {
                self.tried.again += 1;
                without_panic(|| recovers(&config, &disk, &expected)).map_err(|text| {
                    self.report(
                        &format!("second crash: {text}"),
                        &format!("{name}:{}:{point}:{index}", plan.seed),
                        &disk,
                    )
                })?;
            }
        }
        Ok(())
    }

    fn report(&self, text: &str, name: &str, disk: &SimDisk) -> String {
        let seed = self.settings.seed;
        let story = disk.op_log();
        format!("{text}\nDURAMEN_SEED={seed} DURAMEN_CRASH_REPLAY={name}\n{story}")
    }
}

/// What is to be expected of a disk on which the power fails `point` operations into a recovery that gave `found`.
pub(super) fn during_recovery<'a>(
    config: &Config,
    expected: &Expected<'a>,
    found: &Found,
    point: usize,
) -> Expected<'a> {
    let mut expected = expected.clone();
    if point == found.point {
        // What was opened was seen, and what was said to be durable has to be.
        expected.promise = found.promise(config, expected.promise);
        let durable = expected.promise.durable;
        expected
            .ends
            .retain(|end| (durable..=found.next).contains(&(*end).max(found.start)));
    }
    expected
}

/// Does the steps of a workload. What happens before its last one is tried by a workload that is shorter, and filling
/// the log is not tried.
pub(super) fn run(
    workload: &Workload,
    seed: u64,
    before_step: impl Fn(&SimDisk, usize),
) -> Verdict<(Run, usize)> {
    let mut run = Run::new(workload.config, workload.config.disk(seed));
    let mut first = 0;
    let steps = || {
        for (index, step) in workload.steps.iter().enumerate() {
            before_step(&run.disk, index);
            first = if workload.steps.len() == 1 {
                0
            } else {
                run.disk.point()
            };
            run.step(*step)
                .map_err(|error| format!("{workload}: {step:?}: {}", told(&error)))?;
        }
        Ok(())
    };
    without_panic(steps)?;
    // What the handle does when it is dropped goes nowhere.
    run.disk = run.disk.kill();
    run.log = None;
    Ok((run, first))
}

fn key(config: &Config, expected: &Expected<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    let promise = expected.promise;
    (
        &expected.ends,
        &expected.starts,
        &expected.gone,
        &expected.undecided,
        &expected.marks,
        &expected.lost,
    )
        .hash(&mut hasher);
    (
        config.dir,
        expected.absent,
        promise.durable,
        promise.seen,
        promise.epoch,
    )
        .hash(&mut hasher);
    hasher.finish()
}

/// All of these workloads in one configuration, `states` disks; in a whole battery no fewer than `states_min`.
pub(crate) fn battery(config: Config, workloads: Vec<Vec<Step>>, states: usize, states_min: usize) {
    if std::env::var_os("DURAMEN_CRASH_REPLAY").is_some() {
        return;
    }
    let settings = Settings::get();
    let started = Instant::now();
    let mut workloads: Vec<Workload> = workloads
        .into_iter()
        .map(|steps| Workload { config, steps })
        .collect();
    Rng::with_seed(settings.seed).shuffle(&mut workloads);
    let mut battery = Battery::new(settings);
    let verdict = battery.run(&workloads, states, |_, _| {});
    battery.tried.states = battery.states.len();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{}, seed {}: {:?} in {seconds:.1} s",
        config.name, settings.seed, battery.tried
    );
    if let Err(text) = verdict {
        panic!("{text}");
    }
    let tried = battery.tried.states;
    // A workload that has fewer disks than its share leaves the number below what was asked for.
    let expected = if settings.is_whole() {
        states_min.min(states)
    } else {
        states_min.min(states * 9 / 10)
    };
    assert!(tried >= expected, "only {tried} distinct disks");
}

/// Tries again what a failure has printed.
pub(crate) fn replay(line: &str) {
    let settings = Settings::get();
    let mut words = line.split(':');
    let mut word = || words.next();
    let workload = word().and_then(Workload::parse).expect("a workload");
    let (run, _) = run(&workload, settings.seed, |_, _| {}).unwrap_or_else(|text| panic!("{text}"));
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let point = word().map(number).expect("a point");
    let mut expected = run.history.after_power_cut(point);
    let which = word().expect("the number of a disk");
    let mut disk = match which {
        "kill" => run.disk.kill_at(point),
        index => {
            let mut images = run.disk.crash_images(point, &settings.plan());
            images.nth(number(index)).expect("a disk")
        }
    };
    if let Some(copy) = run.history.of_copy(point) {
        let disk = disk.kill();
        let verdict = without_panic(|| copy_recovers(&run.config, &disk, &copy));
        verdict.unwrap_or_else(|text| panic!("{copy:#?}\n{text}\n{}", disk.op_log()));
    }
    let first = if which == "kill" {
        run.history.after_kill(point)
    } else {
        expected.clone()
    };
    if let Some(seed) = word() {
        let plan = CrashPlan {
            seed: seed.parse().expect("a seed"),
            ..settings.plan()
        };
        let found = without_panic(|| recovers(&run.config, &disk, &first)).expect("the first recovery");
        let point = word().map(number).expect("a point");
        expected = during_recovery(&run.config, &expected, &found, point);
        disk = disk
            .crash_images(point, &plan)
            .nth(word().map(number).expect("a disk"))
            .expect("a disk");
    } else {
        expected = first;
    }
    println!("{}", disk.op_log());
    println!("{expected:#?}");
    if let Err(text) = without_panic(|| recovers(&run.config, &disk, &expected)) {
        panic!("{text}\n{}", disk.op_log());
    }
}
