//! Battery A over all workloads of up to three steps.

use super::battery::{battery, replay};
use super::settings::{Settings, mix};
use super::workload::{Config, Step, workloads};

/// All workloads of up to three steps that add to a log, in one configuration.
fn adding(config: Config, states_min: usize) {
    battery(
        config,
        workloads(&Step::ADDING, 3),
        Settings::get().states / 10,
        states_min,
    );
}

#[test]
fn each_publish_with_small_segments_and_both_indexes() {
    adding(Config::ALL[0], 60_000);
}

#[test]
fn each_publish_with_larger_segments() {
    adding(Config::ALL[1], 60_000);
}

#[test]
fn os_with_small_segments_and_a_time_index() {
    adding(Config::ALL[2], 60_000);
}

#[test]
fn os_with_larger_segments_and_both_indexes() {
    adding(Config::ALL[3], 60_000);
}

/// All workloads of one and two steps on a log that has a few segments already, and of those of three as many as the
/// settings say.
fn removing(config: Config, states_min: usize) {
    let is_useful = |step: &Step| *step != Step::Retain || config.kept_max.is_some();
    let steps: Vec<Step> = Step::REMOVING.into_iter().filter(is_useful).collect();
    let settings = Settings::get();
    let is_drawn = |index: usize| mix(settings.seed, index as u64).is_multiple_of(settings.one_in);
    let filled = workloads(&steps, 3)
        .into_iter()
        .enumerate()
        .filter(|(index, steps)| steps.len() < 3 || is_drawn(*index))
        .map(|(_, steps)| [&[Step::Fill], &steps[..]].concat())
        .collect();
    battery(config, filled, settings.states * 2 / 10, states_min);
}

#[test]
fn removing_with_each_publish() {
    removing(Config::REMOVING[0], 130_000);
}

#[test]
fn removing_and_retaining_with_os() {
    removing(Config::REMOVING[1], 130_000);
}

/// Segments of which so little is kept that several become one, and any step after that.
fn merging(config: Config) {
    let more = Step::REMOVING.into_iter().filter(|step| *step != Step::Retain);
    let after = more.map(|step| vec![Step::Thin, Step::Merge, step]);
    let workloads = std::iter::once(vec![Step::Thin, Step::Merge]).chain(after);
    battery(config, workloads.collect(), Settings::get().states / 70, 5000);
}

#[test]
fn merging_with_each_publish() {
    merging(Config::REMOVING[0]);
}

#[test]
fn merging_with_os() {
    merging(Config::OS);
}

/// Tries again what a failure has printed.
#[test]
fn again() {
    if let Ok(line) = std::env::var("DURAMEN_CRASH_REPLAY") {
        replay(&line);
    }
}
