//! Copies of messages, batch after batch in one buffer.

use std::mem;
use std::sync::Arc;

use super::queue::Pile;
use super::ticket::Sent;
use crate::types::emptied;
use crate::{NewMessage, Timestamp};

/// The limits of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) records_max: usize,
    pub(super) bytes_max: u64,
}

/// Batches of messages. Two of these are in use: senders fill one while the thread publishes the
/// other, and they change places. Both keep their memory.
pub(super) struct Arena {
    limits: Limits,
    /// For each record its key, its value, and names and values of its headers.
    bytes: Vec<u8>,
    records: Vec<Record>,
    /// The lengths of a header's name and value.
    headers: Vec<(usize, usize)>,
    batches: Vec<Gathered>,
}

/// A message, whose bytes are in the arena.
#[derive(Clone, Copy)]
struct Record {
    time: Option<Timestamp>,
    key_len: Option<usize>,
    value_len: Option<usize>,
    headers: usize,
}

/// A batch.
struct Gathered {
    end: End,
    records: usize,
    /// The metered size of its records.
    size: u64,
    sent: Arc<Sent>,
}

/// Where a batch ends, or begins, in each of the lists of an arena.
#[derive(Clone, Copy, Default)]
struct End {
    bytes: usize,
    records: usize,
    headers: usize,
}

/// A header, borrowed from an arena.
type Header<'a> = (&'a [u8], &'a [u8]);

/// Memory for the messages of a batch as a log takes them. The lists are always empty; only their
/// allocated memory is used.
#[derive(Default)]
pub(super) struct Views {
    messages: Vec<NewMessage<'static>>,
    headers: Vec<Header<'static>>,
}

impl Arena {
    pub(super) fn new(limits: Limits) -> Arena {
        Arena {
            limits,
            bytes: Vec::new(),
            records: Vec::new(),
            headers: Vec::new(),
            batches: Vec::new(),
        }
    }

    /// Copies a message of this metered size to the last batch, or to a new one. Returns what will
    /// be known of the batch, and the message's place in it.
    pub(super) fn add(&mut self, message: &NewMessage<'_>, size: u64, begins: bool) -> (Arc<Sent>, usize) {
        for part in [message.key, message.value].into_iter().flatten() {
            self.bytes.extend_from_slice(part);
        }
        for (name, value) in message.headers {
            self.bytes.extend_from_slice(name);
            self.bytes.extend_from_slice(value);
            self.headers.push((name.len(), value.len()));
        }
        self.records.push(Record {
            time: message.time,
            key_len: message.key.map(<[u8]>::len),
            value_len: message.value.map(<[u8]>::len),
            headers: message.headers.len(),
        });
        let end = self.end();
        match self.batches.last_mut() {
            Some(batch) if !begins => {
                batch.end = end;
                batch.records += 1;
                batch.size += size;
                (Arc::clone(&batch.sent), batch.records - 1)
            }
            _ => {
                let sent = Arc::new(Sent::new());
                self.batches.push(Gathered {
                    end,
                    records: 1,
                    size,
                    sent: Arc::clone(&sent),
                });
                (sent, 0)
            }
        }
    }

