//! The file log, with the settings that change what happens underneath.

use std::sync::Mutex;

use duramen::testing::{self, Report, Setup};
use duramen::{Durability, FileLog, Log, Options};
use tempfile::TempDir;

use crate::common::fast_dir;

/// Runs the suite over file logs opened with what `change` makes of the options; `heavy` with the cases that take
/// gigabytes.
fn run(heavy: bool, change: impl Fn(Options) -> Options + Sync) -> Report {
    run_wrapped(heavy, change, |log| Box::new(log))
}

/// Runs the light part of the suite over what `wrap` makes of file logs.
pub(crate) fn run_as(wrap: fn(FileLog) -> Box<dyn Log>) -> Report {
    run_wrapped(false, |options| options, wrap)
}

fn run_wrapped(
    heavy: bool,
    change: impl Fn(Options) -> Options + Sync,
    wrap: fn(FileLog) -> Box<dyn Log>,
) -> Report {
    let dirs: Mutex<Vec<TempDir>> = Mutex::default();
    let new = |setup: Setup| -> Box<dyn Log> {
        let dir = fast_dir();
        let log = change(setup.options()).open(dir.path()).expect("a new log");
        dirs.lock().expect("no panic here").push(dir);
        wrap(log)
    };
    // Thousands of segments of which a few are mapped make this one slow and show nothing new.
    let many_keys = "a_hundred_thousand_keys_are_told_apart";
    testing::run_where(&new, |case| heavy || !(case.heavy || case.name == many_keys))
}

#[test]
fn a_file_log_keeps_the_contract() {
    let report = run(true, |options| options);
    assert!(report.is_ok(), "{report}");
    assert!(report.skipped.is_empty());
}

#[test]
fn a_file_log_of_small_segments_keeps_the_contract() {
    let report = run(false, |options| options.rollover(8 << 10).segments_mapped_max(4));
    assert!(report.is_ok(), "{report}");
}

#[test]
fn a_file_log_without_background_thread_keeps_the_contract() {
    let report = run(false, |options| options.rollover(4 << 10).background(false));
    assert!(report.is_ok(), "{report}");
}

#[test]
fn a_file_log_that_syncs_each_publish_keeps_the_contract() {
    let report = run(false, |options| {
        options.rollover(16 << 10).durability(Durability::EachPublish)
    });
    assert!(report.is_ok(), "{report}");
}
