use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use super::image::Image;
use super::pending::Pending;
use super::random::{Random, mix};
use super::units::{Fresh, Grain, Units, ground, has_fresh};

/// Selects which of the possible disks after a power cut to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPlan {
    /// The seed of all random choices.
    pub seed: u64,
    /// With up to this many units that may be lost, every subset is tried.
    pub exhaustive_units_max: u32,
    /// With more units, this many subsets are tried for each size of units.
    pub samples: u32,
    /// The first subset to try for each size of units: 0 keeps nothing, 1 keeps everything, and
    /// those behind them are drawn.
    pub first: u32,
    /// Whether to begin with each change lost alone and kept alone, and with names and bytes lost
    /// separately.
    pub one_by_one: bool,
}

impl Default for CrashPlan {
    fn default() -> CrashPlan {
        CrashPlan {
            seed: 0,
            exhaustive_units_max: 12,
            samples: 256,
            first: 0,
            one_by_one: false,
        }
    }
}

/// The subsets for one way to split the pending changes into units.
#[derive(Debug)]
struct Run {
    grain: Grain,
    fresh: Fresh,
    units: Units,
    ground: Image,
    /// The number of subsets to try.
    count: u64,
    kind: Kind,
    seed: u64,
}

/// How the subsets of a run are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    OneByOne,
    All,
    Sampled,
}

/// The state of a disk after a power cut.
pub(super) struct Remains {
    pub(super) image: Image,
    pub(super) hash: u64,
    pub(super) cut: PowerCut,
    /// The seed of the next system.
    pub(super) seed: u64,
}

/// When the power failed, and which changes were lost.
pub(super) struct PowerCut {
    pub(super) point: usize,
    pending: Arc<Pending>,
    run: Arc<Run>,
    kept: Vec<bool>,
}

/// The distinct states that a disk may have after a power cut.
pub(super) struct CrashImages {
    point: usize,
    pending: Arc<Pending>,
    /// The unfinished runs, each with the number of subsets tried so far.
    runs: Vec<(Arc<Run>, u64)>,
    next_run: usize,
    found: HashSet<u64>,
    seed: u64,
}

impl CrashImages {
    pub(super) fn new(point: usize, pending: Pending, plan: &CrashPlan) -> CrashImages {
        let seed = mix(plan.seed, point as u64);
        let mut runs: Vec<Run> = Vec::new();
        if plan.one_by_one {
            let units = Units::cut(&pending, Grain::Op, Fresh::Zeros);
            runs.push(Run {
                grain: Grain::Op,
                fresh: Fresh::Zeros,
                ground: ground(&pending, Fresh::Zeros, seed),
                count: 4 + 2 * units.count() as u64,
                units,
                kind: Kind::OneByOne,
                seed,
            });
        }
        for (grain, fresh) in cuts(&pending) {
            let units = Units::cut(&pending, grain, fresh);
            let is_same = |run: &Run| run.kind != Kind::OneByOne && run.fresh == fresh && run.units == units;
            if runs.iter().any(is_same) {
                continue;
            }
            let is_exhaustive = units.count() <= plan.exhaustive_units_max as usize;
            let count = if is_exhaustive {
                // The first two subsets, nothing and everything, come twice.
                (1 << units.count()) + 2
            } else {
                u64::from(plan.samples)
            };
            let seed = mix(seed, runs.len() as u64);
            runs.push(Run {
                grain,
                fresh,
                units,
                ground: ground(&pending, fresh, seed),
                count,
                kind: if is_exhaustive { Kind::All } else { Kind::Sampled },
                seed,
            });
        }
        let begin = |run: Run| {
            let first = u64::from(plan.first).min(run.count);
            (Arc::new(run), first)
        };
        let runs = runs.into_iter().map(begin).collect();
        let pending = Arc::new(pending);
        CrashImages {
            point,
            pending,
            runs,
            next_run: 0,
            found: HashSet::new(),
            seed,
        }
    }
}

