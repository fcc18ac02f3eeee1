//! Functions that the cases share. The cases read through [`drain`] instead of a single call,
//! because a log may return fewer messages than requested. [`drain`] also checks every batch
//! against the rules for batches.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};

use super::{Factory, Setup};
use crate::{Batch, Deleted, Log, Message, NewMessage, Result, Start, Timestamp};

/// Panics unless the call fails with an error that matches the pattern.
macro_rules! assert_fails {
    ($call:expr, $error:pat) => {
        match $call {
            Err($error) => {}
            Err(other) => panic!(
                "{} should fail with {}, but the error is {other:?}",
                stringify!($call),
                stringify!($error)
            ),
            Ok(_) => panic!(
                "{} should fail with {}, but it succeeded",
                stringify!($call),
                stringify!($error)
            ),
        }
    };
}
pub(super) use assert_fails;

pub(super) fn us(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub(super) fn header<'a>(name: &'a str, value: &'a str) -> (&'a [u8], &'a [u8]) {
    (name.as_bytes(), value.as_bytes())
}

/// Publishes one message and returns its offset.
#[track_caller]
pub(super) fn publish_one(log: &dyn Log, message: NewMessage<'_>) -> u64 {
    let next_offset = log.publish(&[message]).unwrap();
    next_offset
        .checked_sub(1)
        .expect("the next offset after a message is not 0")
}

/// Publishes messages with these numbers as decimal values, in one batch. In a new log, numbers
/// from 0 on equal the offsets.
#[track_caller]
pub(super) fn publish_numbers(log: &dyn Log, numbers: Range<u64>) {
    let values: Vec<String> = numbers.map(|number| number.to_string()).collect();
    let messages: Vec<NewMessage<'_>> = values
        .iter()
        .map(|value| NewMessage::value(value.as_bytes()))
        .collect();
    log.publish(&messages).unwrap();
}

/// Publishes messages with these keys, in one batch. The value is the index in `keys`.
#[track_caller]
pub(super) fn publish_keys(log: &dyn Log, keys: &[&str]) {
    let values: Vec<String> = (0..keys.len()).map(|place| place.to_string()).collect();
    let messages: Vec<NewMessage<'_>> = keys
        .iter()
        .zip(&values)
        .map(|(key, value)| NewMessage::new(key.as_bytes(), value.as_bytes()))
        .collect();
    log.publish(&messages).unwrap();
}

/// Publishes messages with these times and no content, in one batch.
#[track_caller]
pub(super) fn publish_times(log: &dyn Log, times: &[i64]) {
    let messages: Vec<NewMessage<'_>> = times
        .iter()
        .map(|time| NewMessage::default().time(us(*time)))
        .collect();
    log.publish(&messages).unwrap();
}

/// Deletes the messages at these offsets.
#[track_caller]
pub(super) fn delete(log: &dyn Log, offsets: &[u64]) -> Deleted {
    log.delete(&offsets.iter().copied().collect()).unwrap()
}

/// A new log of `count` numbers, of which those at the offsets `deleted` are deleted.
pub(super) fn numbers_without(new: Factory<'_>, count: u64, deleted: &[u64]) -> Box<dyn Log> {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..count);
    delete(&log, deleted);
    log
}

/// Panics unless the log holds the messages at these offsets and no others.
#[track_caller]
pub(super) fn check_left(log: &dyn Log, expected: &[u64]) {
    let left = all(log);
    assert_eq!(offsets(&left), expected);
    assert_eq!(log.stat().unwrap().messages, expected.len() as u64);
    for message in left {
        assert_eq!(log.get(Start::At(message.offset)).unwrap(), message);
    }
}

/// The value as a number; see [`publish_numbers`].
#[track_caller]
pub(super) fn number(message: &Message) -> u64 {
    let value = message.value.as_deref().expect("a value");
    std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse().ok())
        .expect("a value that is a number")
}

/// All messages from `from` to the end, read `max_count` at a time, and the offset of the end.
#[track_caller]
pub(super) fn drain(log: &dyn Log, from: Start, max_count: usize) -> Batch {
    drain_with(log, from, max_count, |at| log.consume(at, max_count))
}

