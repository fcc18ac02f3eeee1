//! Reading within limits and through a filter: what [`Log::read`](crate::Log::read) does, whatever
//! the records come from.

use std::ops::ControlFlow;

use crate::types::metered;
use crate::{
    ControlRecord, Error, Message, MessageRef, Place, ReadBatch, ReadOptions, Result, Start, Stop, Timestamp,
    metered_size,
};

/// After so many bytes, by their metered size, a call returns what it has.
const READ_LEN_MAX: u64 = 8 << 20;

/// How many records are asked for first, if it is not known how many are needed. Each time it is
/// twice as many.
const COUNT_FIRST: usize = 64;

/// A record that was read.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    Message(Message),
    Control(ControlRecord, u64),
}

impl Record {
    /// A control record with so many bytes of content.
    pub(crate) fn control(record: ControlRecord, len: usize) -> Record {
        Record::Control(record, metered(0, len as u64))
    }

    pub(crate) fn offset(&self) -> u64 {
        match self {
            Record::Message(message) => message.offset,
            Record::Control(record, _) => record.offset,
        }
    }

    fn time(&self) -> Timestamp {
        match self {
            Record::Message(message) => message.time,
            Record::Control(record, _) => record.time,
        }
    }

    fn metered_size(&self) -> u64 {
        match self {
            Record::Message(message) => metered_size(&message.as_new()),
            Record::Control(_, size) => *size,
        }
    }
}

/// Where reads of a log begin and end.
pub(crate) trait Ends {
    /// See [`Log::is_sealed`](crate::Log::is_sealed).
    fn is_sealed(&self) -> Result<bool>;

    /// See [`Log::tail`](crate::Log::tail).
    fn tail(&self) -> Result<Place>;

    /// The offset at which reading from there begins.
    fn begin(&self, from: Start) -> Result<u64>;
}

/// A read that is under way.
pub(crate) struct Reading<'a> {
    how: &'a ReadOptions,
    /// Whether it was asked for from an offset.
    is_from_offset: bool,
    batch: ReadBatch,
    bytes: u64,
    /// Bytes of all that was looked at.
    seen: u64,
}

impl<'a> Reading<'a> {
    /// Reads from `log`, whose records come from `source`: up to so many from an offset on, which
    /// is in the log, and the offset behind them.
    pub(crate) fn run(
        log: &(impl Ends + ?Sized),
        from: Start,
        how: &'a ReadOptions,
        mut source: impl FnMut(u64, usize) -> Result<(Vec<Record>, u64)>,
    ) -> Result<ReadBatch> {
        if how.max_count == 0 || how.max_bytes == 0 {
            return Reading::nothing(log, from, how);
        }
        if let (Start::Time(from), Some(until)) = (from, how.until_time)
            && from >= until
        {
            return Err(Error::Invalid(
                "reading begins at or after the time it is to end at",
            ));
        }
        // In this order: behind a seal the end does not move, unless the log is opened again.
        let is_sealed = log.is_sealed()?;
        let tail = log.tail()?;
        let mut reading = Reading {
            how,
            is_from_offset: matches!(from, Start::At(_)),
            batch: ReadBatch {
                messages: Vec::new(),
                controls: Vec::new(),
                next_offset: begin(log, from, how, tail)?,
                tail,
                stopped: if is_sealed { Stop::Sealed } else { Stop::AtEnd },
            },
            bytes: 0,
            seen: 0,
        };
        if let ControlFlow::Break(stopped) = reading.gather(&mut source)? {
            reading.batch.stopped = stopped;
        }
        let read_to = reading.batch.next_offset;
        if read_to > reading.batch.tail.offset {
            reading.batch.tail = log.tail()?;
        }
        // Meanwhile the log may have been opened again and gone on.
        if reading.batch.stopped == Stop::Sealed && !(log.is_sealed()? && log.tail()?.offset <= read_to) {
            reading.batch.stopped = Stop::AtEnd;
        }
        Ok(reading.batch)
    }

    /// The result where a limit is 0.
    fn nothing(log: &(impl Ends + ?Sized), from: Start, how: &ReadOptions) -> Result<ReadBatch> {
        let tail = log.tail()?;
        let next_offset = match from {
            Start::At(offset) => offset,
            other => match begin(log, other, how, tail) {
                Err(Error::NoIndex { .. }) => tail.offset,
                begin => begin?,
            },
        };
        Ok(ReadBatch {
            messages: Vec::new(),
            controls: Vec::new(),
            next_offset,
            tail,
            stopped: if how.max_count == 0 {
                Stop::Count
            } else {
                Stop::Bytes
            },
        })
    }

