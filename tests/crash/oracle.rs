use std::path::Path;
use std::sync::Arc;

use duramen::fault::{CrashPlan, SimDisk, restore_to};
use duramen::{Corruption, Error, FileLog, Log, Message, Retention};

use super::examine::{Found, examine, read_all};
use super::gone_on::GoneOn;
use super::history::{Expected, ExpectedCopy, Promise};
use super::marks::{Mark, Marks, State};
use super::workload::Config;
use crate::verdict::{self, Verdict, ensure};

/// Of logs with control records or producers, so many are restored and recovered.
const COPIES_SHOW_EVERY: u64 = 8;

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
    read_only_changes_nothing(config, disk, expected, true)?;
    recovers_for_writing(config, disk, expected)
}

/// The same where all calls have failed from one on. Where that one has torn the marker, nothing tells readers that the
/// last batch is durable before a writer has opened the log.
pub(crate) fn recovers_without_marker(
    config: &Config,
    disk: &SimDisk,
    expected: &Expected<'_>,
) -> Verdict<Found> {
    read_only_changes_nothing(config, disk, expected, !config.is_visible_durable())?;
    recovers_for_writing(config, disk, expected)
}

fn recovers_for_writing(config: &Config, disk: &SimDisk, expected: &Expected<'_>) -> Verdict<Found> {
    let (log, found) = open(config, disk, expected)?;

    // The process is killed right after: nothing that was visible may be lost.
    let again = disk.kill();
    drop(log);
    let as_found = expected.exactly(&found);
    if !expected.marks.is_empty() && (found.point as u64 + found.next).is_multiple_of(COPIES_SHOW_EVERY) {
        recovered_shows_the_same(config, &again.kill(), &as_found)?;
        restored_shows_the_same(config, &again.kill(), &found, &as_found)?;
    }
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
    let gone_on = GoneOn::new(&log, found, expected)?;
    let next = gone_on.next();
    let synced = log
        .sync()
        .map_err(|error| format!("G1: does not sync: {}", told(&error)))?;
    ensure!(synced == next, "G1: synced up to {synced}, not {next}");
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
    let mut expected = Expected {
        messages: &gone_on.messages,
        ends: vec![next],
        starts: vec![stats.start_offset],
        promise,
        marks: gone_on.marks,
        lost: Marks::new(),
        ..expected.clone()
    };
    expected.gone.extend(gone_on.controls);
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

/// Recovering a log that is not damaged changes nothing of what it is.
fn recovered_shows_the_same(config: &Config, disk: &SimDisk, as_found: &Expected<'_>) -> Verdict<()> {
    let report = duramen::recover(config.dir, &config.options(disk));
    let report = report.map_err(|error| format!("G1: does not recover: {}", told(&error)))?;
    ensure!(
        report.dropped.is_empty(),
        "G1: recover drops {:?}",
        report.dropped
    );
    open(config, disk, as_found)
        .map(drop)
        .map_err(|text| format!("recovered: {text}"))
}

/// Restored, the log is the same; restored up to an offset, it is what the records in front of it make of it.
fn restored_shows_the_same(
    config: &Config,
    disk: &SimDisk,
    found: &Found,
    as_found: &Expected<'_>,
) -> Verdict<()> {
    let log = config.options(disk).retention(Retention::new()).open(config.dir);
    let log = log.map_err(|error| format!("G1: does not open: {}", told(&error)))?;
    let len = found.next - found.start;
    let ends = [found.next, found.start + found.point as u64 % (len + 1)];
    // Of batches that are in no segment any more, only the last are known.
    let is_all_told = found.offsets.len() as u64 == found.next || !State::of(&as_found.marks).has_forgotten();
    for (end, dir) in ends.into_iter().zip(["/data/restored", "/data/restored-in-part"]) {
        if end < found.next && !is_all_told {
            continue;
        }
        let to = Config { dir, ..config.copy() };
        restore_to(&log, Path::new(dir), end).map_err(|error| format!("G1: no restore: {}", told(&error)))?;
        let is_part = |mark: &Arc<Mark>| mark.cut_at(end).map(Arc::new);
        let expected = Expected {
            ends: vec![end],
            marks: as_found.marks.iter().filter_map(is_part).collect(),
            lost: Marks::new(),
            promise: Promise {
                durable: end,
                seen: end,
                ..as_found.promise
            },
            ..as_found.clone()
        };
        let restored = open(&to, &disk.kill(), &expected);
        restored.map_err(|text| format!("restored up to {end}: {text}"))?;
    }
    Ok(())
}

/// Opening for reading works without recovery, shows a part of what was published, all that was durable if
/// `is_complete`, and changes nothing.
fn read_only_changes_nothing(
    config: &Config,
    disk: &SimDisk,
    expected: &Expected<'_>,
    is_complete: bool,
) -> Verdict<()> {
    let point = disk.point();
    // A reader cannot say in an epoch of its own that something was lost.
    let mut expected = expected.clone();
    expected.promise.seen = expected.promise.durable;
    match config.options(disk).read_only(true).open(config.dir) {
        Ok(log) if is_complete => {
            let found = examine(config, &log, &expected).map_err(|text| format!("read only: {text}"))?;
            ensure!(found.synced <= found.next, "G1: synced beyond the end");
        }
        Ok(log) => read_all(&log).map(drop)?,
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

/// What must hold of a backup: it is the old one or the new one, or known as unfinished; and taken again it is what the
/// log is.
pub(crate) fn copy_recovers(config: &Config, disk: &SimDisk, expected: &ExpectedCopy<'_>) -> Verdict<()> {
    copy_is_told(&config.copy(), disk, expected)?;
    copy_is_finished(config, &disk.kill()).map(drop)
}

fn copy_is_told(copy: &Config, disk: &SimDisk, expected: &ExpectedCopy<'_>) -> Verdict<()> {
    match copy.options(disk).read_only(true).open(copy.dir) {
        Err(Error::NoLog { .. }) if expected.old.is_none() => Ok(()),
        Err(Error::Unfinished { .. }) if !expected.new.is_empty() => {
            let options = copy.options(disk);
            // The crash may have taken the lock file.
            let files = || {
                let mut files = disk.files();
                files.retain(|(path, _)| !path.ends_with("/LOCK"));
                files
            };
            let before = files();
            let calls = [
                options.open(copy.dir).map(drop),
                duramen::stat(copy.dir, &options).map(drop),
                duramen::check(copy.dir, &options).map(drop),
                duramen::recover(copy.dir, &options).map(drop),
            ];
            let other = calls
                .iter()
                .find(|call| !matches!(call, Err(Error::Unfinished { .. })));
            ensure!(other.is_none(), "G5: an unfinished backup: {other:?}");
            ensure!(files() == before, "G5: an unfinished backup was changed");
            Ok(())
        }
        Err(error) => Err(format!("G1: the backup: {}", told(&error))),
        Ok(log) => {
            drop(log);
            let mut wrong = String::new();
            for one in expected.old.iter().chain(&expected.new) {
                match recovers(copy, &disk.kill(), one) {
                    Ok(_) => return Ok(()),
                    Err(text) => wrong = format!("{wrong}; {text}"),
                }
            }
            Err(format!("G1: neither the old backup nor the new one{wrong}"))
        }
    }
}

/// Takes the backup again; returns what is in it then, which is what the log holds, and the offset it begins at.
fn copy_is_finished(config: &Config, disk: &SimDisk) -> Verdict<Option<(u64, Vec<Message>)>> {
    let log = config.options(disk).open(config.dir);
    let log = log.map_err(|error| format!("G1: does not open: {}", told(&error)))?;
    let copy = config.copy();
    match log.backup(Path::new(copy.dir)) {
        // The log may have lost its end.
        Err(Error::Invalid(_)) if !config.is_visible_durable() => return Ok(None),
        Err(error) => return Err(format!("G5: the backup is not finished: {}", told(&error))),
        Ok(_) => {}
    }
    let copied = copy.options(disk).read_only(true).open(copy.dir);
    let copied = copied.map_err(|error| format!("G1: a new backup does not open: {}", told(&error)))?;
    let content = |log: &FileLog| -> Verdict<_> {
        let start = log.start_offset().map_err(|error| told(&error))?;
        Ok((
            start,
            log.next_offset().map_err(|error| told(&error))?,
            read_all(log)?,
            log.stat()
                .map_err(|error| told(&error))
                .map(|stats| (stats.token, stats.is_sealed, stats.producers))?,
        ))
    };
    let (ours, theirs) = (content(&log)?, content(&copied)?);
    ensure!(ours == theirs, "G1: the backup is {theirs:?}, the log {ours:?}");
    drop(copied);
    is_sound(&copy, disk)?;
    Ok(Some((theirs.0, theirs.2)))
}

/// The power fails while a backup is taken again, after each operation; returns how many disks were tried.
pub(crate) fn copy_is_finished_after_crashes(
    config: &Config,
    disk: &SimDisk,
    expected: &ExpectedCopy<'_>,
    plan: &CrashPlan,
) -> Verdict<usize> {
    const IMAGES: usize = 2;
    let rerun = disk.kill();
    let Some((start, messages)) = copy_is_finished(config, &rerun)? else {
        return Ok(0);
    };
    let mut expected = expected.clone();
    let Some(any) = expected.new.first().or(expected.old.as_ref()).cloned() else {
        return Ok(0);
    };
    let next = config
        .options(&rerun.kill())
        .read_only(true)
        .open(config.copy().dir);
    let next = next
        .and_then(|log| log.next_offset())
        .map_err(|error| told(&error))?;
    let offsets = messages.iter().map(|message| message.offset).collect();
    let found = Found {
        start,
        next,
        epoch: any.promise.epoch,
        synced: next,
        offsets,
        known: any.marks.partition_point(|mark| mark.end <= next),
        point: 0,
    };
    expected.new.push(any.exactly(&found));
    let mut tried = 0;
    for point in (disk.point()..=rerun.point()).filter(|point| rerun.is_crash_point(*point)) {
        for disk in rerun.crash_images(point, plan).take(IMAGES) {
            tried += 1;
            copy_recovers(config, &disk, &expected).map_err(|text| {
                format!(
                    "{text}, {point} operations into taking it again\n{}",
                    disk.op_log()
                )
            })?;
        }
    }
    Ok(tried)
}

/// An error with its causes.
pub(crate) fn told(error: &Error) -> String {
    error.to_string()
}
