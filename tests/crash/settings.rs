use std::env;

use duramen::fault::CrashPlan;
use fastrand::Rng;

/// Distinct disks to try in all, and what the draws depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) states: usize,
    pub(crate) seed: u64,
    /// Of the longest workloads with steps that remove, one in so many is tried.
    pub(crate) one_in: u64,
    /// Of the disks after a power cut, one in so many is also read without recovery, checked, opened once more, gone on
    /// with and closed. Each one is opened, and all that it holds is compared.
    pub(crate) deep_one_in: u64,
    /// Whether calls fail in every way there is while messages are removed.
    pub(crate) faults_full: bool,
}

impl Settings {
    pub(crate) fn get() -> Settings {
        let number = |name: &str| {
            env::var(name).ok().map(|text| {
                text.parse()
                    .unwrap_or_else(|_| panic!("{name}={text} is no number"))
            })
        };
        Settings {
            states: number("DURAMEN_CRASH_STATES").map_or(80_000, |states: u64| states as usize),
            seed: number("DURAMEN_SEED").unwrap_or(1),
            one_in: number("DURAMEN_CRASH_ONE_IN").unwrap_or(12).max(1),
            deep_one_in: number("DURAMEN_CRASH_DEEP_ONE_IN").unwrap_or(12).max(1),
            faults_full: env::var_os("DURAMEN_FAULTS_FULL").is_some(),
        }
    }

    /// Whether there are so many disks that each battery reaches the least number that it names.
    pub(crate) fn is_whole(self) -> bool {
        self.states >= 420_000
    }

    pub(crate) fn plan(self) -> CrashPlan {
        CrashPlan {
            seed: self.seed,
            samples: 2048,
            ..CrashPlan::default()
        }
    }
}

/// A number that depends on both.
pub(crate) fn mix(seed: u64, with: u64) -> u64 {
    Rng::with_seed(Rng::with_seed(seed).u64(..) ^ with).u64(..)
}
