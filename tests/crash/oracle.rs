use std::path::Path;
use std::sync::Arc;

use duramen::fault::SimDisk;
use duramen::{Corruption, Error, FileLog, Log, Retention};

use super::content::{Content, as_new};
use super::examine::{Found, examine};
use super::history::{Expected, Promise};
use super::workload::Config;
use crate::verdict::{self, Verdict, ensure};

/// Runs a check that must not panic, whatever the disk holds. What is wrong begins with the guarantee
/// that was broken.
pub(crate) fn without_panic<T>(check: impl FnOnce() -> Verdict<T>) -> Verdict<T> {
    verdict::without_panic(check, |text| {
        // The checks themselves panic where a promise is broken in the middle of a step.
        if text.contains(": G") || text.starts_with('G') {
            text.to_owned()
        } else {
            format!("G6: panic: {text}")
        }
    })
}

/// Opens the log on `disk` and checks what it holds.
pub(crate) fn open(config: &Config, disk: &SimDisk, expected: &Expected<'_>) -> Verdict<(FileLog, Found)> {
    // What a policy removes at open is a matter of the run.
    let log = config
        .options(disk)
        .retention(Retention::new())
        .open(config.dir)
        .map_err(|error| format!("G1: does not open: {}", told(&error)))?;
    let point = disk.point();
    let found = Found {
        point,
        ..examine(config, &log, expected)?
    };
    ensure!(
        disk.stores_into_holes() == 0,
        "G6: a store to a place without space"
    );
    ensure!(
        disk.loads_from_holes() == 0,
        "G6: a load through a mapping from a place without space"
    );
    if config.has_stranger {
        let stranger = disk.read_file(Config::STRANGER.as_ref());
        ensure!(
            stranger.as_deref() == Some(Config::STRANGER_BYTES),
            "G5: a file that is not ours was touched"
        );
    }
    Ok((log, found))
}

/// All that must hold of the disk after a crash: it opens as often as one likes, each time with the same, goes on, and
/// is found sound when it is closed.
pub(crate) fn recovers(config: &Config, disk: &SimDisk, expected: &Expected<'_>) -> Verdict<Found> {
    read_only_changes_nothing(config, disk, expected)?;
    let (log, found) = open(config, disk, expected)?;

    // The process is killed right after: nothing that was visible may be lost.
    let again = disk.kill();
    drop(log);
    let as_found = expected.exactly(&found);
    let (log, second) =
        open(config, &again, &as_found).map_err(|text| format!("G7: opened again: {text}"))?;
    goes_on(config, &again, log, &second, &as_found)?;
    Ok(found)
}

/// The log goes on, and what it says to be durable is; closed, it is in order.
fn goes_on(
    config: &Config,
    disk: &SimDisk,
    log: FileLog,
    found: &Found,
    expected: &Expected<'_>,
) -> Verdict<()> {
    let more = Content::new(u64::MAX, found.next, 30);
    let next = as_new(std::slice::from_ref(&more), |messages| log.publish(messages));
    let next = next.map_err(|error| format!("G1: does not go on: {}", told(&error)))?;
    ensure!(
        next == found.next + 1,
        "G3: published at {}, not {}",
        next - 1,
        found.next
    );
    let synced = log
        .sync()
        .map_err(|error| format!("G1: does not sync: {}", told(&error)))?;
    ensure!(synced == next, "G1: synced up to {synced}, not {next}");
    let mut messages = expected.messages[..found.next as usize].to_vec();
    messages.push(Arc::new(more));
    // With a limit on messages, publishing one may have removed others.
    let stats = log
        .stat()
        .map_err(|error| format!("G1: stat: {}", told(&error)))?;
    let after_cut = disk.power_cut();
    drop(log);
    let promise = Promise {
        durable: next,
        seen: next,
        epoch: found.epoch,
        ..expected.promise
    };
    let expected = Expected {
        messages: &messages,
        ends: vec![next],
        starts: vec![stats.start_offset],
        promise,
        ..expected.clone()
    };
    let (log, _) = open(config, &after_cut, &expected).map_err(|text| format!("gone on: {text}"))?;
    log.close()
        .map_err(|error| format!("G1: does not close: {}", told(&error)))?;
    drop(log);
    ensure!(
        after_cut.open_handles() == 0,
        "G6: {} files or mappings left open",
        after_cut.open_handles()
    );
    is_sound(config, &after_cut)
}

/// Opening for reading works without recovery, shows a part of what was published, and changes nothing.
fn read_only_changes_nothing(config: &Config, disk: &SimDisk, expected: &Expected<'_>) -> Verdict<()> {
    let point = disk.point();
    // A reader cannot say in an epoch of its own that something was lost.
    let mut expected = expected.clone();
    expected.promise.seen = expected.promise.durable;
    match config.options(disk).read_only(true).open(config.dir) {
        Ok(log) => {
            let found = examine(config, &log, &expected).map_err(|text| format!("read only: {text}"))?;
            ensure!(found.synced <= found.next, "G1: synced beyond the end");
        }
        Err(Error::NoLog { .. }) if expected.absent => {}
        Err(error) => return Err(format!("G1: does not open for reading: {}", told(&error))),
    }
    ensure!(
        disk.point() == point,
        "G8: opening for reading has changed something"
    );
    match duramen::check(config.dir, &config.options(disk)) {
        Ok(report) => {
            // One copy of the metadata may have been hit while it was written: check cannot know that this was all.
            let first = report
                .problems
                .iter()
                .find(|problem| problem.kind != Corruption::Meta);
            ensure!(first.is_none(), "G1: before it is opened, check finds {first:?}");
        }
        Err(Error::NoLog { .. }) if expected.absent => {}
        Err(error) => return Err(format!("G1: check fails: {}", told(&error))),
    }
    ensure!(disk.point() == point, "G8: check has changed something");
    Ok(())
}

/// A check finds nothing, and changes nothing.
pub(crate) fn is_sound(config: &Config, disk: &SimDisk) -> Verdict<()> {
    let point = disk.point();
    let report = duramen::check(config.dir, &config.options(disk));
    let report = report.map_err(|error| format!("G1: check fails: {}", told(&error)))?;
    let first = report.problems.first();
    ensure!(first.is_none(), "G1: check finds {first:?}");
    ensure!(disk.point() == point, "G8: check has changed something");
    Ok(())
}

/// What must hold of a backup: it is a log like any other, or none where it was never finished.
pub(crate) fn copy_recovers(config: &Config, disk: &SimDisk, expected: &Expected<'_>) -> Verdict<()> {
    let copy = config.copy();
    if expected.absent && !has_meta(&copy, disk) {
        let opened = copy.options(disk).read_only(true).open(copy.dir);
        return match opened {
            Err(
                Error::NoLog { .. }
                | Error::Corrupt {
                    kind: Corruption::Meta,
                    ..
                },
            ) => Ok(()),
            other => Err(format!("G5: an unfinished backup: {other:?}")),
        };
    }
    recovers(&copy, disk, expected)
        .map(drop)
        .map_err(|text| format!("{}: the backup: {text}", &text[..2.min(text.len())]))
}

fn has_meta(config: &Config, disk: &SimDisk) -> bool {
    let is_meta = |name: &str| disk.read_file(&Path::new(config.dir).join(name)).is_some();
    is_meta("meta.0") || is_meta("meta.1")
}

/// An error with its causes.
pub(crate) fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
