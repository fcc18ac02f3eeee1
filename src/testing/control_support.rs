//! Functions that the cases of tokens, control records and limited reads share.

use std::collections::BTreeSet;
use std::fmt::Debug;

use super::support::{all, offsets, us};
use crate::{
    Ack, Control, Error, Log, Message, NewMessage, Place, PublishOptions, ReadBatch, ReadOptions, Result,
    Start, Stop, Token,
};

/// A message of which nothing matters. Its metered size is 9.
pub(super) const M: NewMessage<'static> = NewMessage::value(b"m");

pub(super) fn token(text: &str) -> Token {
    text.parse().unwrap()
}

pub(super) fn how<'a>() -> PublishOptions<'a> {
    PublishOptions::new()
}

pub(super) fn with_token<'a>(text: &str) -> PublishOptions<'a> {
    how().token(token(text))
}

pub(super) fn read_options() -> ReadOptions {
    ReadOptions::new()
}

pub(super) fn place(offset: u64, micros: i64) -> Place {
    Place {
        offset,
        time: us(micros),
    }
}

/// Publishes this control record alone.
#[track_caller]
pub(super) fn control(log: &dyn Log, control: Control) -> Ack {
    log.append(&[], &how().and(control)).unwrap()
}

/// Gives the log another token.
#[track_caller]
pub(super) fn fence(log: &dyn Log, text: &str) -> Ack {
    control(log, Control::Fence(token(text)))
}

/// Panics unless the call fails and changes nothing that can be seen of the log. Returns the error.
#[track_caller]
pub(super) fn refused<T: Debug>(log: &dyn Log, call: impl FnOnce() -> Result<T>) -> Error {
    let before = look(log);
    let error = match call() {
        Err(error) => error,
        Ok(result) => panic!("the call should be refused, but it gives {result:?}"),
    };
    assert_eq!(look(log), before, "after {error:?} the log is another one");
    error
}

/// Deletes these offsets by as many calls of `delete_some` as that takes. Returns how many messages
/// are gone.
#[track_caller]
pub(super) fn delete_by_some(log: &dyn Log, mut named: BTreeSet<u64>) -> u64 {
    let mut messages = 0;
    while !named.is_empty() {
        let before = named.len();
        messages += log.delete_some(&mut named).unwrap().messages;
        assert!(named.len() < before, "delete_some takes nothing out of {named:?}");
    }
    messages
}

/// All that can be seen of a log.
fn look(log: &dyn Log) -> impl PartialEq + Debug + use<> {
    let stat = log.stat().unwrap();
    let numbers = [stat.messages, stat.size, stat.start_offset, stat.next_offset];
    let content: Vec<Message> = all(log);
    let token = (log.token().ok(), stat.token);
    let is_sealed = (log.is_sealed().unwrap(), stat.is_sealed);
    (
        numbers,
        content,
        token,
        is_sealed,
        stat.producers,
        log.tail().unwrap(),
    )
}

/// Panics unless the call is fenced, changes nothing, and names these tokens.
#[track_caller]
pub(super) fn assert_fenced<T: Debug>(
    log: &dyn Log,
    given: &str,
    there: &str,
    call: impl FnOnce() -> Result<T>,
) {
    match refused(log, call) {
        Error::Fenced { expected, actual } => {
            assert_eq!((*expected, *actual), (token(given), token(there)));
        }
        other => panic!("the call should be fenced, but the error is {other:?}"),
    }
}

/// Panics unless the call is refused with an error that matches the pattern, and changes nothing.
macro_rules! assert_refused {
    ($log:expr, $call:expr, $error:pat) => {
        match $crate::testing::control_support::refused(&$log, || $call) {
            $error => {}
            other => panic!(
                "{} should fail with {}, but the error is {other:?}",
                stringify!($call),
                stringify!($error)
            ),
        }
    };
}
pub(super) use assert_refused;

