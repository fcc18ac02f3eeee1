use std::ops::Range;

use super::message_ref::lend;
use crate::format::{Layout, RecordHeader, verified_whole};
use crate::segment::Gather;
use crate::{MessageRef, Timestamp};

/// Messages that were read together and are lent, in memory that is used again for the next; see
/// [`FileLog::consume_into`](crate::FileLog::consume_into).
#[derive(Clone, Debug, Default)]
pub struct BatchBuf {
    bytes: Vec<u8>,
    places: Vec<Place>,
    pub(super) next_offset: u64,
}

/// Where in the bytes a message is.
#[derive(Clone, Debug)]
struct Place {
    offset: u64,
    time: Timestamp,
    start: usize,
    end: usize,
    layout: Layout,
}

impl BatchBuf {
    /// An empty one, without memory.
    #[must_use]
    pub fn new() -> BatchBuf {
        BatchBuf::default()
    }

    /// How many messages it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether it has no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The offset to go on at; 0 before anything was read.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// The messages, in offset order.
    #[must_use = "it lends the messages"]
    pub fn messages(&self) -> impl ExactSizeIterator<Item = MessageRef<'_>> + DoubleEndedIterator {
        self.places.iter().map(|place| {
            let frame = self.bytes.get(place.start..place.end).unwrap_or_default();
            lend(frame, &place.layout, place.offset, place.time)
        })
    }
}

impl Gather for BatchBuf {
    fn memory(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        bytes
    }

    fn begin(&mut self, bytes: Vec<u8>, count: usize) {
        self.bytes = bytes;
        self.places.reserve(count);
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[inline]
    fn take(&mut self, frame: Range<usize>, header: &RecordHeader, offset: u64, seed: u32) -> Option<()> {
        let bytes = self.bytes.get(frame.clone())?;
        let layout = verified_whole(header, bytes, seed)?;
        if !header.control {
            self.places.push(Place {
                offset,
                time: Timestamp::from_micros(header.time),
                start: frame.start,
                end: frame.end,
                layout,
            });
        }
        Some(())
    }

    fn last(&self) -> Option<u64> {
        self.places.last().map(|place| place.offset)
    }

    fn clear(&mut self) {
        self.places.clear();
    }
}
