//! Batches that end before the end, because they hold enough bytes, or something behind them is damaged.

use std::fs;
use std::path::Path;

use duramen::{Batch, Error, FileLog, Log, NewMessage, Options, Result, Start, compact};

use crate::common::{fast_dir, segment_paths};

const MIB: usize = 1 << 20;

/// A log with `count` messages of the key and of this size, one of another key between each two.
fn log_of(dir: &Path, rollover: u64, count: usize, len: usize) -> FileLog {
    let options = Options::new()
        .create_dirs(true)
        .key_index(true)
        .rollover(rollover);
    let log = options.open(dir).expect("a new log");
    let value = vec![7; len];
    for _ in 0..count {
        let batch = [
            NewMessage::new(b"key", &value),
            NewMessage::new(b"other", b"value"),
        ];
        log.publish(&batch).expect("a publish");
    }
    log
}

fn len(batch: &Batch) -> usize {
    let values = batch.iter().map(|message| message.value.as_ref());
    values.map(|value| value.expect("a value").len()).sum()
}

/// Goal: reading by key holds a bounded part of the log in memory, and leaves nothing out. Method: messages of some
/// size, in one segment and in many, also more than are found by following a chain; asked for all of them, a batch
/// ends after 8 MiB and one more message, and where it says one goes on.
#[test]
fn a_batch_by_key_ends_after_8_mib() {
    for (rollover, count, size, max_count) in [
        (1 << 30, 40, MIB, usize::MAX),
        (4 << 20, 40, MIB, usize::MAX),
        (1 << 30, 6000, 4 << 10, 5999),
        (1 << 30, 2, 20 * MIB, 2),
    ] {
        let dir = fast_dir();
        let log = log_of(dir.path(), rollover, count, size);
        let (mut from, mut read) = (Start::Oldest, Vec::new());
        loop {
            let batch = log.consume_by_key(b"key", from, max_count).expect("a batch");
            if batch.messages.is_empty() {
                assert_eq!(batch.next_offset, 2 * count as u64);
                break;
            }
            assert!(len(&batch) <= 8 * MIB + size.max(MIB), "{}", len(&batch));
            assert_eq!(
                batch.next_offset,
                batch.messages[batch.messages.len() - 1].offset + 1
            );
            from = Start::At(batch.next_offset);
            read.extend(batch.into_iter().map(|message| message.offset));
        }
        let expected: Vec<u64> = (0..2 * count as u64).step_by(2).collect();
        assert_eq!(read, expected, "{size} with segments of {rollover}");
    }
}

/// Goal: whoever reads by key goes on after a short batch. Method: a tombstone behind more than a batch of its key,
/// all of which a compaction would remove first.
#[test]
fn a_compaction_sees_past_a_short_batch() {
    let dir = fast_dir();
    let log = log_of(dir.path(), 4 << 20, 20, MIB);
    log.publish(&[NewMessage::tombstone(b"key")]).expect("a publish");
    let settings = compact::Settings::new().older_than(std::time::Duration::ZERO);
    let dry = compact::compact(&log, &settings.clone().dry_run(true)).expect("a dry run");
    let done = compact::compact(&log, &settings).expect("a compaction");
    // Of the other key one stays.
    assert_eq!((dry.messages, done.messages), (20 + 19 + 1, 20 + 19 + 1));
    assert_eq!(log.stat().expect("open").messages, 1);
}

const MESSAGES: u64 = 300;
/// More than there are messages in the smallest of the segments below.
const KEYS: u64 = 30;

fn key(offset: u64) -> String {
    format!("key {}", offset % KEYS)
}

fn value(offset: u64) -> String {
    format!("value {offset:08}")
}

/// Flips a bit of the message at `offset`, in its key or in its value, in whatever segment it is.
fn damage(dir: &Path, offset: u64, in_key: bool) {
    let (key, value) = (key(offset), value(offset));
    let content = [key.as_bytes(), value.as_bytes()].concat();
    for path in segment_paths(dir) {
        let mut bytes = fs::read(&path).expect("a segment");
        let found = bytes.windows(content.len()).position(|window| window == content);
        if let Some(at) = found {
            let bit = if in_key { at } else { at + key.len() };
            bytes[bit] ^= 1;
            fs::write(&path, bytes).expect("written in place");
            return;
        }
    }
    panic!("no message {offset}");
}

