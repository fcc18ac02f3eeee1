use duramen::{Batch, Error, FileLog, Log, Message, Start, Timestamp};

use crate::NAMES;

/// What reading from the oldest message on gave.
#[derive(Debug)]
pub struct Reading {
    pub messages: Vec<Message>,
    /// Whether it came to the end without an error.
    pub is_complete: bool,
}

/// More rounds than any log of a fuzz target takes, if each makes progress.
const ROUNDS_MAX: usize = 100_000;

/// Reads a log in every way there is. Anything may be an error, but nothing may panic or go on for ever.
pub fn read_everything(log: &FileLog) -> Reading {
    let reading = read_in_order(log, 5);
    for message in reading.messages.iter().take(40) {
        let _ = log.get(Start::At(message.offset));
        let _ = log.get_by_time(message.time);
        let _ = log.consume(Start::At(message.offset + 1), 1);
    }
    for start in starts(log) {
        let _ = log.get(start);
        let _ = log.consume(start, 3);
        let _ = log.consume(start, 0);
        for key in NAMES {
            let _ = log.consume_by_key(key, start, 4);
        }
    }
    for key in NAMES.into_iter().chain([&b"no such key"[..]]) {
        let _ = log.get_by_key(key);
        read_by_key(log, key);
    }
    for time in [i64::MIN, -1, 0, 1_000, i64::MAX].map(Timestamp::from_micros) {
        let _ = log.offset_by_time(time);
    }
    scan(log);
    let _ = log.stat();
    let _ = log.gc(std::time::Duration::ZERO);
    reading
}

fn starts(log: &FileLog) -> Vec<Start> {
    let mut starts = vec![Start::Oldest, Start::Newest, Start::At(0), Start::At(u64::MAX)];
    starts.extend([0, 1, 3, u64::MAX].map(Start::Last));
    starts.extend([i64::MIN, 0, i64::MAX].map(|time| Start::Time(Timestamp::from_micros(time))));
    if let (Ok(start), Ok(next)) = (log.start_offset(), log.next_offset()) {
        let around = |offset: u64| [offset.wrapping_sub(1), offset, offset.wrapping_add(1)];
        starts.extend(around(start).into_iter().chain(around(next)).map(Start::At));
    }
    starts
}

/// Consumes to the end, by batches of `max_count`.
pub fn read_in_order(log: &FileLog, max_count: usize) -> Reading {
    let mut messages = Vec::new();
    let end = follow(log, |from| {
        let batch = log.consume(from, max_count)?;
        assert!(batch.messages.len() <= max_count);
        messages.extend(batch.messages.iter().cloned());
        Ok(batch)
    });
    assert!(messages.is_sorted_by(|a, b| a.offset < b.offset));
    Reading {
        messages,
        is_complete: end.is_ok(),
    }
}

fn read_by_key(log: &FileLog, key: &[u8]) {
    let _ = follow(log, |from| {
        let batch = log.consume_by_key(key, from, 2)?;
        assert!(batch.iter().all(|message| message.key.as_deref() == Some(key)));
        Ok(batch)
    });
}

/// Goes on at the next offset until it stops moving.
fn follow(log: &FileLog, mut consume: impl FnMut(Start) -> Result<Batch, Error>) -> Result<u64, Error> {
    let mut from = log.start_offset()?;
    for _ in 0..ROUNDS_MAX {
        let batch = consume(Start::At(from))?;
        if batch.next_offset == from {
            assert!(batch.messages.is_empty());
            return Ok(from);
        }
        assert!(batch.next_offset > from, "{} after {from}", batch.next_offset);
        for message in &batch {
            assert!((from..batch.next_offset).contains(&message.offset));
        }
        from = batch.next_offset;
    }
    panic!("no end in sight at offset {from}");
}

fn scan(log: &FileLog) {
    let Ok(mut scan) = log.scan(Start::Oldest) else {
        return;
    };
    for _ in 0..ROUNDS_MAX {
        match scan.next() {
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return,
        }
    }
    panic!("no end in sight");
}