    fn gather(
        &mut self,
        source: &mut impl FnMut(u64, usize) -> Result<(Vec<Record>, u64)>,
    ) -> Result<ControlFlow<Stop>> {
        let is_counted = self.how.filter.is_any() && self.how.max_bytes == u64::MAX;
        let mut count = if is_counted { usize::MAX } else { COUNT_FIRST };
        let until = self.how.until_offset.unwrap_or(u64::MAX);
        loop {
            let at = self.batch.next_offset;
            if at >= until {
                return Ok(ControlFlow::Break(Stop::Until));
            }
            if at >= self.batch.tail.offset {
                return Ok(ControlFlow::Continue(()));
            }
            let left = self.how.max_count - self.batch.messages.len() - self.batch.controls.len();
            let room = usize::try_from(until - at).unwrap_or(usize::MAX);
            let asked = if is_counted {
                left.min(room)
            } else {
                count.min(room)
            };
            count = count.saturating_mul(2);
            let (records, next_offset) = match source(at, asked) {
                // The next call meets it again.
                Err(error) if self.has_any() && (error.is_trimmed() || is_corrupt(&error)) => {
                    return Ok(ControlFlow::Break(Stop::More));
                }
                // Trimmed since reading began.
                Err(Error::OffsetOutOfRange { start, .. }) if start > at && !self.is_from_offset => {
                    self.batch.next_offset = start;
                    continue;
                }
                read => read?,
            };
            for record in records {
                if self.is_full() {
                    return Ok(ControlFlow::Break(Stop::More));
                }
                if let ControlFlow::Break(stopped) = self.offer(record) {
                    return Ok(ControlFlow::Break(stopped));
                }
            }
            self.batch.next_offset = next_offset.min(until.max(at));
            if self.is_full() && self.batch.next_offset < self.batch.tail.offset {
                return Ok(ControlFlow::Break(Stop::More));
            }
        }
    }

    /// Whether one call reads no more. The source may have given more than that.
    fn is_full(&self) -> bool {
        self.seen >= READ_LEN_MAX
    }

    fn has_any(&self) -> bool {
        !self.batch.messages.is_empty() || !self.batch.controls.is_empty()
    }

    /// Takes a record, passes over it, or says why reading stops in front of it.
    fn offer(&mut self, record: Record) -> ControlFlow<Stop> {
        let how = self.how;
        let offset = record.offset();
        let is_behind = how.until_offset.is_some_and(|until| offset >= until)
            || how.until_time.is_some_and(|until| record.time() >= until);
        if is_behind {
            // What was deleted in front of it needs no second look.
            self.batch.next_offset = how.until_offset.map_or(offset, |until| offset.min(until));
            return ControlFlow::Break(Stop::Until);
        }
        let size = record.metered_size();
        let passes = match &record {
            Record::Message(message) => how.filter.passes(&MessageRef::from(message)),
            Record::Control(..) => true,
        };
        if passes {
            if self.batch.messages.len() + self.batch.controls.len() == how.max_count {
                return ControlFlow::Break(Stop::Count);
            }
            if self.bytes.saturating_add(size) > how.max_bytes {
                return ControlFlow::Break(Stop::Bytes);
            }
            self.bytes += size;
            match record {
                Record::Message(message) => self.batch.messages.push(message),
                Record::Control(record, _) => self.batch.controls.push(record),
            }
        }
        self.seen = self.seen.saturating_add(size);
        self.batch.next_offset = offset + 1;
        if self.batch.messages.len() + self.batch.controls.len() == how.max_count {
            return ControlFlow::Break(Stop::Count);
        }
        ControlFlow::Continue(())
    }
}

fn is_corrupt(error: &Error) -> bool {
    matches!(error, Error::Corrupt { .. })
}

/// The offset at which reading begins.
fn begin(log: &(impl Ends + ?Sized), from: Start, how: &ReadOptions, tail: Place) -> Result<u64> {
    if let Start::At(offset) | Start::AtOrOldest(offset) = from
        && offset > tail.offset
        && how.clamp
    {
        return Ok(tail.offset);
    }
    log.begin(from)
}
