//! What a library must offer to be measured, and how what it returns is checked.

use std::path::Path;
use std::sync::Arc;

use crate::Outcome;
use crate::rows::Row;
use crate::workload::{Check, KEY_LEN, Workload, ensure, time};

/// A message to publish.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    /// In microseconds since 1970. Only the ways with a time index store it, and duramen.
    pub(crate) time: i64,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl<'a> Message<'a> {
    #[inline]
    pub(crate) fn of(workload: &'a Workload, number: u64) -> Message<'a> {
        Message {
            time: time(number),
            key: workload.key(number),
            value: workload.value(number),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.key.len() + self.value.len()
    }

    /// Key and value, for libraries whose messages are one piece of bytes.
    #[inline]
    pub(crate) fn joined(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        self.append_to(&mut bytes);
        bytes
    }

    /// Appends key and value.
    #[inline]
    pub(crate) fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.key);
        bytes.extend_from_slice(self.value);
    }
}

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Purpose {
    /// Every publish waits until its messages are on stable storage.
    pub(crate) durable: bool,
    /// The number of messages that the store will hold, for libraries that reserve space.
    pub(crate) messages: u64,
    pub(crate) value_len: usize,
    /// The messages are the jobs of a work queue.
    pub(crate) queue: bool,
}

/// Whether a way of using a library is part of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum About {
    /// It is, with this note in the report.
    Can(&'static str),
    /// The library cannot do this, for this reason, which is reported.
    Lacks(&'static str),
    /// Another way of using the same library stands for it in this row.
    Skipped,
}

/// A way of using a library: one line in each row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// As the report names it.
    pub(crate) name: &'static str,
    /// The name of the package, for `--only` and for its version.
    pub(crate) library: &'static str,
    pub(crate) about: fn(Row) -> About,
    /// Opens a store in a directory that exists, and creates it when there is none.
    pub(crate) open: fn(&Path, Purpose) -> Outcome<Box<dyn Store>>,
}

/// An open store. A method is only called when [`Way::about`] says `Can` for its row.
pub(crate) trait Store: Sync {
    /// W1: publishes one message and does not wait for the disk.
    fn publish_one(&mut self, _message: Message<'_>) -> Outcome {
        Err(MISSING.into())
    }

    /// W2: publishes many messages in one call and does not wait for the disk.
    fn publish_many(&mut self, _batch: &[Message<'_>]) -> Outcome {
        Err(MISSING.into())
    }

    /// W3, W4: publishes one message and returns when it is on stable storage. `thread` is the
    /// number of the calling thread, from 0.
    fn publish_durably(&self, _thread: u64, _message: Message<'_>) -> Outcome {
        Err(MISSING.into())
    }

    /// Publishes many messages in whatever way is fastest, for rows that only read.
    fn build(&mut self, batch: &[Message<'_>]) -> Outcome {
        self.publish_many(batch)
    }

    /// W5: reads everything in order in batches of 64.
    fn consume(&mut self, _seen: &mut Seen) -> Outcome {
        Err(MISSING.into())
    }

    /// W5: reads everything in order in one pass.
    fn scan(&mut self, _seen: &mut Seen) -> Outcome {
        Err(MISSING.into())
    }

    /// Reads everything, for checking. The order is that of [`Store::consume`].
    fn read_all(&mut self, seen: &mut Seen) -> Outcome {
        self.consume(seen)
    }

    /// W6: gets the message with this offset, which is its number.
    fn get(&mut self, _number: u64, _seen: &Seen) -> Outcome {
        Err(MISSING.into())
    }

    /// W7: gets the last message with this key, whose number is `number`.
    fn get_by_key(&mut self, _key: &[u8], _number: u64, _seen: &Seen) -> Outcome {
        Err(MISSING.into())
    }

    /// W9: gets one message of a store that was just opened.
    fn get_first(&mut self, number: u64, seen: &Seen) -> Outcome {
        self.get(number, seen)
    }

    /// Q1: has the next job given out, looks at it and settles it. Returns whether there was one.
    fn work(&mut self, _seen: &mut Seen) -> Outcome<bool> {
        Err(MISSING.into())
    }

    /// Closes the store in the way from which it opens fastest.
    fn close(self: Box<Self>) -> Outcome;
}

const MISSING: &str = "the library does not offer this";
const WRONG: &str = "another message was read than was published";

/// Compares messages that are read with those that were published.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    workload: Arc<Workload>,
    check: Check,
    in_order: bool,
    count: u64,
    /// The sum of the checksums of all messages, when the order is not known.
    print: u64,
}

impl Seen {
    /// Expects the messages with the numbers 0, 1, 2 and so on, in this order.
    pub(crate) fn in_order(workload: &Arc<Workload>, check: Check) -> Seen {
        Seen {
            workload: Arc::clone(workload),
            check,
            in_order: true,
            count: 0,
            print: 0,
        }
    }

    /// Expects all messages, each once, in any order. Every byte is compared.
    pub(crate) fn in_any_order(workload: &Arc<Workload>) -> Seen {
        Seen {
            in_order: false,
            ..Seen::in_order(workload, Check::Full)
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The next message of all.
    #[inline]
    pub(crate) fn next(&mut self, key: &[u8], value: &[u8]) -> Outcome {
        let number = self.count;
        self.count += 1;
        if self.in_order {
            return self.same(number, key, value);
        }
        self.print = self.print.wrapping_add(print(key, value));
        Ok(())
    }

    /// The next message of all, whose key and value are one piece.
    #[inline]
    pub(crate) fn next_joined(&mut self, bytes: &[u8]) -> Outcome {
        let (key, value) = bytes.split_at_checked(KEY_LEN).ok_or(WRONG)?;
        self.next(key, value)
    }

    /// The message with this number.
    #[inline]
    pub(crate) fn same(&self, number: u64, key: &[u8], value: &[u8]) -> Outcome {
        let same = self.workload.matches(self.check, number, Some(key), Some(value));
        ensure(same, WRONG)
    }

    /// The message with this number, whose key and value are one piece.
    #[inline]
    pub(crate) fn same_joined(&self, number: u64, bytes: &[u8]) -> Outcome {
        let (key, value) = bytes.split_at_checked(KEY_LEN).ok_or(WRONG)?;
        self.same(number, key, value)
    }

    /// Fails unless exactly the first `messages` were seen.
    pub(crate) fn finish(&self, messages: u64) -> Outcome {
        ensure(
            self.count == messages,
            "another number of messages was read than was published",
        )?;
        let expected = |number| print(self.workload.key(number), self.workload.value(number));
        let all = || (0..messages).map(expected).fold(0, u64::wrapping_add);
        ensure(self.in_order || self.print == all(), WRONG)
    }
}

fn print(key: &[u8], value: &[u8]) -> u64 {
    u64::from(crc32c::crc32c_append(crc32c::crc32c(key), value))
}
