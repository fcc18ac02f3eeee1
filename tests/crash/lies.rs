//! Battery T: a disk that breaks its word must be found out, or battery A would not find a log that breaks its own.
//!
//! Each lie is one that a log would be as bad as telling itself, by leaving out a sync or by doing things in the wrong
//! order.

use duramen::fault::Lie;

use super::battery::Battery;
use super::settings::Settings;
use super::workload::Step::{Batch, Close, Reopen, Segment, Small, Sync};
use super::workload::{Config, Step, Workload};

/// Disks to try at most for each lie.
const STATES: usize = 2000;

const EACH: Config = Config::ALL[0];
const OS: Config = Config::ALL[3];

/// What is told, of paths that contain what, from which step on.
type Told = (Lie, &'static str, usize);

/// Expects that battery A says `broken` of a log on a disk that lies.
fn is_caught(told: Told, config: Config, steps: &[Step], broken: &str) {
    let (lie, about, from) = told;
    let settings = Settings {
        deep_one_in: 1,
        ..Settings::get()
    };
    let workload = Workload {
        config,
        steps: steps.to_vec(),
    };
    let mut battery = Battery::new(settings);
    let verdict = battery.run(std::slice::from_ref(&workload), STATES, |disk, step| {
        if step == from {
            disk.lie(lie, about);
        }
    });
    let text = verdict.expect_err(&format!(
        "nobody noticed {told:?} in {workload}: {:?}",
        battery.tried
    ));
    println!(
        "{told:?} in {workload}: {}",
        text.lines().next().unwrap_or_default()
    );
    assert!(
        text.contains(broken),
        "{told:?} in {workload} was noticed for another reason: {text}"
    );
}

#[test]
fn a_publish_that_does_not_sync_is_caught() {
    is_caught(
        (Lie::Sync, ".log", 1),
        EACH,
        &[Small, Small],
        "G1: 2 messages were durable, 1 are left",
    );
}

#[test]
fn a_batch_of_which_the_sync_leaves_out_the_last_store_is_caught() {
    is_caught(
        (Lie::SyncLast, ".log", 1),
        EACH,
        &[Small, Batch],
        "G1: 6 messages were durable, 1 are left",
    );
}

#[test]
fn a_sync_that_does_not_sync_is_caught() {
    is_caught(
        (Lie::Sync, ".log", 1),
        OS,
        &[Small, Sync],
        "G1: 1 messages were durable, 0 are left",
    );
}

#[test]
fn a_close_that_does_not_sync_is_caught() {
    is_caught((Lie::Sync, ".log", 1), OS, &[Small, Close], "G1: does not open");
}

#[test]
fn a_segment_installed_before_its_header_is_durable_is_caught() {
    is_caught(
        (Lie::Sync, "segment.tmp", 1),
        EACH,
        &[Small, Segment],
        "G1: does not open",
    );
}

#[test]
fn a_segment_whose_length_is_not_durable_is_caught() {
    is_caught(
        (Lie::SyncLength, "segment.tmp", 1),
        EACH,
        &[Small, Segment],
        "G1: does not open",
    );
}

#[test]
fn a_segment_whose_name_is_not_durable_is_caught() {
    is_caught(
        (Lie::SyncDir, "", 1),
        EACH,
        &[Small, Segment],
        "G1: 2 messages were durable, 1 are left",
    );
}

#[test]
fn a_directory_whose_name_is_not_durable_is_caught() {
    is_caught((Lie::SyncDir, "", 0), Config::ALL[1], &[Small], "G1: ");
}

#[test]
fn a_roll_before_the_old_segment_is_durable_is_caught() {
    is_caught(
        (Lie::Sync, "/00000000000000000000.log", 1),
        OS,
        &[Small, Segment, Sync],
        "G1: ",
    );
}

#[test]
fn metadata_of_which_both_copies_are_written_at_once_is_caught() {
    is_caught(
        (Lie::Sync, "/meta.", 1),
        EACH,
        &[Small, Close],
        "the metadata is damaged",
    );
}

#[test]
fn metadata_that_says_closed_too_early_is_caught() {
    is_caught((Lie::Sync, ".log", 1), OS, &[Small, Close], "G1: ");
}

#[test]
fn a_recovery_that_replaces_a_segment_by_halves_is_caught() {
    let steps = [Small, Sync, Small, Reopen];
    is_caught(
        (Lie::Rename, ".log", 3),
        OS,
        &steps,
        "G1: 1 messages were durable, 0 are left",
    );
}

#[test]
fn a_recovery_that_replaces_a_segment_by_one_that_is_not_durable_is_caught() {
    is_caught(
        (Lie::Sync, ".log.tmp", 3),
        OS,
        &[Small, Sync, Small, Reopen],
        "G1: does not open for reading",
    );
}

#[test]
fn a_recovery_that_shows_a_segment_whose_name_is_not_durable_is_caught() {
    let steps = [Small, Sync, Small, Reopen, Sync];
    is_caught((Lie::SyncDir, "", 3), OS, &steps, "G");
}
