use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use duramen::fault::SimDisk;
use duramen::{Corruption, Error, FileLog, Log, Message, Start, Timestamp};

use super::history::{Expected, Promise};
use super::workload::{Config, Content, as_new};

/// What is wrong, beginning with the guarantee that was broken.
pub(crate) type Verdict<T> = std::result::Result<T, String>;

/// What a log held when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) next: u64,
    pub(crate) epoch: u64,
    pub(crate) synced: u64,
    /// After how many operations of the disk the log was open.
    pub(crate) point: usize,
}

impl Found {
    /// What the log promises now that it is open, besides what was promised before.
    pub(crate) fn promise(&self, config: &Config, before: Promise) -> Promise {
        let durable = if config.is_visible_durable() {
            self.next
        } else {
            self.synced
        };
        Promise {
            durable: before.durable.max(durable),
            seen: self.next,
            epoch: self.epoch,
            ..before
        }
    }
}

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

/// Runs a check that must not panic, whatever the disk holds.
pub(crate) fn without_panic<T>(check: impl FnOnce() -> Verdict<T>) -> Verdict<T> {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("of another type");
        // The checks themselves panic where a promise is broken in the middle of a step.
        Err(if text.contains(": G") || text.starts_with('G') {
            text.to_owned()
        } else {
            format!("G6: panic: {text}")
        })
    })
}

