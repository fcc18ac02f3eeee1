//! Battery A over all workloads of up to three steps.

use super::battery::{battery, replay};
use super::settings::{Settings, mix};
use super::workload::{Config, Step, workloads};

/// All workloads of up to three steps that add to a log, in one configuration.
fn adding(config: Config, states_min: usize) {
    battery(
        config,
        workloads(&Step::ADDING, 3),
        Settings::get().states * 25 / 1000,
        states_min,
    );
}

#[test]
fn each_publish_with_small_segments_and_both_indexes() {
    adding(Config::ALL[0], 10_000);
}

#[test]
fn each_publish_with_larger_segments() {
    adding(Config::ALL[1], 10_000);
}

#[test]
fn os_with_small_segments_and_a_time_index() {
    adding(Config::ALL[2], 10_000);
}

#[test]
fn os_with_larger_segments_and_both_indexes() {
    adding(Config::ALL[3], 10_000);
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
    battery(config, filled, settings.states * 6 / 100, states_min);
}

#[test]
fn removing_with_each_publish() {
    removing(Config::REMOVING[0], 24_000);
}

#[test]
fn removing_and_retaining_with_os() {
    removing(Config::REMOVING[1], 24_000);
}

/// A queue: each job is published and, when it is done, deleted. So segments without messages come to lie side by
/// side, beside others, and at the end of the log.
#[test]
fn a_queue_of_which_one_job_after_the_other_is_deleted() {
    use Step::{Batch, Close, DeleteFirst, DeleteLast, Fill, Merge, Reopen, Small};
    let queue: [&[Step]; 6] = [
        &[Small, DeleteLast, Small, DeleteLast, Small, DeleteLast],
        &[Fill, Small, DeleteLast, Small, DeleteLast, Small, DeleteLast],
        &[Fill, Merge, Small, DeleteLast, Small, DeleteLast, Small],
        &[
            Fill, DeleteLast, Small, DeleteLast, Reopen, Small, DeleteLast, Small, DeleteLast,
        ],
        &[
            Fill,
            DeleteFirst,
            Small,
            DeleteLast,
            Close,
            Small,
            DeleteLast,
            Small,
        ],
        &[
            Batch,
            DeleteFirst,
            Small,
            DeleteFirst,
            Batch,
            DeleteLast,
            DeleteLast,
            DeleteFirst,
        ],
    ];
    for config in Config::REMOVING {
        let steps = queue.iter().map(|steps| steps.to_vec()).collect();
        battery(config, steps, Settings::get().states / 200, 2_000);
    }
}

/// A backup onto an earlier one, after everything that can happen to the log in one or two steps in between.
fn backups(config: Config, states_min: usize) {
    let is_between = |step: &Step| !matches!(step, Step::Backup | Step::Sync | Step::Recover);
    let is_useful = |step: &Step| *step != Step::Retain || config.kept_max.is_some();
    let steps: Vec<Step> = Step::REMOVING
        .into_iter()
        .filter(|step| is_between(step) && is_useful(step))
        .collect();
    // All that the earlier backup holds is trimmed; or deleted, and its segments are merged.
    let longer: [&[Step]; 4] = [
        &[Step::Fill, Step::TrimAll, Step::Small],
        &[Step::TrimAll, Step::Fill, Step::Merge],
        &[Step::Fill, Step::Merge, Step::Trim],
        &[Step::DeleteAll, Step::Fill, Step::DeleteFirst],
    ];
    let between = workloads(&steps, 2)
        .into_iter()
        .chain(longer.map(<[Step]>::to_vec));
    let all = between.map(|steps| [&[Step::Fill, Step::Backup], &steps[..], &[Step::Backup]].concat());
    battery(config, all.collect(), Settings::get().states / 30, states_min);
}

#[test]
fn backups_onto_backups_with_each_publish() {
    backups(Config::REMOVING[0], 12_000);
}

#[test]
fn backups_onto_backups_with_os() {
    backups(Config::REMOVING[1], 12_000);
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

/// Control records and producers, on a new log and on one that has a few segments behind some; of the workloads of
/// three steps as many as the settings say.
fn controlling(config: Config, states_min: usize) {
    let settings = Settings::get();
    let is_drawn = |index: usize| mix(settings.seed, index as u64).is_multiple_of(3 * settings.one_in);
    let first = [Step::Produce, Step::Fence, Step::Fill];
    let filled = workloads(&Step::CONTROLLING, 3)
        .into_iter()
        .enumerate()
        .filter(|(index, steps)| steps.len() < 3 || is_drawn(*index))
        .map(|(_, steps)| [&first[..], &steps[..]].concat());
    let mut all = workloads(&Step::CONTROLLING, 2);
    all.extend(filled);
    battery(config, all, settings.states * 36 / 100, states_min);
}

#[test]
fn control_records_and_producers_with_each_publish() {
    controlling(Config::REMOVING[0], 150_000);
}

#[test]
fn control_records_and_producers_with_os() {
    controlling(Config::OS, 150_000);
}

/// With a retention policy, which counts no control records.
#[test]
fn control_records_and_producers_while_retaining() {
    let steps = [
        Step::Fence,
        Step::TrimControl,
        Step::Seal,
        Step::Produce,
        Step::Retain,
        Step::Roll,
        Step::Reopen,
        Step::Backup,
    ];
    let first = [Step::FenceAlone, Step::Produce, Step::Fill];
    let all = workloads(&steps, 2).into_iter();
    let all = all.map(|steps| [&first[..], &steps[..]].concat()).collect();
    battery(Config::REMOVING[1], all, Settings::get().states / 200, 2500);
}

/// More batches of a producer than are known, and more segments than a table of producers may lag behind.
#[test]
fn many_batches_of_a_producer_in_many_segments() {
    use Step::{
        Backup, Close, DeleteAll, Fill, Merge, Produce, ProduceMany, ProduceTwice, Reopen, Roll, Sync, Trim,
        TrimAll,
    };
    let far = |steps: &[Step]| [&[Produce][..], &[Fill; 18], steps].concat();
    let all = vec![
        vec![ProduceMany, ProduceTwice, TrimAll],
        vec![ProduceMany, Merge, Close],
        vec![ProduceMany, Backup, Produce, Backup],
        vec![ProduceMany, DeleteAll, Reopen, Trim],
        far(&[Sync, Produce, Roll]),
        far(&[Roll, Sync, Trim]),
    ];
    for config in [Config::REMOVING[0], Config::OS] {
        battery(config, all.clone(), Settings::get().states / 700, 500);
    }
}

/// Where nothing is stored through a mapping: steps that add, that remove, and kills.
#[test]
fn everything_is_written_by_calls_with_each_publish() {
    by_call(Config::BY_CALL[0]);
}

#[test]
fn everything_is_written_by_calls_with_os() {
    by_call(Config::BY_CALL[1]);
}

fn by_call(config: Config) {
    use Step::{Backup, Close, DeleteMiddle, Fill, Merge, Recover, Reopen, Small, TrimAll};
    let longer: [&[Step]; 4] = [
        &[Fill, Reopen, Small, Reopen, Small],
        &[Fill, DeleteMiddle, Merge, Close],
        &[Fill, Backup, TrimAll, Small, Backup],
        &[Fill, Recover, Small, Close],
    ];
    let mut all = workloads(&Step::ADDING, 2);
    all.extend(longer.map(<[Step]>::to_vec));
    battery(config, all, Settings::get().states * 3 / 100, 4_000);
}

/// Tries again what a failure has printed.
#[test]
fn again() {
    if let Ok(line) = std::env::var("DURAMEN_CRASH_REPLAY") {
        replay(&line);
    }
}
