//! Reading a log in every way there is, and comparing it with what it may hold.

use std::collections::BTreeMap;

use duramen::{Error, FileLog, Log, Message, Start, Stats, Timestamp};

use super::content::Content;
use super::history::{Expected, Promise, Published};
use super::marks::{state_is_right, the_newest_is_a_message};
use super::oracle::told;
use super::workload::Config;
use crate::verdict::{Verdict, ensure};

/// What a log held when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: u64,
    pub(crate) next: u64,
    pub(crate) epoch: u64,
    pub(crate) synced: u64,
    /// The offsets of its messages.
    pub(crate) offsets: Vec<u64>,
    /// How many of the batches with control records or of producers are there.
    pub(crate) known: usize,
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

/// Reads everything in every way there is.
pub(crate) fn examine(config: &Config, log: &FileLog, expected: &Expected<'_>) -> Verdict<Found> {
    let stats = log
        .stat()
        .map_err(|error| format!("G1: stat: {}", told(&error)))?;
    ends_are_right(&stats, expected)?;
    let messages = read_all(log)?;
    ensure!(
        stats.messages == messages.len() as u64,
        "G2: {} messages counted, {} read",
        stats.messages,
        messages.len()
    );
    let mut found = Found {
        start: stats.start_offset,
        next: stats.next_offset,
        epoch: stats.epoch,
        synced: stats.synced_offset,
        offsets: messages.iter().map(|message| message.offset).collect(),
        known: 0,
        point: 0,
    };
    those_that_should_be_there(&found, expected)?;
    let mut contents = Vec::with_capacity(messages.len());
    for message in &messages {
        let content = &expected.messages[message.offset as usize];
        same(message, content)?;
        let got = log
            .get(Start::At(message.offset))
            .map_err(|error| format!("G1: get {}: {}", message.offset, told(&error)))?;
        ensure!(
            got == *message,
            "G1: get {} gives another message than consume",
            message.offset
        );
        contents.push((message.offset, content));
    }
    nothing_is_found_elsewhere(log, &found)?;
    if config.key_index {
        keys_are_found(log, &contents)?;
    }
    if config.time_index {
        times_are_found(log, &contents)?;
    }
    if !expected.marks.is_empty() {
        the_newest_is_a_message(log, &found.offsets)?;
        found.known = state_is_right(log, expected, &found)?;
    }
    Ok(found)
}

fn ends_are_right(stats: &Stats, expected: &Expected<'_>) -> Verdict<()> {
    let (start, next, promise) = (stats.start_offset, stats.next_offset, expected.promise);
    ensure!(
        next >= promise.durable,
        "G1: {} messages were durable, {next} are left",
        promise.durable
    );
    ensure!(
        expected.may_end_at(next, start),
        "G2: next offset {next} is none of {:?}, start offset {start}",
        expected.ends
    );
    ensure!(
        !expected.known_at(next, start).is_empty(),
        "G4: the start offset is {start}, none of {:?}, by control {:?}",
        expected.starts,
        expected.marks
    );
    ensure!(
        stats.synced_offset <= next,
        "G1: synced up to {}, beyond {next}",
        stats.synced_offset
    );
    ensure!(
        next >= promise.seen || stats.epoch > promise.epoch,
        "G3: {} were seen, {next} are left, and the epoch is {} as before",
        promise.seen,
        stats.epoch
    );
    Ok(())
}

/// That exactly the messages are there that were published and not removed.
fn those_that_should_be_there(found: &Found, expected: &Expected<'_>) -> Verdict<()> {
    let known = found.start..found.next.min(expected.messages.len() as u64);
    ensure!(
        found.offsets.is_sorted_by(|a, b| a < b) && found.offsets.iter().all(|offset| known.contains(offset)),
        "G2: offsets {:?}, from {} to {}",
        found.offsets,
        found.start,
        found.next
    );
    let is_there = |offset: &u64| found.offsets.binary_search(offset).is_ok();
    for offset in known.clone() {
        let is_undecided = expected.undecided.iter().any(|some| some.contains(&offset));
        if expected.gone.contains(&offset) {
            ensure!(!is_there(&offset), "G4: {offset} was removed and is back");
        } else if !is_undecided {
            ensure!(
                is_there(&offset),
                "G1: {offset} is gone, left are {:?}",
                found.offsets
            );
        }
    }
    for some in &expected.undecided {
        let count = || {
            some.iter()
                .filter(|offset| known.contains(offset) && !expected.gone.contains(offset))
        };
        let there = count().filter(|offset| is_there(offset)).count();
        ensure!(
            there == 0 || there == count().count(),
            "G4: of {some:?}, removed at once, some are left: {:?}",
            found.offsets
        );
    }
    Ok(())
}

pub(crate) fn read_all(log: &FileLog) -> Verdict<Vec<Message>> {
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

fn same(message: &Message, content: &Content) -> Verdict<()> {
    let is_same = message.time.as_micros() == content.time
        && message.key.as_deref() == content.key.as_deref()
        && message.value.as_deref() == content.value.as_deref()
        && message
            .headers
            .as_slice()
            .iter()
            .map(|(name, value)| (&name[..], &value[..]))
            .eq(content
                .headers
                .iter()
                .map(|(name, value)| (&name[..], &value[..])));
    ensure!(
        is_same,
        "G1: not what was published: {message:?} instead of {content:?}"
    );
    Ok(())
}

/// That offsets without a message are said to have none, and those out of range to be that.
fn nothing_is_found_elsewhere(log: &FileLog, found: &Found) -> Verdict<()> {
    // After damage the next offset may be far above.
    let near = found.start..found.next.min(found.start + 5000);
    for offset in near.chain(found.next.checked_sub(1).filter(|last| *last >= found.start)) {
        if found.offsets.binary_search(&offset).is_err() {
            let got = log.get(Start::At(offset));
            ensure!(
                matches!(got, Err(Error::NotFound)),
                "G4: get {offset}, which is gone: {got:?}"
            );
        }
    }
    for offset in [found.start.wrapping_sub(1), found.next] {
        let got = log.get(Start::At(offset));
        ensure!(
            matches!(got, Err(Error::OffsetOutOfRange { .. })),
            "G2: get {offset}, out of range: {got:?}"
        );
    }
    Ok(())
}

fn keys_are_found(log: &FileLog, contents: &[(u64, &Published)]) -> Verdict<()> {
    let mut last: BTreeMap<&[u8], u64> = BTreeMap::new();
    last.extend(
        contents
            .iter()
            .filter_map(|(offset, content)| Some((content.key.as_deref()?, *offset))),
    );
    for key in Content::KEYS
        .into_iter()
        .flatten()
        .chain([&b"nobody has this key"[..]])
    {
        let found = log.offset_by_key(key);
        match (last.get(key), found) {
            (Some(offset), Ok(found)) if found == *offset => {}
            (None, Err(Error::NotFound)) => {}
            (wanted, found) => {
                return Err(format!("G1: key {key:?} is found at {found:?}, not {wanted:?}"));
            }
        }
    }
    Ok(())
}

fn times_are_found(log: &FileLog, contents: &[(u64, &Published)]) -> Verdict<()> {
    let mut running_max = i64::MIN;
    for (offset, content) in contents {
        if content.time <= running_max {
            continue;
        }
        // Any time after the largest so far, up to this one, leads here.
        for time in [running_max.saturating_add(1), content.time] {
            let found = log.offset_by_time(Timestamp::from_micros(time));
            let found = found.map_err(|error| format!("G1: time {time}: {}", told(&error)))?;
            let wanted = (*offset, Timestamp::from_micros(content.time));
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
