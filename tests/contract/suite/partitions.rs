//! The partitions of streams.

use std::sync::Mutex;
use std::time::Duration;

use duramen::Log;
use duramen::store::{StoreOptions, StreamConfig};
use duramen::testing::{self, Case, Report, Setup};
use tempfile::TempDir;

use crate::common::fast_dir;

/// Runs the suite over partitions, each of a store of its own, which is opened with what `change` makes of the options.
fn run(takes: impl Fn(&Case) -> bool, change: impl Fn(StoreOptions) -> StoreOptions + Sync) -> Report {
    let dirs: Mutex<Vec<TempDir>> = Mutex::default();
    let new = |setup: Setup| -> Box<dyn Log> {
        let dir = fast_dir();
        let options = StoreOptions::new().log(setup.options());
        let store = change(options).open(dir.path()).expect("a store");
        let config = StreamConfig::new()
            .partitions(2)
            .key_index(setup.key_index)
            .time_index(setup.time_index)
            .require_token(setup.require_token)
            .timestamps(setup.timestamps);
        store.create("stream", &config).expect("created");
        let stream = store.stream("stream").expect("there");
        dirs.lock().expect("no panic here").push(dir);
        Box::new(stream.partition(1).expect("a partition"))
    };
    testing::run_where(&new, takes)
}

#[test]
fn a_partition_keeps_the_contract() {
    let report = run(|_| true, |options| options);
    assert!(report.is_ok(), "{report}");
    assert!(report.skipped.is_empty());
}

/// Goal: a partition that is closed between two calls is as any. Method: each is idle at once.
#[test]
fn a_partition_that_is_closed_all_the_time_keeps_the_contract() {
    // It compares sizes, and a log that was closed has an index file more.
    let by_size = "too_large_writes_nothing";
    let report = run(
        |case| !case.heavy && case.name != by_size,
        |options| options.idle_after(Duration::ZERO),
    );
    assert!(report.is_ok(), "{report}");
}