/// Opens the log on `disk` and checks what it holds.
pub(crate) fn open(config: &Config, disk: &SimDisk, expected: &Expected<'_>) -> Verdict<(FileLog, Found)> {
    let log = config
        .options(disk)
        .open(Config::DIR)
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
    let as_found = expected.exactly(found.next, found.epoch);
    let (log, second) =
        open(config, &again, &as_found).map_err(|text| format!("G7: opened again: {text}"))?;
    ensure!(
        second.next == found.next,
        "G7: opened again: {} messages, then {}",
        found.next,
        second.next
    );

    // The log goes on, and what it says to be durable is.
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
    messages.push(more);
    let after_cut = again.power_cut();
    drop(log);
    let promise = Promise {
        durable: next,
        seen: next,
        epoch: second.epoch,
        ..expected.promise
    };
    let expected = Expected {
        messages: &messages,
        ends: vec![next],
        promise,
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
    is_sound(config, &after_cut)?;
    Ok(found)
}

/// Opening for reading works without recovery, shows a part of what was published, and changes nothing.
fn read_only_changes_nothing(config: &Config, disk: &SimDisk, expected: &Expected<'_>) -> Verdict<()> {
    let point = disk.point();
    // A reader cannot say in an epoch of its own that something was lost.
    let mut expected = expected.clone();
    expected.promise.seen = expected.promise.durable;
    match config.options(disk).read_only(true).open(Config::DIR) {
        Ok(log) => {
            let found = examine(config, &log, &expected).map_err(|text| format!("read only: {text}"))?;
            ensure!(found.synced <= found.next, "G1: synced beyond the end");
        }
        Err(Error::NoLog { .. }) if expected.ends.contains(&0) => {}
        Err(error) => return Err(format!("G1: does not open for reading: {}", told(&error))),
    }
    ensure!(
        disk.point() == point,
        "G8: opening for reading has changed something"
    );
    match duramen::check(Config::DIR, &config.options(disk)) {
        // Without waiting for syncs, a crash can tear segments before the last, which check cannot tell from damage.
        Ok(_) if !config.is_visible_durable() => {}
        Ok(report) => {
            // One copy of the metadata may have been hit while it was written: check cannot know that this was all.
            let first = report
                .problems
                .iter()
                .find(|problem| problem.kind != Corruption::Meta);
            ensure!(first.is_none(), "G1: before it is opened, check finds {first:?}");
        }
        Err(Error::NoLog { .. }) if expected.ends.contains(&0) => {}
        Err(error) => return Err(format!("G1: check fails: {}", told(&error))),
    }
    ensure!(disk.point() == point, "G8: check has changed something");
    Ok(())
}

/// A check finds nothing, and changes nothing.
fn is_sound(config: &Config, disk: &SimDisk) -> Verdict<()> {
    let point = disk.point();
    let report = duramen::check(Config::DIR, &config.options(disk));
    let report = report.map_err(|error| format!("G1: check fails: {}", told(&error)))?;
    let first = report.problems.first();
    ensure!(first.is_none(), "G1: check finds {first:?}");
    ensure!(disk.point() == point, "G8: check has changed something");
    Ok(())
}

/// Reads everything in every way there is.
pub(crate) fn examine(config: &Config, log: &FileLog, expected: &Expected<'_>) -> Verdict<Found> {
    let stats = log
        .stat()
        .map_err(|error| format!("G1: stat: {}", told(&error)))?;
    let (next, promise) = (stats.next_offset, expected.promise);
    ensure!(
        next >= promise.durable,
        "G1: {} messages were durable, {next} are left",
        promise.durable
    );
    ensure!(
        expected.ends.contains(&next),
        "G2: next offset {next} is none of {:?}",
        expected.ends
    );
    ensure!(
        stats.synced_offset <= next,
        "G1: synced up to {}, beyond {next}",
        stats.synced_offset
    );
    ensure!(
        stats.messages == next,
        "G2: {} messages up to {next}",
        stats.messages
    );
    ensure!(
        next >= promise.seen || stats.epoch > promise.epoch,
        "G3: {} were seen, {next} are left, and the epoch is {} as before",
        promise.seen,
        stats.epoch
    );
    let messages = read_all(log)?;
    ensure!(
        messages.len() as u64 == next,
        "G2: {} messages are read of {next}",
        messages.len()
    );
    for ((message, content), offset) in messages.iter().zip(expected.messages).zip(0_u64..) {
        same(message, content, offset)?;
        let got = log
            .get(Start::At(offset))
            .map_err(|error| format!("G1: get {offset}: {}", told(&error)))?;
        ensure!(
            got == *message,
            "G1: get {offset} gives another message than consume"
        );
    }
    let contents = &expected.messages[..messages.len()];
    if config.key_index {
        keys_are_found(log, contents)?;
    }
    if config.time_index {
        times_are_found(log, contents)?;
    }
    Ok(Found {
        next,
        epoch: stats.epoch,
        synced: stats.synced_offset,
        point: 0,
    })
}

fn read_all(log: &FileLog) -> Verdict<Vec<Message>> {
    let mut all = Vec::new();
    let mut from = Start::Oldest;
    loop {
        let batch = log
            .consume(from, 64)
            .map_err(|error| format!("G1: consume: {}", told(&error)))?;
        let is_end =
            from == Start::At(batch.next_offset) || (batch.messages.is_empty() && from == Start::Oldest);
        from = Start::At(batch.next_offset);
        all.extend(batch);
        if is_end {
            return Ok(all);
        }
    }
}

fn same(message: &Message, content: &Content, offset: u64) -> Verdict<()> {
    let headers = message
        .headers
        .as_slice()
        .iter()
        .map(|(name, value)| (name.to_vec(), value.to_vec()));
    let read = Content {
        time: message.time.as_micros(),
        key: message.key.as_deref().map(<[u8]>::to_vec),
        value: message.value.as_deref().map(<[u8]>::to_vec),
        headers: headers.collect(),
    };
    ensure!(
        message.offset == offset,
        "G2: offset {} instead of {offset}",
        message.offset
    );
    ensure!(
        read == *content,
        "G1: at {offset} not what was published: {read:?} instead of {content:?}"
    );
    Ok(())
}

fn keys_are_found(log: &FileLog, contents: &[Content]) -> Verdict<()> {
    let mut last: BTreeMap<&[u8], u64> = BTreeMap::new();
    last.extend(
        contents
            .iter()
            .zip(0..)
            .filter_map(|(content, offset)| Some((content.key.as_deref()?, offset))),
    );
    for (key, offset) in &last {
        let found = log
            .offset_by_key(key)
            .map_err(|error| format!("G1: key {key:?}: {}", told(&error)))?;
        ensure!(
            found == *offset,
            "G1: key {key:?} is found at {found}, not {offset}"
        );
    }
    let absent = log.offset_by_key(b"nobody has this key");
    ensure!(
        matches!(absent, Err(Error::NotFound)),
        "G1: a key that nobody has: {absent:?}"
    );
    Ok(())
}

fn times_are_found(log: &FileLog, contents: &[Content]) -> Verdict<()> {
    let mut running_max = i64::MIN;
    for (content, offset) in contents.iter().zip(0..) {
        if content.time <= running_max {
            continue;
        }
        // Any time after the largest so far, up to this one, leads here.
        for time in [running_max.saturating_add(1), content.time] {
            let found = log.offset_by_time(Timestamp::from_micros(time));
            let found = found.map_err(|error| format!("G1: time {time}: {}", told(&error)))?;
            let wanted = (offset, Timestamp::from_micros(content.time));
            ensure!(
                found == wanted,
                "G1: time {time} is found at {found:?}, not {wanted:?}"
            );
        }
        running_max = content.time;
    }
    let after = log.offset_by_time(Timestamp::from_micros(running_max.saturating_add(1)));
    ensure!(
        matches!(after, Err(Error::NotFound)),
        "G1: a time after all: {after:?}"
    );
    Ok(())
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
