//! The power fails, or the process is killed, after every operation.

use std::collections::HashSet;
use std::fmt;

use duramen::fault::{CrashPlan, SimDisk};
use duramen::store::{Partitioner, Store, StreamConfig};
use duramen::{NewMessage, PublishOptions};

use super::copies;
use super::model::{DIR, State, compare, options, told};
use super::work::{Copies, Run, Step};
use crate::oracle::without_panic;
use crate::settings::{Settings, mix};
use crate::verdict::{Verdict, ensure};

/// Of so many disks, one is crashed again while the store is opened.
const AGAIN_EVERY: usize = 48;
/// Then it is crashed after one in so many operations.
const AGAIN_POINTS: u64 = 6;
/// So many disks are tried for each of them.
const AGAIN_IMAGES: usize = 2;

/// What was tried.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    pub(crate) points: usize,
    /// Distinct disks after a power cut.
    pub(crate) states: usize,
    pub(crate) kills: usize,
    pub(crate) again: usize,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tried {
            points,
            states,
            kills,
            again,
        } = self;
        write!(
            f,
            "{points} points, {states} disks after a power cut, {kills} kills, {again} second crashes"
        )
    }
}

pub(crate) struct Battery {
    settings: Settings,
    pub(crate) tried: Tried,
    seen: HashSet<u64>,
}

/// What a store may hold after a crash: one of these as a whole.
struct Expected<'a> {
    any: Vec<&'a State>,
    /// Whether all that was published is there: the process was killed, and the system goes on.
    is_lossless: bool,
    /// What the copies may hold, and the step in which they are made.
    copies: Vec<&'a Copies>,
    making: Option<Step>,
}

impl Battery {
    pub(crate) fn new(settings: Settings) -> Battery {
        Battery {
            settings,
            tried: Tried::default(),
            seen: HashSet::new(),
        }
    }

    /// Tries about so many disks, spread over all points of all workloads.
    pub(crate) fn run(&mut self, workloads: &[Vec<Step>], states: usize) -> Verdict<()> {
        let goal = self.tried.states + states;
        for (done, steps) in workloads.iter().enumerate() {
            let mut run = Run::new(self.settings.seed).map_err(|error| told(&error))?;
            // What the preparation leaves is tried with the first workload.
            let first = if done == 0 { 0 } else { run.disk.point() };
            for step in steps {
                run.step(*step)
                    .map_err(|error| format!("{steps:?}, {step:?}: {}", told(&error)))?;
            }
            let points = (first..=run.disk.point()).filter(|point| run.disk.is_crash_point(*point));
            let points: Vec<_> = points.collect();
            let left = goal.saturating_sub(self.tried.states);
            let mut left = left.div_ceil(workloads.len() - done);
            for (index, point) in points.iter().enumerate() {
                let images_max = left.div_ceil(points.len() - index).max(1);
                let before = self.tried.states;
                self.crash_at(steps, &run, *point, images_max)?;
                left = left.saturating_sub(self.tried.states - before);
            }
        }
        Ok(())
    }

    fn crash_at(&mut self, steps: &[Step], run: &Run, point: usize, images_max: usize) -> Verdict<()> {
        self.tried.points += 1;
        let is_drawn = mix(self.settings.seed, self.tried.points as u64).is_multiple_of(4);
        if is_drawn {
            self.tried.kills += 1;
            let expected = expected(run, point, true);
            let name = format!("{steps:?}, point {point}, kill");
            self.open(&name, &run.disk.kill_at(point), &expected)?;
        }
        let expected = expected(run, point, false);
        let images = run.disk.crash_images(point, &self.settings.plan());
        let mut new = 0;
        for (index, disk) in images.enumerate() {
            if new == images_max {
                break;
            }
            if !self.seen.insert(mix(disk.hash(), key(&expected))) {
                continue;
            }
            new += 1;
            self.tried.states += 1;
            let name = format!("{steps:?}, point {point}, disk {index}");
            let opened_at = self.open(&name, &disk, &expected)?;
            if self.tried.states.is_multiple_of(AGAIN_EVERY) {
                self.crash_again(&name, (&disk, opened_at), &expected)?;
            }
        }
        Ok(())
    }

