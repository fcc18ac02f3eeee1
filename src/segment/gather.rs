use std::ops::Range;

use bytes::Bytes;

use crate::format::{RecordHeader, decode_message};
use crate::log::Record;
use crate::{Control, ControlRecord, Message};

/// What consecutive records are read into.
pub(crate) trait Gather {
    /// Memory to read the records' bytes into.
    fn memory(&mut self) -> Vec<u8>;

    /// Takes the bytes of at most so many records.
    fn begin(&mut self, bytes: Vec<u8>, count: usize);

    /// The bytes that it was given.
    fn bytes(&self) -> &[u8];

    /// Takes the record that lies at `frame` in the bytes and begins with this header, unless it is
    /// a control record; `None` if it does not carry the checksum for `seed`.
    fn take(&mut self, frame: Range<usize>, header: &RecordHeader, offset: u64, seed: u32) -> Option<()>;

    /// The offset of the last that it has.
    fn last(&self) -> Option<u64>;

    /// Whether it has none.
    fn is_empty(&self) -> bool {
        self.last().is_none()
    }

    /// Forgets its messages.
    fn clear(&mut self);
}

/// Gathers messages, all of which share one piece of memory.
#[derive(Debug)]
pub(crate) struct Owned<'v> {
    shared: Bytes,
    messages: &'v mut Vec<Message>,
}

impl<'v> Owned<'v> {
    pub(crate) fn new(messages: &'v mut Vec<Message>) -> Owned<'v> {
        Owned {
            shared: Bytes::new(),
            messages,
        }
    }
}

impl Gather for Owned<'_> {
    fn memory(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn begin(&mut self, bytes: Vec<u8>, count: usize) {
        self.shared = Bytes::from(bytes);
        self.messages.reserve(count);
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        &self.shared
    }

    #[inline]
    fn take(&mut self, frame: Range<usize>, header: &RecordHeader, offset: u64, seed: u32) -> Option<()> {
        let message = decode_message(&self.shared, frame, header, offset, seed)?;
        if !header.control {
            self.messages.push(message);
        }
        Some(())
    }

    fn last(&self) -> Option<u64> {
        self.messages.last().map(|message| message.offset)
    }

    fn clear(&mut self) {
        self.messages.clear();
    }
}

/// Gathers messages and control records.
#[derive(Debug, Default)]
pub(crate) struct Records {
    shared: Bytes,
    records: Vec<Record>,
}

impl Records {
    pub(crate) fn into_records(self) -> Vec<Record> {
        self.records
    }
}

impl Gather for Records {
    fn memory(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn begin(&mut self, bytes: Vec<u8>, count: usize) {
        self.shared = Bytes::from(bytes);
        self.records.reserve(count);
    }

    fn bytes(&self) -> &[u8] {
        &self.shared
    }

    fn take(&mut self, frame: Range<usize>, header: &RecordHeader, offset: u64, seed: u32) -> Option<()> {
        let message = decode_message(&self.shared, frame, header, offset, seed)?;
        if !header.control {
            self.records.push(Record::Message(message));
            return Some(());
        }
        let content = message.value.unwrap_or_default();
        let record = ControlRecord {
            offset,
            time: message.time,
            control: Control::of_content(&content),
        };
        self.records.push(Record::control(record, content.len()));
        Some(())
    }

    fn last(&self) -> Option<u64> {
        self.records.last().map(Record::offset)
    }

    fn clear(&mut self) {
        self.records.clear();
    }
}