/// Reads until the log has another reason to stop than that one call reads no more, and checks what
/// holds for every read.
#[track_caller]
pub(super) fn read(log: &dyn Log, from: Start, how: &ReadOptions) -> ReadBatch {
    let mut left = how.clone();
    let mut whole = log.read(from, how).unwrap();
    check_read(from, &left, &whole);
    while whole.stopped == Stop::More {
        let taken = whole.messages.len() + whole.controls.len();
        left.max_count = how.max_count.saturating_sub(taken);
        left.max_bytes = how.max_bytes.saturating_sub(metered(&whole.messages));
        assert!(
            left.max_count > 0,
            "there is no more to read, but the read has stopped with more"
        );
        let at = Start::At(whole.next_offset);
        let next = log.read(at, &left).unwrap();
        check_read(at, &left, &next);
        let stays = next.stopped == Stop::More && next.next_offset == whole.next_offset;
        assert!(!stays, "reading at {at:?} makes no progress");
        whole.messages.extend(next.messages);
        whole.controls.extend(next.controls);
        whole.next_offset = next.next_offset;
        whole.tail = next.tail;
        whole.stopped = next.stopped;
    }
    whole
}

/// Reads the whole log with these limits again and again. Returns the messages, and where it ends.
#[track_caller]
pub(super) fn in_steps(log: &dyn Log, how: &ReadOptions) -> (Vec<Message>, u64) {
    let (mut at, mut found) = (Start::Oldest, Vec::new());
    loop {
        let batch = read(log, at, how);
        let next = Start::At(batch.next_offset);
        found.extend(batch.messages);
        if batch.stopped == Stop::AtEnd {
            return (found, batch.next_offset);
        }
        assert!(
            next != at,
            "reading at {at:?} makes no progress, and stops with {:?}",
            batch.stopped
        );
        at = next;
    }
}

/// The metered size of all these messages.
pub(super) fn metered(messages: &[Message]) -> u64 {
    messages
        .iter()
        .map(|message| crate::metered_size(&message.as_new()))
        .sum()
}

/// Checks the rules that hold for every read.
#[track_caller]
fn check_read(from: Start, how: &ReadOptions, batch: &ReadBatch) {
    let messages = offsets(&batch.messages);
    let controls: Vec<u64> = batch.controls.iter().map(|record| record.offset).collect();
    for offsets in [&messages, &controls] {
        assert!(
            offsets.is_sorted_by(|a, b| a < b),
            "offsets do not increase: {offsets:?}"
        );
        let is_read = |offset: &u64| {
            let is_behind = how.until_offset.is_some_and(|until| *offset >= until);
            let is_before = matches!(from, Start::At(from) if *offset < from);
            *offset < batch.next_offset && !is_behind && !is_before
        };
        assert!(
            offsets.iter().all(is_read),
            "{offsets:?} of {from:?} by {how:?}: {batch:?}"
        );
    }
    assert!(messages.len() + controls.len() <= how.max_count);
    assert!(metered(&batch.messages) <= how.max_bytes);
    assert!(
        how.control || controls.is_empty(),
        "control records nobody has asked for"
    );
    let passes = |message: &Message| how.filter.passes(&message.into());
    assert!(
        batch.messages.iter().all(passes),
        "what the filter leaves out is there"
    );
    let is_in_log = batch.next_offset <= batch.tail.offset;
    assert!(
        is_in_log || how.max_count == 0 || how.max_bytes == 0,
        "{batch:?} ends behind the log"
    );
    if batch.stopped == Stop::Sealed {
        assert_eq!(
            batch.next_offset, batch.tail.offset,
            "{batch:?} is sealed before its end"
        );
    }
}

/// Offsets read, where reading goes on, and why it has stopped.
#[track_caller]
pub(super) fn outline(log: &dyn Log, from: Start, how: &ReadOptions) -> (Vec<u64>, u64, Stop) {
    let batch = read(log, from, how);
    (offsets(&batch.messages), batch.next_offset, batch.stopped)
}