    fn end(&self) -> End {
        End {
            bytes: self.bytes.len(),
            records: self.records.len(),
            headers: self.headers.len(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.batches.len()
    }

    /// The metered size of a batch, and where to tell what becomes of it.
    pub(super) fn batch(&self, at: usize) -> (u64, &Sent) {
        let batch = &self.batches[at];
        (batch.size, &batch.sent)
    }

    /// Forgets all batches and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
        self.headers.clear();
        self.batches.clear();
    }

    /// Calls `publish` with the messages of a batch.
    pub(super) fn with_messages<T>(
        &self,
        at: usize,
        views: &mut Views,
        publish: impl FnOnce(&[NewMessage<'_>]) -> T,
    ) -> T {
        let start = at
            .checked_sub(1)
            .map_or(End::default(), |at| self.batches[at].end);
        let end = self.batches[at].end;
        let records = &self.records[start.records..end.records];
        let lens = &self.headers[start.headers..end.headers];
        let bytes = &self.bytes[start.bytes..end.bytes];
        let mut headers: Vec<Header<'_>> = emptied(mem::take(&mut views.headers));
        collect_headers(bytes, records, lens, &mut headers);
        let mut messages = emptied(mem::take(&mut views.messages));
        collect_messages(bytes, records, &headers, &mut messages);
        let published = publish(&messages);
        views.messages = emptied(messages);
        views.headers = emptied(headers);
        published
    }

    /// Moves all batches behind the first `count` to `to`, which is empty.
    fn give_rest(&mut self, count: usize, to: &mut Arena) {
        let Some(last) = count.checked_sub(1).and_then(|last| self.batches.get(last)) else {
            return;
        };
        let end = last.end;
        to.bytes.extend_from_slice(&self.bytes[end.bytes..]);
        to.records.extend_from_slice(&self.records[end.records..]);
        to.headers.extend_from_slice(&self.headers[end.headers..]);
        to.batches
            .extend(self.batches.drain(count..).map(|batch| Gathered {
                end: End {
                    bytes: batch.end.bytes - end.bytes,
                    records: batch.end.records - end.records,
                    headers: batch.end.headers - end.headers,
                },
                ..batch
            }));
        self.bytes.truncate(end.bytes);
        self.records.truncate(end.records);
        self.headers.truncate(end.headers);
    }
}

impl Pile for Arena {
    fn takes(&self, size: u64) -> bool {
        self.batches.last().is_some_and(|batch| {
            batch.records < self.limits.records_max
                && batch.size.saturating_add(size) <= self.limits.bytes_max
        })
    }

    fn is_full(&self) -> bool {
        self.batches.last().is_some_and(|batch| {
            batch.records >= self.limits.records_max || batch.size >= self.limits.bytes_max
        })
    }

    fn give(&mut self, count: u64, to: &mut Arena) {
        mem::swap(self, to);
        // A batch that still waits for more stays with the senders.
        to.give_rest(usize::try_from(count).unwrap_or(usize::MAX), self);
    }
}

/// Takes the next `len` bytes.
fn next<'a>(bytes: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (next, rest) = bytes.split_at(len);
    *bytes = rest;
    next
}

fn collect_headers<'a>(
    mut bytes: &'a [u8],
    records: &[Record],
    lens: &[(usize, usize)],
    headers: &mut Vec<Header<'a>>,
) {
    if lens.is_empty() {
        return;
    }
    let mut lens = lens.iter();
    for record in records {
        next(&mut bytes, record.parts_len());
        for (name_len, value_len) in lens.by_ref().take(record.headers) {
            let name = next(&mut bytes, *name_len);
            headers.push((name, next(&mut bytes, *value_len)));
        }
    }
}

fn collect_messages<'a>(
    mut bytes: &'a [u8],
    records: &[Record],
    mut headers: &'a [Header<'a>],
    messages: &mut Vec<NewMessage<'a>>,
) {
    for record in records {
        let key = record.key_len.map(|len| next(&mut bytes, len));
        let value = record.value_len.map(|len| next(&mut bytes, len));
        let (own, rest) = headers.split_at(record.headers);
        let headers_len = own.iter().map(|(name, value)| name.len() + value.len()).sum();
        next(&mut bytes, headers_len);
        headers = rest;
        messages.push(NewMessage {
            time: record.time,
            key,
            value,
            headers: own,
        });
    }
}

impl Record {
    /// The length of key and value together.
    fn parts_len(&self) -> usize {
        self.key_len.unwrap_or(0) + self.value_len.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        records_max: 2,
        bytes_max: 1_000,
    };

    fn add(arena: &mut Arena, message: &NewMessage<'_>) {
        let begins = !arena.takes(1);
        arena.add(message, 1, begins);
    }

    fn with_batch(arena: &Arena, at: usize, views: &mut Views, expected: &[NewMessage<'_>]) {
        arena.with_messages(at, views, |messages| assert_eq!(messages, expected));
    }

    #[test]
    fn messages_come_back_as_they_were() {
        let mut views = Views::default();
        let headers: &[Header<'_>] = &[(b"a", b"1"), (b"", b""), (b"bb", b"22")];
        let all = [
            NewMessage::new(b"key", b"value").headers(headers),
            NewMessage::tombstone(b"").time(Timestamp::from_micros(-7)),
            NewMessage::value(b"").headers(&headers[..1]),
            NewMessage::default(),
            NewMessage::value(b"last"),
        ];
        let (mut arena, mut other) = (Arena::new(LIMITS), Arena::new(LIMITS));
        for _ in 0..2 {
            for message in &all {
                add(&mut arena, message);
            }
            assert!(!arena.is_full() && arena.len() == 3);
            arena.give(2, &mut other);
            with_batch(&other, 0, &mut views, &all[..2]);
            with_batch(&other, 1, &mut views, &all[2..4]);
            with_batch(&arena, 0, &mut views, &all[4..]);
            assert_eq!((arena.len(), other.len(), arena.bytes.len()), (1, 2, 4));
            other.clear();
            arena.give(1, &mut other);
            with_batch(&other, 0, &mut views, &all[4..]);
            assert_eq!((arena.len(), arena.bytes.len()), (0, 0));
            other.clear();
        }
    }

    #[test]
    fn a_batch_takes_no_more_than_its_limits() {
        let mut arena = Arena::new(Limits {
            records_max: 3,
            bytes_max: 10,
        });
        assert!(!arena.takes(1), "there is none");
        arena.add(&NewMessage::default(), 4, true);
        assert!(arena.takes(6) && !arena.takes(7) && !arena.is_full());
        arena.add(&NewMessage::default(), 6, false);
        assert!(arena.is_full());
        assert_eq!(arena.add(&NewMessage::default(), 4, true).1, 0);
        assert_eq!(arena.add(&NewMessage::default(), 1, false).1, 1);
        assert_eq!(arena.add(&NewMessage::default(), 1, false).1, 2);
        assert!(arena.is_full() && !arena.takes(1));
    }
}
