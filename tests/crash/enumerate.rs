//! Battery A: every workload of up to three steps, the power failing after every operation, everything that may then
//! be found.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

use duramen::fault::SimDisk;

use super::history::Expected;
use super::oracle::{Found, Verdict, recovers, told, without_panic};
use super::run::Run;
use super::settings::{Settings, mix, shuffle};
use super::workload::{Config, Workload, workloads};

/// Of so many disks, one is crashed again during its recovery, after every operation.
const AGAIN_EVERY: usize = 64;
/// So many disks are then tried for each operation.
const AGAIN_IMAGES: usize = 2;

/// What was tried.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    pub(crate) workloads: usize,
    pub(crate) points: usize,
    /// Distinct disks after a power cut, and after a kill.
    pub(crate) states: usize,
    pub(crate) kills: usize,
    /// Disks after a power cut during a recovery.
    pub(crate) again: usize,
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
        let mut runs = Vec::new();
        for workload in workloads {
            runs.push(run(workload, self.settings.seed, &before_step)?);
        }
        let points = |(run, first): &(Run, usize)| {
            (*first..=run.disk.point())
                .filter(|p| run.disk.is_crash_point(*p))
                .collect()
        };
        let points: Vec<Vec<usize>> = runs.iter().map(points).collect();
        let mut points_left: usize = points.iter().map(Vec::len).sum();
        self.tried.workloads += workloads.len();
        self.tried.points += points_left;
        let goal = self.states.len() + states;
        for ((workload, (run, _)), points) in workloads.iter().zip(&runs).zip(&points) {
            for &point in points {
                // What points with few disks leave over goes to those that have more.
                let images_max = goal
                    .saturating_sub(self.states.len())
                    .div_ceil(points_left)
                    .max(2);
                points_left -= 1;
                self.crash_at(workload, run, point, images_max)?;
            }
        }
        self.tried.states = self.states.len();
        Ok(())
    }

    fn crash_at(&mut self, workload: &Workload, run: &Run, point: usize, images_max: usize) -> Verdict<()> {
        let expected = run.history.after_kill(point);
        let killed = run.disk.kill_at(point);
        // Whatever the disk did so far, what it says from here on is true.
        killed.tell_the_truth();
        self.tried.kills += 1;
        without_panic(|| recovers(&run.config, &killed, &expected))
            .map_err(|text| self.report(&text, &format!("{workload}:{point}:kill"), &killed))?;

        let expected = run.history.after_power_cut(point);
        let images = run.disk.crash_images(point, &self.settings.plan());
        let mut new = 0;
        for (index, disk) in images.enumerate() {
            if new == images_max {
                break;
            }
            if !self.checked.insert((disk.hash(), key(&expected))) {
                continue;
            }
            new += usize::from(self.states.insert(disk.hash()));
            let name = format!("{workload}:{point}:{index}");
            let found = without_panic(|| recovers(&run.config, &disk, &expected))
                .map_err(|text| self.report(&text, &name, &disk))?;
            if self.checked.len().is_multiple_of(AGAIN_EVERY) {
                self.crash_again(run.config, &name, &disk, &expected, found)?;
            }
        }
        Ok(())
    }

    /// The power fails again while the log is being opened, and right after.
    fn crash_again(
        &mut self,
        config: Config,
        name: &str,
        disk: &SimDisk,
        expected: &Expected<'_>,
        found: Found,
    ) -> Verdict<()> {
        let mut plan = self.settings.plan();
        plan.seed = mix(plan.seed, self.tried.again as u64);
        for point in (1..=found.point).filter(|point| disk.is_crash_point(*point)) {
            let mut expected = expected.clone();
            if point == found.point {
                // What was opened was seen, and what was said to be durable has to be.
                expected.promise = found.promise(&config, expected.promise);
                expected
                    .ends
                    .retain(|end| *end >= expected.promise.durable && *end <= found.next);
            }
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

/// Does the steps of a workload. What happens before its last one is tried by a workload that is shorter.
fn run(workload: &Workload, seed: u64, before_step: impl Fn(&SimDisk, usize)) -> Verdict<(Run, usize)> {
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

fn key(expected: &Expected<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    let promise = expected.promise;
    (&expected.ends, promise.durable, promise.seen, promise.epoch).hash(&mut hasher);
    hasher.finish()
}

/// All workloads of up to three steps in one configuration.
fn battery(config: Config) {
    if std::env::var_os("DURAMEN_CRASH_REPLAY").is_some() {
        return;
    }
    let settings = Settings::get();
    let started = Instant::now();
    let mut workloads: Vec<Workload> = workloads(3)
        .into_iter()
        .map(|steps| Workload { config, steps })
        .collect();
    shuffle(&mut workloads, settings.seed);
    let mut battery = Battery::new(settings);
    let states = settings.states / Config::ALL.len();
    let verdict = battery.run(&workloads, states, |_, _| {});
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{}, seed {}: {:?} in {seconds:.1} s",
        config.name, settings.seed, battery.tried
    );
    if let Err(text) = verdict {
        panic!("{text}");
    }
    // Fewer where that is all there are: where each publish is synced, little is in the balance at any point.
    assert!(
        battery.tried.states >= states.min(5_000),
        "{} distinct disks",
        battery.tried.states
    );
}

#[test]
fn each_publish_with_small_segments_and_both_indexes() {
    battery(Config::ALL[0]);
}

#[test]
fn each_publish_with_larger_segments() {
    battery(Config::ALL[1]);
}

#[test]
fn os_with_small_segments_and_a_time_index() {
    battery(Config::ALL[2]);
}

#[test]
fn os_with_larger_segments_and_both_indexes() {
    battery(Config::ALL[3]);
}

/// Tries again what a failure has printed.
#[test]
fn replay() {
    let Ok(line) = std::env::var("DURAMEN_CRASH_REPLAY") else {
        return;
    };
    let settings = Settings::get();
    let mut words = line.split(':');
    let mut word = || words.next();
    let workload = word().and_then(Workload::parse).expect("a workload");
    let (run, _) = run(&workload, settings.seed, |_, _| {}).unwrap_or_else(|text| panic!("{text}"));
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let point = word().map(number).expect("a point");
    let (mut disk, mut expected) = match word().expect("the number of a disk") {
        "kill" => (run.disk.kill_at(point), run.history.after_kill(point)),
        index => {
            let mut images = run.disk.crash_images(point, &settings.plan());
            (
                images.nth(number(index)).expect("a disk"),
                run.history.after_power_cut(point),
            )
        }
    };
    if let Some(seed) = word() {
        let plan = duramen::fault::CrashPlan {
            seed: seed.parse().expect("a seed"),
            ..settings.plan()
        };
        let found = recovers(&run.config, &disk, &expected).expect("the first recovery");
        let point = word().map(number).expect("a point");
        if point == found.point {
            expected.promise = found.promise(&run.config, expected.promise);
        }
        disk = disk
            .crash_images(point, &plan)
            .nth(word().map(number).expect("a disk"))
            .expect("a disk");
    }
    println!("{}", disk.op_log());
    println!("{expected:#?}");
    if let Err(text) = recovers(&run.config, &disk, &expected) {
        panic!("{text}\n{}", disk.op_log());
    }
}