/// As [`drain`], with `consume_by_key`.
#[track_caller]
pub(super) fn drain_by_key(log: &dyn Log, key: &[u8], from: Start, max_count: usize) -> Batch {
    drain_with(log, from, max_count, |at| log.consume_by_key(key, at, max_count))
}

#[track_caller]
fn drain_with(log: &dyn Log, from: Start, max_count: usize, read: impl Fn(Start) -> Result<Batch>) -> Batch {
    assert!(max_count > 0, "reading no messages at a time never ends");
    let mut whole = Batch::default();
    let mut at = from;
    loop {
        let end_before = log.next_offset().unwrap();
        let batch = read(at).unwrap();
        let end_after = log.next_offset().unwrap();
        check_batch(at, max_count, &batch);
        let stays = batch.messages.is_empty() && at == Start::At(batch.next_offset);
        assert!(
            !stays || batch.next_offset >= end_before,
            "reading at {at:?} makes no progress, but the end is at {end_before}"
        );
        // Without this check, a log that always returns a higher offset would be read for ever.
        assert!(
            batch.next_offset <= end_after,
            "reading continues at {}, but the end is at {end_after}",
            batch.next_offset
        );
        whole.messages.extend(batch.messages);
        whole.next_offset = batch.next_offset;
        if stays {
            return whole;
        }
        at = Start::At(batch.next_offset);
    }
}

/// Checks the rules that hold for every batch that was read from `at`.
#[track_caller]
pub(super) fn check_batch(at: Start, max_count: usize, batch: &Batch) {
    let offsets = offsets(&batch.messages);
    assert!(
        offsets.len() <= max_count,
        "{} messages, but at most {max_count} were requested",
        offsets.len()
    );
    assert!(
        offsets.is_sorted_by(|a, b| a < b),
        "offsets do not increase: {offsets:?}"
    );
    if let Some(last) = offsets.last() {
        assert_eq!(
            batch.next_offset,
            last + 1,
            "the next offset is not one past the last message"
        );
    }
    if let Start::At(asked) = at {
        assert!(
            offsets.first().is_none_or(|first| *first >= asked),
            "reading at {asked} returns {offsets:?}"
        );
        assert!(
            batch.next_offset >= asked,
            "reading at {asked} continues at {}, which is lower",
            batch.next_offset
        );
    }
}

/// Every message of the log.
#[track_caller]
pub(super) fn all(log: &dyn Log) -> Vec<Message> {
    drain(log, Start::Oldest, 1000).messages
}

pub(super) fn offsets(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.offset).collect()
}

/// The offsets of all messages from `from` on.
#[track_caller]
pub(super) fn offsets_from(log: &dyn Log, from: Start) -> Vec<u64> {
    offsets(&drain(log, from, 1000).messages)
}

/// The offsets of all messages with this key from `from` on.
#[track_caller]
pub(super) fn key_offsets_from(log: &dyn Log, key: &[u8], from: Start) -> Vec<u64> {
    offsets(&drain_by_key(log, key, from, 1000).messages)
}

/// The result of the thread. Panics with the thread's own message if it panicked.
pub(super) fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Runs `work(number)` in `count` threads at once, numbered from 0. Panics if one of them panics.
pub(super) fn in_threads(count: u64, work: impl Fn(u64) + Sync) {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|number| scope.spawn(move || work(number)))
            .collect();
        threads.into_iter().for_each(join);
    });
}

/// Sets the flag when it is dropped. So threads that wait for the flag end even if this one panics.
pub(super) struct SetOnDrop<'a>(pub(super) &'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Pseudo-random numbers, the same on every run (George Marsaglia, "Xorshift RNGs", 2003).
pub(super) struct Random(u64);

impl Random {
    /// Seed 0 is replaced, because xorshift stays at 0.
    pub(super) fn new(seed: u64) -> Random {
        Random(if seed == 0 { 0x9E37_79B9_7F4A_7C15 } else { seed })
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number from 0 to `bound - 1`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// As [`below`](Random::below), as an index.
    pub(super) fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap_or(0)
    }
}