    /// The power fails again while the store is opened.
    fn crash_again(
        &mut self,
        name: &str,
        (disk, end): (&SimDisk, usize),
        expected: &Expected<'_>,
    ) -> Verdict<()> {
        let mut plan = self.settings.plan();
        plan.seed = mix(plan.seed, self.tried.again as u64);
        let is_drawn = |point: &usize| mix(plan.seed, *point as u64).is_multiple_of(AGAIN_POINTS);
        let points = (1..=end).filter(|point| disk.is_crash_point(*point));
        for point in points.filter(is_drawn) {
            // In turn: what keeps nothing, what keeps everything, and what was drawn.
            let plan = CrashPlan {
                first: u32::try_from(self.tried.again % 7).unwrap_or_default(),
                ..plan
            };
            let images = disk.crash_images(point, &plan).enumerate();
            for (index, disk) in images.take(AGAIN_IMAGES) {
                self.tried.again += 1;
                self.open(
                    &format!("{name}, again at {point}, disk {index}"),
                    &disk,
                    expected,
                )?;
            }
        }
        Ok(())
    }

    /// Returns after how many operations the store was open and read.
    fn open(&self, name: &str, disk: &SimDisk, expected: &Expected<'_>) -> Verdict<usize> {
        let is_deep = mix(self.settings.seed, disk.hash()).is_multiple_of(self.settings.deep_one_in);
        without_panic(|| opens(disk, expected, is_deep)).map_err(|text| {
            let seed = self.settings.seed;
            format!("{text}\nDURAMEN_SEED={seed}: {name}\n{}", disk.op_log())
        })
    }
}

/// What may be found if the power fails, or the process dies, after `point` operations.
fn expected(run: &Run, point: usize, is_lossless: bool) -> Expected<'_> {
    static NOTHING: State = State::new();
    static NO_COPIES: Copies = [None, None];
    let known = run.done.iter().take_while(|done| done.end <= point).last();
    let last = known.map_or(&NOTHING, |done| &done.after);
    let known_copies = [known.map_or(&NO_COPIES, |done| &done.copies)];
    let under_way = run
        .done
        .iter()
        .find(|done| done.begin < point && point < done.end);
    let copies = known_copies
        .into_iter()
        .chain(under_way.map(|done| &done.copies))
        .collect();
    let making = under_way.map(|done| done.step);
    let mut any = vec![last];
    any.extend(under_way.iter().flat_map(|done| &done.between));
    any.extend(under_way.map(|done| &done.after));
    Expected {
        any,
        is_lossless,
        copies,
        making,
    }
}

fn key(expected: &Expected<'_>) -> u64 {
    let text = format!("{:?} {:?} {:?}", expected.any, expected.copies, expected.making);
    text.bytes().fold(0, |sum, byte| mix(sum, u64::from(byte)))
}

/// That the store opens by itself and holds what it should.
fn opens(disk: &SimDisk, expected: &Expected<'_>, is_deep: bool) -> Verdict<usize> {
    let store = options(disk)
        .open(DIR)
        .map_err(|error| format!("open: {}", told(&error)))?;
    let mut texts = Vec::new();
    let found = expected.any.iter().find(|state| {
        let compared = compare(&store, state, expected.is_lossless);
        compared.map_err(|text| texts.push(text)).is_ok()
    });
    let state = *found.ok_or_else(|| format!("none of what there may be: {}", texts.join("; ")))?;
    let files = disk.files();
    let left = files
        .iter()
        .find(|(path, _)| path.starts_with("/store/quarantine/") || path.starts_with("/store/trash/"));
    ensure!(left.is_none(), "left over: {left:?}");
    let point = disk.point();
    copies::hold(disk, &store, &expected.copies, expected.making)?;
    if is_deep {
        goes_on(&store, state)?;
        drop(store);
        let store = options(disk)
            .open(DIR)
            .map_err(|error| format!("open again: {}", told(&error)))?;
        let page = store.list(&duramen::store::ListOptions::new());
        let count = page.map_or(0, |page| page.items.len());
        ensure!(count == state.len() + 1, "{count} streams when opened again");
    }
    Ok(point)
}

/// That the store can be used.
fn goes_on(store: &Store, state: &State) -> Verdict<()> {
    store
        .create("new", &StreamConfig::new())
        .map_err(|error| format!("create: {}", told(&error)))?;
    for (name, stream) in state {
        let handle = store.stream(name).map_err(|error| told(&error))?;
        for (number, partition) in (0..).zip(&stream.partitions) {
            let to = Partitioner::To(number);
            let published = handle.publish(NewMessage::value(b"on"), &to, &PublishOptions::new());
            ensure!(
                published.is_ok() != partition.is_sealed,
                "publish to {name}/{number}: {published:?}"
            );
        }
    }
    store.close().map_err(|error| format!("close: {}", told(&error)))
}
