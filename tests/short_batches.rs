//! Batches by key that end before the end, because they hold enough bytes.

use duramen::{Batch, FileLog, Log, NewMessage, Options, Start, compact};

mod common;
use common::fast_dir;

const MIB: usize = 1 << 20;

/// A log with `count` messages of the key and of this size, one of another key between each two.
fn log_of(dir: &std::path::Path, rollover: u64, count: usize, len: usize) -> FileLog {
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
    let settings = compact::Settings::new();
    let dry = compact::compact(&log, &settings.clone().dry_run(true)).expect("a dry run");
    let done = compact::compact(&log, &settings).expect("a compaction");
    // Of the other key one stays.
    assert_eq!((dry.messages, done.messages), (20 + 19 + 1, 20 + 19 + 1));
    assert_eq!(log.stat().expect("open").messages, 1);
}
