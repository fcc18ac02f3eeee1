//! The calls whose instructions are counted.
//!
//! Everything that a call needs is prepared before it, for twice the messages in any case, so that
//! preparing costs the same in both runs.

use std::fs;
use std::path::Path;

use duramen::{Error, FileLog, Log as _, NewMessage, Options, Start, Timestamp};

use crate::Outcome;

/// The directory of the log that is read, in that of this run.
pub(crate) const BUILT: &str = "built";

/// The number of messages in a call that takes or returns many.
const BATCH_COUNT: usize = 64;
const KEY_LEN: usize = 10;
const SMALL: usize = 128;
const LARGE: usize = 1 << 10;
const TIME_START: i64 = 1_700_000_000_000_000;
/// The messages are as far apart in time as this many microseconds.
const PACE: u64 = 100;

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    run: Run,
}

#[derive(Clone, Copy, Debug)]
enum Run {
    Publish {
        value_len: usize,
        batch_count: usize,
        indexes: bool,
    },
    /// Something with so many messages of the log that was built.
    Read(fn(&FileLog, &Messages, usize) -> Outcome),
}

const fn publish(name: &'static str, value_len: usize, batch_count: usize, indexes: bool) -> Call {
    let run = Run::Publish {
        value_len,
        batch_count,
        indexes,
    };
    Call { name, run }
}

const fn read(name: &'static str, run: fn(&FileLog, &Messages, usize) -> Outcome) -> Call {
    let run = Run::Read(run);
    Call { name, run }
}

pub(crate) const CALLS: [Call; 12] = [
    publish("publish, one a call, no index", SMALL, 1, false),
    publish("publish, one a call, both indexes", SMALL, 1, true),
    publish(
        "publish, 64 a call, no index, per message",
        SMALL,
        BATCH_COUNT,
        false,
    ),
    publish(
        "publish, 64 a call, both indexes, per message",
        SMALL,
        BATCH_COUNT,
        true,
    ),
    publish(
        "publish, 64 a call of 1 KiB, no index, per message",
        LARGE,
        BATCH_COUNT,
        false,
    ),
    publish(
        "publish, 64 a call of 1 KiB, both indexes, per message",
        LARGE,
        BATCH_COUNT,
        true,
    ),
    read("consume, 64 at a time, per message", consume),
    read("scan, borrowed, per message", scan),
    read("get by offset", get),
    read("get by key", get_by_key),
    read("get by key, missing", get_missing),
    read("get by time", get_by_time),
];

impl Call {
    /// Does this `times` for each of so many messages.
    pub(crate) fn run(&self, dir: &Path, messages: usize, times: usize) -> Outcome {
        let done = messages * times;
        match self.run {
            Run::Publish {
                value_len,
                batch_count,
                indexes,
            } => {
                let content = Messages::new(2 * messages, value_len);
                let dir = dir.join(format!("published-{}", std::process::id()));
                let options = Options::new().key_index(indexes).time_index(indexes);
                let log = options.create_dirs(true).open(&dir)?;
                let all = content.all();
                for batch in all[..done].chunks(batch_count) {
                    log.publish(batch)?;
                }
                ensure(log.next_offset()? == done as u64)?;
                // Closing would index all messages.
                std::mem::forget(log);
                fs::remove_dir_all(dir)?;
                Ok(())
            }
            Run::Read(read) => {
                let content = Messages::new(2 * messages, SMALL);
                let log = indexed().open(dir.join(BUILT))?;
                // The first use maps files and fills tables, also in the shorter run.
                read(&log, &content, 2 * messages)?;
                read(&log, &content, done)
            }
        }
    }
}

/// Builds the log that is read.
pub(crate) fn build(dir: &Path, messages: usize) -> Outcome {
    let content = Messages::new(messages, SMALL);
    let log = indexed().create_dirs(true).open(dir)?;
    for batch in content.all().chunks(BATCH_COUNT) {
        log.publish(batch)?;
    }
    Ok(log.close()?)
}

fn indexed() -> Options {
    Options::new().key_index(true).time_index(true)
}

/// What the messages consist of. Each has a key of its own.
#[derive(Debug)]
struct Messages {
    keys: Vec<[u8; KEY_LEN]>,
    /// Keys that no message has.
    missing: Vec<[u8; KEY_LEN]>,
    /// The numbers of the messages in the order in which they are got.
    picks: Vec<usize>,
    value: Vec<u8>,
}

impl Messages {
    fn new(count: usize, value_len: usize) -> Messages {
        Messages {
            keys: (0..count).map(key).collect(),
            missing: (count..2 * count).map(key).collect(),
            // Odd, so that every number comes up once where the count is a power of two.
            picks: (0..count).map(|number| number * 7_919 % count).collect(),
            value: (0..=250).cycle().take(value_len).collect(),
        }
    }

    fn all(&self) -> Vec<NewMessage<'_>> {
        let numbered = self.keys.iter().enumerate();
        numbered
            .map(|(number, key)| NewMessage::new(key, &self.value).time(time(number)))
            .collect()
    }
}

/// A key that is not in the order of the numbers.
fn key(number: usize) -> [u8; KEY_LEN] {
    let mut text = [b'0'; KEY_LEN];
    let mut rest = number * 2_654_435_761 % 10_000_000_000;
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789"[rest % 10];
        rest /= 10;
    }
    text
}

fn time(number: usize) -> Timestamp {
    Timestamp::from_micros(TIME_START + (number as u64 * PACE).cast_signed())
}

fn consume(log: &FileLog, _: &Messages, count: usize) -> Outcome {
    let mut next = 0;
    while next < count as u64 {
        let batch = log.consume(Start::At(next), BATCH_COUNT)?;
        for message in &batch {
            ensure(message.offset == next)?;
            next += 1;
        }
    }
    Ok(())
}

fn scan(log: &FileLog, _: &Messages, count: usize) -> Outcome {
    let mut scan = log.scan(Start::Oldest)?;
    for number in 0..count as u64 {
        ensure(scan.next()?.is_some_and(|message| message.offset == number))?;
    }
    Ok(())
}

fn get(log: &FileLog, messages: &Messages, count: usize) -> Outcome {
    for number in &messages.picks[..count] {
        let offset = *number as u64;
        ensure(log.get(Start::At(offset))?.offset == offset)?;
    }
    Ok(())
}

fn get_by_key(log: &FileLog, messages: &Messages, count: usize) -> Outcome {
    for number in &messages.picks[..count] {
        let found = log.get_by_key(&messages.keys[*number])?;
        ensure(found.offset == *number as u64)?;
    }
    Ok(())
}

fn get_missing(log: &FileLog, messages: &Messages, count: usize) -> Outcome {
    for key in &messages.missing[..count] {
        ensure(matches!(log.get_by_key(key), Err(Error::NotFound)))?;
    }
    Ok(())
}

fn get_by_time(log: &FileLog, messages: &Messages, count: usize) -> Outcome {
    for number in &messages.picks[..count] {
        let found = log.get_by_time(time(*number))?;
        ensure(found.offset == *number as u64)?;
    }
    Ok(())
}

#[inline]
fn ensure(holds: bool) -> Outcome {
    if holds {
        Ok(())
    } else {
        Err("a call returned something else than it should".into())
    }
}