/// All offsets that `consume` gives, up to the end or to a failure, and that.
fn offsets(consume: impl Fn(Start) -> Result<Batch>) -> (Vec<u64>, Option<Error>) {
    let (mut from, mut offsets) = (Start::Oldest, Vec::new());
    loop {
        match consume(from) {
            Ok(batch) if batch.messages.is_empty() => return (offsets, None),
            Ok(batch) => {
                from = Start::At(batch.next_offset);
                offsets.extend(batch.iter().map(|message| message.offset));
            }
            Err(error) => return (offsets, Some(error)),
        }
    }
}

/// Goal: damage withholds nothing that stands in front of it, and is told by whoever comes to it. Method: one message
/// damaged, in a segment that is written to and in sealed ones; all read, and the messages of each key.
#[test]
fn a_batch_ends_in_front_of_damage() {
    for (rollover, is_closed) in [
        (1 << 30, false),
        (1 << 30, true),
        (4 << 10, true),
        (1 << 10, true),
    ] {
        for (damaged, in_key, max_count) in [
            (0, true, 64),
            (1, false, 64),
            (100, true, 1),
            (230, false, 64),
            (299, false, 1000),
        ] {
            let what =
                format!("{damaged} damaged, segments of {rollover}, closed {is_closed}, {max_count} at once");
            let dir = fast_dir();
            let options = Options::new().key_index(true).rollover(rollover);
            let mut log = options.open(dir.path()).expect("a new log");
            for offset in 0..MESSAGES {
                let (key, value) = (key(offset), value(offset));
                let message = NewMessage::new(key.as_bytes(), value.as_bytes());
                log.publish(&[message]).expect("a publish");
            }
            if is_closed {
                log.close().expect("closed");
                log = options.open(dir.path()).expect("a log");
                // The last segment may have no index yet, and damage would keep it from being built.
                log.get_by_key(b"key 0").expect("a message");
            }
            damage(dir.path(), damaged, in_key);
            let (read, error) = offsets(|from| log.consume(from, max_count));
            assert_eq!(read, (0..damaged).collect::<Vec<_>>(), "{what}");
            let is_told = matches!(error, Some(Error::Corrupt { offset, .. }) if offset == Some(damaged));
            assert!(is_told, "{what}");
            for number in 0..KEYS {
                let (read, error) =
                    offsets(|from| log.consume_by_key(key(number).as_bytes(), from, max_count));
                let is_damaged = damaged % KEYS == number;
                let end = if is_damaged { damaged } else { MESSAGES };
                let expected = (0..end).filter(|offset| offset % KEYS == number);
                assert_eq!(
                    read,
                    expected.collect::<Vec<_>>(),
                    "{what}, key {number}: {error:?}"
                );
                assert_eq!(error.is_some(), is_damaged, "{what}, key {number}: {error:?}");
            }
        }
    }
}

/// Goal: the same where a key has more messages in a segment than a chain is followed for. Method: all of one key.
#[test]
fn a_batch_of_a_long_chain_ends_in_front_of_damage() {
    const DAMAGED: u64 = 3033;
    let dir = fast_dir();
    let log = Options::new()
        .key_index(true)
        .open(dir.path())
        .expect("a new log");
    let values: Vec<String> = (0..6000).map(value).collect();
    let key = key(DAMAGED);
    let messages: Vec<_> = values
        .iter()
        .map(|value| NewMessage::new(key.as_bytes(), value.as_bytes()))
        .collect();
    log.publish(&messages).expect("a publish");
    damage(dir.path(), DAMAGED, false);
    let (read, error) = offsets(|from| log.consume_by_key(key.as_bytes(), from, 1000));
    assert_eq!(read, (0..DAMAGED).collect::<Vec<_>>(), "{error:?}");
    assert!(
        matches!(
            error,
            Some(Error::Corrupt {
                offset: Some(DAMAGED),
                ..
            })
        ),
        "{error:?}"
    );
}
