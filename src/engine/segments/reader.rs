//! Reading: everything here works on one snapshot of the list of segments and takes no lock.

use std::sync::Arc;

use arc_swap::Guard;

use super::batch_buf::BatchBuf;
use super::current::Segments;
use super::list::SegmentList;
use crate::log::Record;
use crate::segment::{Gather, Held, Owned, ReadFault, Records, SegmentRef, SegmentSnapshot};
use crate::{Batch, Error, Message, Place, Result, Start, Timestamp};

/// A reader's snapshot of a log.
pub(crate) struct Reader<'a> {
    pub(super) segments: &'a Segments,
    pub(super) list: Guard<Arc<SegmentList>>,
    pub(super) next_offset: u64,
}

/// Where the n-th message from the end of a segment is.
pub(crate) enum FromEnd {
    At(u64),
    /// The segment has only this many messages.
    Fewer(u64),
}

/// How often reading begins again at most because segments were removed meanwhile.
const ATTEMPTS_MAX: usize = 64;

impl<'a> Reader<'a> {
    /// Calls `read` with a snapshot, and again with a newer one if it fails because segments were
    /// removed meanwhile.
    #[inline]
    pub(crate) fn with<T>(
        segments: &'a Segments,
        mut read: impl FnMut(&Reader<'a>) -> Result<T>,
    ) -> Result<T> {
        let mut attempts = 0;
        loop {
            let reader = Reader::new(segments)?;
            let opened = segments.opened();
            let result = read(&reader);
            // What was opened beside a writer may be of a newer list.
            let is_suspect = match &result {
                Err(Error::Corrupt { .. } | Error::Io { .. }) => true,
                _ => opened.is_some() && opened != segments.opened(),
            };
            if !is_suspect || attempts == ATTEMPTS_MAX || !reader.is_outdated()? {
                return result;
            }
            attempts += 1;
        }
    }

    #[inline]
    pub(crate) fn new(segments: &'a Segments) -> Result<Reader<'a>> {
        if segments.is_watched() {
            segments.look(false)?;
        }
        let list = segments.list();
        // Checked after the list is loaded: closing first marks the log as closed, and then takes
        // the segments away.
        segments.directory.health.check_open()?;
        let next_offset = list.next_offset();
        Ok(Reader {
            segments,
            list,
            next_offset,
        })
    }

    pub(crate) fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// The end of the log.
    pub(crate) fn tail(&self) -> Place {
        let time = match self.list.segments.last() {
            Some(SegmentRef::Active(active)) => active.time_before(self.next_offset),
            _ => self.list.last_time,
        };
        Place {
            offset: self.next_offset,
            time: Timestamp::from_micros(time),
        }
    }

    pub(crate) fn list(&self) -> &SegmentList {
        &self.list
    }

    /// The offset at which a segment ends (exclusive).
    pub(crate) fn end_offset_of(&self, segment: &SegmentRef) -> u64 {
        let next = self.list.segments.get(self.list.index_at(segment.base()) + 1);
        next.map_or(self.next_offset, SegmentRef::base)
    }

    /// Whether the list of segments has changed since this snapshot: files that the snapshot would
    /// open may then be gone.
    pub(crate) fn is_outdated(&self) -> Result<bool> {
        if self.segments.is_watched() {
            self.segments.look(true)?;
        }
        Ok(!Arc::ptr_eq(&self.list, &self.segments.list()))
    }

    #[inline]
    pub(crate) fn read<T>(
        &self,
        segment: &SegmentRef,
        read: impl FnMut(&SegmentSnapshot<'_>) -> Result<T, ReadFault>,
    ) -> Result<T> {
        segment.read(self.segments, read)
    }

    /// Keeps a segment's files open.
    pub(crate) fn hold(&self, segment: &SegmentRef) -> Result<Held> {
        segment.hold(self.segments)
    }

    /// The offset to read from.
    pub(crate) fn resolve(&self, from: Start) -> Result<u64> {
        match from {
            Start::Oldest => Ok(self.list.start_offset),
            Start::Newest => Ok(self.next_offset),
            Start::At(offset) => {
                let start = self.list.start_offset;
                if offset < start || offset > self.next_offset {
                    return Err(Error::OffsetOutOfRange {
                        offset,
                        start,
                        next: self.next_offset,
                    });
                }
                Ok(offset)
            }
            Start::AtOrOldest(_) => self.resolve(from.settled(self.list.start_offset)),
            Start::Time(time) => match self.first_at_or_after(time) {
                Ok(message) => Ok(message.offset),
                Err(Error::NotFound) => Ok(self.next_offset),
                Err(error) => Err(error),
            },
            Start::Last(count) => self.last(count),
        }
    }

    /// The offset of the `count`-th message from the end, or of the first there is.
    pub(crate) fn last(&self, count: u64) -> Result<u64> {
        self.last_or(count, |_, _, error| Err(error))
    }

    /// As [`last`](Reader::last), but if a segment cannot be read, `instead` says where the n-th
    /// message from its end is.
    pub(crate) fn last_or(
        &self,
        count: u64,
        instead: impl Fn(&SegmentRef, u64, Error) -> Result<FromEnd>,
    ) -> Result<u64> {
        if count == 0 {
            return Ok(self.next_offset);
        }
        let mut wanted = count;
        for segment in self.list.segments.iter().rev() {
            let found = self.read(segment, |opened| {
                let (first, _) = opened.find(self.list.start_offset)?;
                let (past, _) = opened.find(self.next_offset)?;
                let past = opened.messages_before(past)?;
                let there = u64::from(past.saturating_sub(opened.messages_before(first)?));
                if there < wanted {
                    return Ok(FromEnd::Fewer(there));
                }
                #[expect(clippy::cast_possible_truncation, reason = "at most `there`")]
                let message = opened.nth_message(past - wanted as u32)?;
                opened.offset(message).map(FromEnd::At)
            });
            match found.or_else(|error| instead(segment, wanted, error))? {
                FromEnd::At(offset) => return Ok(offset),
                FromEnd::Fewer(there) => wanted -= there,
            }
        }
        Ok(self.list.start_offset)
    }

    /// Up to `max_count` messages from `offset` on, which has been resolved.
    pub(crate) fn consume(&self, offset: u64, max_count: usize) -> Result<Batch> {
        let mut messages = Vec::new();
        let next_offset = self.consume_into(offset, max_count, &mut Owned::new(&mut messages))?;
        Ok(Batch {
            messages,
            next_offset,
        })
    }

    /// Reads the same into `buf`, in the place of what it has.
    pub(crate) fn consume_lent(&self, offset: u64, max_count: usize, buf: &mut BatchBuf) -> Result<()> {
        buf.clear();
        buf.next_offset = self.consume_into(offset, max_count, buf)?;
        Ok(())
    }

    /// Reads the same into `into`, which is empty; returns the offset to go on at.
    pub(crate) fn consume_into(&self, offset: u64, max_count: usize, into: &mut impl Gather) -> Result<u64> {
        self.gather_into(offset, max_count, into, |opened, from, count, into| {
            opened.messages(from, count, into)
        })
    }

    /// Up to `max_count` records from `offset` on, which has been resolved, control records too.
    pub(crate) fn records(&self, offset: u64, max_count: usize) -> Result<(Vec<Record>, u64)> {
        let mut found = Records::default();
        let next_offset = self.gather_into(offset, max_count, &mut found, |opened, from, count, into| {
            opened.records(from, count, into)
        })?;
        Ok((found.into_records(), next_offset))
    }

    fn gather_into<G: Gather>(
        &self,
        offset: u64,
        max_count: usize,
        into: &mut G,
        gather: impl Fn(&SegmentSnapshot<'_>, u32, u32, &mut G) -> Result<u32, ReadFault>,
    ) -> Result<u64> {
        if max_count == 0 || offset >= self.next_offset {
            return Ok(offset);
        }
        let max_count = u32::try_from(max_count).unwrap_or(u32::MAX);
        let mut offset = offset;
        let mut at = self.list.index_at(offset);
        while let Some(segment) = self.list.segments.get(at) {
            let read = self.read(segment, |opened| {
                into.clear();
                let (ordinal, _) = opened.find(offset)?;
                if ordinal >= opened.count() {
                    return Ok(None);
                }
                let end = gather(opened, ordinal, max_count, into)?;
                Ok(Some(opened.offset(end - 1)? + 1))
            })?;
            match read {
                Some(next_offset) => match into.last() {
                    Some(last) => return Ok(last + 1),
                    // Only records that are not messages: go on behind them.
                    None => offset = next_offset,
                },
                None => at += 1,
            }
        }
        Ok(self.next_offset.max(offset))
    }

    /// One message, as [`Log::get`](crate::Log::get) says.
    pub(crate) fn get(&self, at: Start) -> Result<Message> {
        match at {
            Start::At(offset) => self.at(offset),
            Start::AtOrOldest(_) => self.get(at.settled(self.list.start_offset)),
            Start::Oldest => self
                .consume(self.list.start_offset, 1)?
                .into_iter()
                .next()
                .ok_or(Error::NotFound),
            Start::Newest => self.nth_from_end(1),
            Start::Last(count) => self.nth_from_end(count.max(1)),
            Start::Time(time) => self.first_at_or_after(time),
        }
    }

    fn nth_from_end(&self, count: u64) -> Result<Message> {
        let offset = self.last(count)?;
        self.consume(offset, 1)?.into_iter().next().ok_or(Error::NotFound)
    }

    #[inline]
    fn at(&self, offset: u64) -> Result<Message> {
        let start = self.list.start_offset;
        if offset < start || offset >= self.next_offset {
            return Err(Error::OffsetOutOfRange {
                offset,
                start,
                next: self.next_offset,
            });
        }
        let segment = self
            .list
            .segments
            .get(self.list.index_at(offset))
            .ok_or(Error::NotFound)?;
        let found = self.read(segment, |opened| match opened.find(offset)? {
            (ordinal, true) => opened.message(ordinal, offset),
            _ => Ok(None),
        })?;
        found.ok_or(Error::NotFound)
    }

    /// The message at `offset`, if there is one.
    pub(super) fn in_log(&self, offset: u64) -> Result<Option<Message>> {
        match self.at(offset) {
            Ok(message) => Ok(Some(message)),
            Err(Error::NotFound | Error::OffsetOutOfRange { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The record with this ordinal; `None` if it is not a message.
pub(super) fn message(opened: &SegmentSnapshot<'_>, ordinal: u32) -> Result<Option<Message>, ReadFault> {
    opened.message(ordinal, opened.offset(ordinal)?)
}
