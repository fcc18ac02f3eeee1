//! Reading: everything here works on one snapshot of the list of segments and takes no lock.

use std::sync::Arc;

use arc_swap::Guard;

use super::key_runs::Known;
use super::list::SegmentList;
use crate::engine::shared::Shared;
use crate::index::key_hash;
use crate::segment::{Fault, Opened, READ_LEN_MAX, SegmentRef};
use crate::{Batch, Error, Message, Result, Start, Timestamp};

/// A reader's snapshot of a log.
pub(crate) struct Reader<'a> {
    shared: &'a Shared,
    list: Guard<Arc<SegmentList>>,
    next_offset: u64,
}

/// Links of a key's chain that are followed before it is cheaper to go through the messages themselves.
const CHAIN_WALK_MAX: usize = 4096;

/// Times that reading begins anew because segments were removed meanwhile.
const ATTEMPTS_MAX: usize = 64;

impl<'a> Reader<'a> {
    /// What `read` returns; called again with a newer snapshot when it fails because segments were removed meanwhile.
    #[inline]
    pub(crate) fn with<T>(shared: &'a Shared, read: impl Fn(&Reader<'a>) -> Result<T>) -> Result<T> {
        let mut attempts = 0;
        loop {
            let reader = Reader::new(shared)?;
            match read(&reader) {
                Err(Error::Corrupt { .. } | Error::Io { .. })
                    if attempts < ATTEMPTS_MAX && reader.is_outdated() =>
                {
                    attempts += 1;
                }
                other => return other,
            }
        }
    }

    #[inline]
    pub(crate) fn new(shared: &'a Shared) -> Result<Reader<'a>> {
        let list = shared.list.load();
        // In this order: closing marks the log as closed first, then takes the segments away.
        shared.check_open()?;
        let next_offset = list.next_offset();
        Ok(Reader {
            shared,
            list,
            next_offset,
        })
    }

    pub(crate) fn next_offset(&self) -> u64 {
        self.next_offset
    }

    pub(crate) fn list(&self) -> &SegmentList {
        &self.list
    }

    pub(crate) fn shared(&self) -> &'a Shared {
        self.shared
    }

    /// The part with this base offset.
    pub(crate) fn segment(&self, base: u64) -> Option<&SegmentRef> {
        let segment = self.list.segments.get(self.list.index_at(base));
        segment.filter(|segment| segment.base() == base)
    }

    /// The offset that a part reaches up to (exclusive).
    pub(crate) fn end_of(&self, segment: &SegmentRef) -> u64 {
        let next = self.list.segments.get(self.list.index_at(segment.base()) + 1);
        next.map_or(self.next_offset, SegmentRef::base)
    }

    /// Whether the list of segments has changed since: then files may be gone that this one would open.
    pub(crate) fn is_outdated(&self) -> bool {
        !Arc::ptr_eq(&self.list, &self.shared.list.load())
    }

    #[inline]
    pub(crate) fn read<T>(
        &self,
        segment: &SegmentRef,
        read: impl FnMut(&Opened<'_>) -> Result<T, Fault>,
    ) -> Result<T> {
        segment.read(|segment| self.shared.note_mapped(segment), read)
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

    /// As [`last`](Reader::last); `instead` is asked about a part that cannot be read and of which the so-many-th
    /// message from its end is wanted: for the offset of that, or for how many messages there are if there are fewer.
    pub(crate) fn last_or(
        &self,
        count: u64,
        instead: impl Fn(&SegmentRef, u64, Error) -> Result<Result<u64, u64>>,
    ) -> Result<u64> {
        if count == 0 {
            return Ok(self.next_offset);
        }
        let mut wanted = count;
        for segment in self.list.segments.iter().rev() {
            let found = self.read(segment, |opened| {
                let (first, _) = opened.find(self.list.start_offset)?;
                let (past, _) = opened.find(self.next_offset)?;
                let there = u64::from(past.saturating_sub(first));
                if there < wanted {
                    return Ok(Err(there));
                }
                #[expect(clippy::cast_possible_truncation, reason = "at most `there`")]
                opened.offset(past - wanted as u32).map(Ok)
            });
            match found.or_else(|error| instead(segment, wanted, error))? {
                Ok(offset) => return Ok(offset),
                Err(there) => wanted -= there,
            }
        }
        Ok(self.list.start_offset)
    }

    /// Up to `max_count` messages from `offset` on, which has been resolved.
    pub(crate) fn consume(&self, offset: u64, max_count: usize) -> Result<Batch> {
        if max_count == 0 || offset >= self.next_offset {
            return Ok(Batch {
                messages: Vec::new(),
                next_offset: offset,
            });
        }
        let max_count = u32::try_from(max_count).unwrap_or(u32::MAX);
        let mut offset = offset;
        let mut at = self.list.index_at(offset);
        while let Some(segment) = self.list.segments.get(at) {
            let read = self.read(segment, |opened| {
                let (ordinal, _) = opened.find(offset)?;
                if ordinal >= opened.count() {
                    return Ok(None);
                }
                let mut messages = Vec::new();
                let end = opened.messages(ordinal, max_count, &mut messages)?;
                Ok(Some((messages, opened.offset(end - 1)? + 1)))
            })?;
            match read {
                Some((messages, next_offset)) if !messages.is_empty() => {
                    return Ok(Batch {
                        messages,
                        next_offset,
                    });
                }
                // Only records that are not messages: go on behind them.
                Some((_, next_offset)) => offset = next_offset,
                None => at += 1,
            }
        }
        Ok(Batch {
            messages: Vec::new(),
            next_offset: self.next_offset.max(offset),
        })
    }

    /// Up to `max_count` messages with `key` from `offset` on, which has been resolved.
    pub(crate) fn consume_by_key(&self, key: &[u8], offset: u64, max_count: usize) -> Result<Batch> {
        if !self.shared.directory.kinds.key {
            return Err(Error::NoIndex);
        }
        if max_count == 0 {
            return Ok(Batch {
                messages: Vec::new(),
                next_offset: offset,
            });
        }
        let hash = key_hash(key);
        let mut found = Found::new(max_count, 0);
        let mut index = self.list.index_at(offset);
        let mut asked_up_to = 0;
        while let Some(segment) = self.list.segments.get(index)
            && !found.is_enough()
        {
            if segment.base() >= asked_up_to
                && let Some(run) = self.run_with(index)
            {
                asked_up_to = run.end;
                if let Known::Absent = self.ask(run, hash)? {
                    index = self
                        .list
                        .segments
                        .partition_point(|segment| segment.base() < run.end);
                    continue;
                }
            }
            index += 1;
            let more = self.read(segment, |opened| {
                let (from, _) = opened.find(offset)?;
                let more = Found::new(max_count - found.messages.len(), found.len);
                match chain(opened, key, hash, from, more.count_max)? {
                    Some(ordinals) => more.with(opened, key, &ordinals),
                    None => more.with_those_of(opened, key, from),
                }
            });
            match more {
                // Whoever goes on behind these meets the damage.
                Err(Error::Corrupt { .. }) if !found.messages.is_empty() => break,
                more => found.append(more?),
            }
        }
        let next_offset = match found.messages.last() {
            Some(last) => last.offset + 1,
            None => self.next_offset.max(offset),
        };
        Ok(Batch {
            messages: found.messages,
            next_offset,
        })
    }

    /// One message, as [`Log::get`](crate::Log::get) says.
    pub(crate) fn get(&self, at: Start) -> Result<Message> {
        match at {
            Start::At(offset) => self.at(offset),
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
    fn in_log(&self, offset: u64) -> Result<Option<Message>> {
        match self.at(offset) {
            Ok(message) => Ok(Some(message)),
            Err(Error::NotFound | Error::OffsetOutOfRange { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The last message with `key`.
    pub(crate) fn newest_by_key(&self, key: &[u8]) -> Result<Message> {
        if !self.shared.directory.kinds.key {
            return Err(Error::NoIndex);
        }
        let hash = key_hash(key);
        let mut left = self.list.segments.len();
        while let Some(index) = left.checked_sub(1) {
            let Some(segment) = self.list.segments.get(index) else {
                break;
            };
            left = index;
            if let Some(run) = self.run_ending_with(index) {
                match self.ask(run, hash)? {
                    Known::Absent => {
                        left = self
                            .list
                            .segments
                            .partition_point(|segment| segment.base() < run.first);
                        continue;
                    }
                    Known::At(offset) => {
                        let found = self.in_log(offset)?;
                        if let Some(message) = found.filter(|found| found.key.as_deref() == Some(key)) {
                            return Ok(message);
                        }
                    }
                    Known::Nothing => {}
                }
            }
            let found = self.read(segment, |opened| {
                for ordinal in opened.candidates(hash) {
                    // Read and verified also where its key looks like another one: that may be damage.
                    let message = message(opened, ordinal?)?;
                    if let Some(message) = message.filter(|found| found.key.as_deref() == Some(key)) {
                        return Ok(Some(message));
                    }
                }
                Ok(None)
            })?;
            if let Some(message) = found {
                return if message.offset < self.list.start_offset {
                    Err(Error::NotFound)
                } else {
                    Ok(message)
                };
            }
        }
        Err(Error::NotFound)
    }

    /// How many of the parts behind the first have only times before `time`, and all between.
    ///
    /// Found by a binary search over running maxima, which are gathered once for each list of segments; parts that are
    /// not sealed may still get later times and are left to be asked.
    fn reached_by(&self, time: i64) -> Result<usize> {
        let maxima = if let Some(maxima) = self.list.time_maxima.get() {
            maxima
        } else {
            let maxima = self.time_maxima()?;
            self.list.time_maxima.fill(maxima)
        };
        Ok(maxima.partition_point(|reached| *reached < time))
    }

    fn time_maxima(&self) -> Result<Vec<i64>> {
        let mut maxima = Vec::new();
        let mut reached = i64::MIN;
        for segment in self.list.segments.iter().skip(1) {
            let SegmentRef::Sealed(sealed) = segment else {
                break;
            };
            let max = match sealed.time_max() {
                Some(max) => max,
                None => match self.read(segment, |opened| Ok(opened.time_max().unwrap_or(i64::MIN))) {
                    // From one that cannot be opened on they are asked one by one.
                    Err(Error::Corrupt { .. } | Error::Io { .. }) => break,
                    other => other?,
                },
            };
            reached = reached.max(max);
            maxima.push(reached);
        }
        Ok(maxima)
    }

    /// The first message whose running maximum time is at or after `time`: the first whose own time is.
    pub(crate) fn first_at_or_after(&self, time: Timestamp) -> Result<Message> {
        if !self.shared.directory.kinds.time {
            return Err(Error::NoIndex);
        }
        let segments = &self.list.segments;
        // The first may be trimmed in part, and is asked by itself.
        let behind = match segments.get(1..) {
            Some(rest) if !rest.is_empty() => self.reached_by(time.as_micros())?,
            _ => 0,
        };
        for segment in segments.iter().take(1).chain(segments.iter().skip(1 + behind)) {
            let found = self.read(segment, |opened| {
                if opened.time_max().is_none_or(|max| max < time.as_micros()) {
                    return Ok(None);
                }
                let (first, _) = opened.find(self.list.start_offset)?;
                match opened.first_at_or_after(time.as_micros())? {
                    Some(ordinal) if ordinal >= first => message(opened, ordinal),
                    // That one was trimmed: look on from the first that was not.
                    Some(_) => first_from(opened, time, first),
                    None => Ok(None),
                }
            })?;
            if let Some(message) = found {
                return Ok(message);
            }
        }
        Err(Error::NotFound)
    }
}

fn message(opened: &Opened<'_>, ordinal: u32) -> Result<Option<Message>, Fault> {
    opened.message(ordinal, opened.offset(ordinal)?)
}

/// The first record from `ordinal` on with its own time at or after `time`, one by one.
fn first_from(opened: &Opened<'_>, time: Timestamp, ordinal: u32) -> Result<Option<Message>, Fault> {
    for ordinal in ordinal..opened.count() {
        let message = message(opened, ordinal)?.filter(|found| found.time >= time);
        if message.is_some() {
            return Ok(message);
        }
    }
    Ok(None)
}

/// The first `wanted` records from `from` on that have `key`, ascending, by the key's chain; `None` if the chain is
/// long.
fn chain(
    opened: &Opened<'_>,
    key: &[u8],
    hash: u32,
    from: u32,
    wanted: usize,
) -> Result<Option<Vec<u32>>, Fault> {
    let mut ordinals = Vec::new();
    for (followed, ordinal) in opened.candidates(hash).enumerate() {
        let ordinal = ordinal?;
        if followed >= CHAIN_WALK_MAX.max(wanted) {
            return Ok(None);
        }
        if ordinal >= from && opened.has_key(ordinal, key)? {
            ordinals.push(ordinal);
        }
    }
    ordinals.sort_unstable();
    ordinals.truncate(wanted);
    Ok(Some(ordinals))
}

/// Messages for a batch, and when there are enough: so many, or as many as take [`READ_LEN_MAX`].
struct Found {
    messages: Vec<Message>,
    count_max: usize,
    /// Bytes of the memory that they keep, and those before them.
    len: u64,
    /// Whether behind them something is damaged.
    is_cut: bool,
}

impl Found {
    fn new(count_max: usize, len: u64) -> Found {
        Found {
            messages: Vec::new(),
            count_max,
            len,
            is_cut: false,
        }
    }

    fn is_enough(&self) -> bool {
        self.is_cut || self.messages.len() >= self.count_max || self.len >= u64::from(READ_LEN_MAX)
    }

    fn append(&mut self, mut more: Found) {
        self.messages.append(&mut more.messages);
        (self.len, self.is_cut) = (more.len, more.is_cut);
    }

    /// What was found in front of a fault, if that is a damaged record and anything was.
    fn in_front_of(mut self, fault: Fault) -> Result<Found, Fault> {
        self.is_cut = matches!(fault, Fault::Record { .. }) && !self.messages.is_empty();
        if self.is_cut { Ok(self) } else { Err(fault) }
    }

    /// And the messages with `key` among these records, each read by itself.
    fn with(mut self, opened: &Opened<'_>, key: &[u8], ordinals: &[u32]) -> Result<Found, Fault> {
        for ordinal in ordinals {
            if self.is_enough() {
                break;
            }
            match message(opened, *ordinal) {
                Ok(Some(message)) if message.key.as_deref() == Some(key) => {
                    self.len += message.as_new().content_size();
                    self.messages.push(message);
                }
                Ok(_) => {}
                Err(fault) => return self.in_front_of(fault),
            }
        }
        Ok(self)
    }

    /// And the messages from the record `from` on with `key`, by looking at each.
    fn with_those_of(mut self, opened: &Opened<'_>, key: &[u8], from: u32) -> Result<Found, Fault> {
        const AT_ONCE: u32 = 64;
        let (mut ordinal, mut read) = (from, Vec::new());
        while ordinal < opened.count() && !self.is_enough() {
            let end = match opened.messages(ordinal, AT_ONCE, &mut read) {
                Ok(end) => end,
                Err(fault) => return self.in_front_of(fault),
            };
            let before = self.messages.len();
            let matching = read
                .drain(..)
                .filter(|message| message.key.as_deref() == Some(key))
                .take(self.count_max - before);
            self.messages.extend(matching);
            if self.messages.len() > before {
                // One of them keeps what was read with it.
                self.len += u64::from(opened.position(end)?.saturating_sub(opened.position(ordinal)?));
            }
            ordinal = end;
        }
        Ok(self)
    }
}