/// The ways to split changes, from coarse to fine.
fn cuts(pending: &Pending) -> Vec<(Grain, Fresh)> {
    let grains = [
        Grain::Op,
        Grain::Page,
        Grain::Sector,
        Grain::Word,
        Grain::Byte(0),
        Grain::Byte(1),
    ];
    let mut cuts: Vec<_> = grains.iter().map(|grain| (*grain, Fresh::Zeros)).collect();
    if has_fresh(pending) {
        for fresh in [Fresh::Trash, Fresh::Stale] {
            cuts.extend([(Grain::Op, fresh), (Grain::Sector, fresh)]);
        }
    }
    cuts
}

impl Iterator for CrashImages {
    type Item = Remains;

    /// Takes from each run in turn, so that the first few disks are a fair sample of all disks.
    fn next(&mut self) -> Option<Remains> {
        while let Some((first, _)) = self.runs.first() {
            if first.kind == Kind::OneByOne {
                self.next_run = 0;
            }
            self.next_run %= self.runs.len();
            let (run, done) = &mut self.runs[self.next_run];
            if *done == run.count {
                self.runs.remove(self.next_run);
                continue;
            }
            let kept = run.subset(*done);
            *done += 1;
            self.next_run += 1;
            let run = Arc::clone(run);
            let image = run.units.build(&self.pending, &kept, &run.ground);
            let hash = image.hash();
            if self.found.insert(hash) {
                let cut = PowerCut {
                    point: self.point,
                    pending: Arc::clone(&self.pending),
                    run,
                    kept,
                };
                return Some(Remains {
                    image,
                    hash,
                    cut,
                    seed: self.seed,
                });
            }
        }
        None
    }
}

impl Run {
    /// The `n`-th subset, with true for each unit that is kept. The first subset is empty and the
    /// second has every unit.
    fn subset(&self, n: u64) -> Vec<bool> {
        let count = self.units.count();
        if n < 2 {
            return vec![n == 1; count];
        }
        let names = self.units.names_start();
        if self.kind == Kind::OneByOne {
            // From the last unit on: names come last.
            let chosen = |n: u64| (count - 1).checked_sub(usize::try_from(n / 2).unwrap_or(count));
            return match n {
                2 | 3 => (0..count).map(|unit| (unit < names) == (n == 2)).collect(),
                _ => (0..count)
                    .map(|unit| (Some(unit) == chosen(n - 4)) == (n % 2 == 1))
                    .collect(),
            };
        }
        let mut random = Random::new(mix(self.seed, n));
        if self.kind == Kind::All {
            // Multiplying by an odd factor visits all subsets in an order that favours no unit.
            let factor = mix(self.seed, 0) | 1;
            let bits = (n - 2).wrapping_mul(factor).wrapping_add(self.seed);
            return (0..count).map(|unit| bits & (1 << unit) != 0).collect();
        }
        // There are few names and many bytes. They are drawn separately, so that often only one of
        // the two loses something.
        let mut kept = sample(names, &mut random);
        kept.extend(sample(count - names, &mut random));
        kept
    }
}

/// Draws some of `count` units: all, none, all but a few, only a few, the first ones, or each with
/// some probability.
fn sample(count: usize, random: &mut Random) -> Vec<bool> {
    const FEW: usize = 3;
    let kind = random.below(8);
    let few: Vec<usize> = (0..=random.below(FEW)).map(|_| random.below(count)).collect();
    let cut = random.below(count + 1);
    let quarters = 1 + random.below(3);
    let choose = |unit: usize, random: &mut Random| match kind {
        0 => true,
        1 => false,
        2 | 3 => !few.contains(&unit),
        4 => few.contains(&unit),
        5 => unit < cut,
        _ => random.below(4) < quarters,
    };
    (0..count).map(|unit| choose(unit, random)).collect()
}

impl fmt::Display for PowerCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lost = String::new();
        self.run
            .units
            .describe_lost(&self.pending, &self.kept, &mut |op, what| {
                let _ = write!(lost, " {op}:{what}");
            });
        let (grain, fresh) = (self.run.grain, self.run.fresh);
        let rest = if fresh == Fresh::Zeros {
            String::new()
        } else {
            format!(", fresh pages {fresh:?}")
        };
        write!(
            f,
            "power cut after {} operations, pieces {grain:?}{rest}; lost:",
            self.point
        )?;
        writeln!(f, "{}", if lost.is_empty() { " nothing" } else { &lost })
    }
}
