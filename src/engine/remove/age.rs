//! Where the messages begin that retention by age keeps.
//!
//! Offsets are given out in the order of publishing. So a message was published before anything
//! that comes behind it, and where its own time of publishing is not known, it counts as published
//! when the next thing behind it was whose time is known: a message with the clock's time, or a
//! segment that was begun. Behind everything is now. So nothing counts as older than it is, and the
//! first thing that is young decides.

use std::time::Duration;

use super::removal::Remove;
use crate::engine::segments::Reader;
use crate::format::SegmentHeader;
use crate::log::{Age, AgeCut, FirstYoung, Horizon};
use crate::segment::{ReadFault, SegmentRef, SegmentSnapshot};
use crate::sys::Open;
use crate::{Error, Result};

impl Remove {
    /// The first message that is not known to be old. What cannot be read counts as old as the next
    /// that can, so damage stays no longer than what is behind it.
    pub(super) fn first_young(&self, reader: &Reader<'_>, horizon: &Horizon) -> Result<FirstYoung> {
        let (start, segments) = (reader.list().start_offset, &reader.list().segments);
        let mut cut = AgeCut::default();
        for (index, segment) in segments.iter().enumerate() {
            let next = segments.get(index + 1);
            let header = match next.filter(|_| !horizon.by_event_time) {
                Some(next) => self.header_of(next)?,
                None => None,
            };
            let created = header.and_then(|header| horizon.latest_creation(header.created));
            let is_of_this = |header: &SegmentHeader| {
                let previous = header.previous.map(|previous| previous.base);
                previous == Some(segment.base()) && horizon.are_clocks_old(header.previous_clock)
            };
            let look = Look {
                horizon,
                start,
                is_behind_old: created.is_some_and(|created| created < horizon.oldest),
                are_clocks_old: header.as_ref().is_some_and(is_of_this),
                cut,
            };
            let found = match reader.read(segment, |opened| look.through(opened)) {
                Err(Error::Corrupt { .. }) => {
                    // Of this segment nothing is known.
                    cut.see(segment.base().max(start), Age::Unknown);
                    None
                }
                other => {
                    let (seen, found) = other?;
                    cut = seen;
                    found
                }
            };
            if found.is_some() {
                return Ok(found.unwrap_or_default());
            }
            if let (Some(next), Some(created)) = (next, created)
                && let Some(offset) = cut.see(next.base(), horizon.age_of(created))
            {
                return Ok(FirstYoung {
                    offset,
                    time: Some(created),
                });
            }
        }
        Ok(FirstYoung {
            offset: cut.end().unwrap_or(reader.next_offset()),
            time: None,
        })
    }

    /// See [`Log::offset_by_age`](crate::Log::offset_by_age).
    pub(crate) fn offset_by_age(&self, reader: &Reader<'_>, age: Duration) -> Result<u64> {
        let horizon = Horizon::at(self.clock.now().as_micros(), age, false);
        Ok(self.first_young(reader, &horizon)?.offset)
    }

    /// The header of this segment; `None` if it cannot be read.
    pub(super) fn header_of(&self, segment: &SegmentRef) -> Result<Option<SegmentHeader>> {
        match segment {
            SegmentRef::Active(active) => Ok(Some(active.header)),
            SegmentRef::Sealed(segment) => match self.directory.open_segment(segment.base(), Open::Read) {
                Err(Error::Corrupt { .. }) => Ok(None),
                opened => opened.map(|(_, header)| Some(header)),
            },
        }
    }
}

/// A look through one segment.
struct Look<'a> {
    horizon: &'a Horizon,
    /// The start offset.
    start: u64,
    /// Whether the next segment was created so early that it is old, and with it everything in
    /// front of it whose time is not known.
    is_behind_old: bool,
    /// Whether the next segment says that all times by the clock in this one are old.
    are_clocks_old: bool,
    /// What was found in the segments before.
    cut: AgeCut,
}

impl Look<'_> {
    /// Looks for the first message that is young; returns it, and what was found in front of it.
    fn through(&self, opened: &SegmentSnapshot<'_>) -> Result<(AgeCut, Option<FirstYoung>), ReadFault> {
        let (mut cut, count) = (self.cut, opened.count());
        let from = opened.find(self.start)?.0;
        let first = self.pass_over_old(opened, from)?;
        if first > from {
            cut.see(self.start, Age::Old);
        }
        for ordinal in first..count {
            let Some((time, by_clock)) = opened.clock_of(ordinal)? else {
                continue;
            };
            let offset = opened.offset(ordinal)?;
            let mut age = self.horizon.age_of_message(time, by_clock);
            // A message is read only if something depends on it.
            let decides = age == Age::Young || cut.is_open() || ordinal + 1 == count;
            if decides && is_damaged(opened, ordinal)? {
                age = Age::Unknown;
            }
            if let Some(found) = cut.see(offset, age) {
                let offset = if found == offset {
                    before_damage(opened, first, ordinal)?
                } else {
                    found
                };
                return Ok((
                    cut,
                    Some(FirstYoung {
                        offset,
                        time: Some(time),
                    }),
                ));
            }
        }
        Ok((cut, None))
    }

    /// The record from which on records have to be looked at one by one: all before it, from `from`
    /// on, are old. The next segment tells, or the index of times, if there is one.
    fn pass_over_old(&self, opened: &SegmentSnapshot<'_>, from: u32) -> Result<u32, ReadFault> {
        if self.is_behind_old && self.are_clocks_old {
            return Ok(opened.count().max(from));
        }
        let Some(max) = opened.time_max() else {
            return Ok(from);
        };
        // The times that messages claim tell nothing, but no time is later than the latest.
        let all_old = max < self.horizon.oldest && (self.is_behind_old || self.horizon.by_event_time);
        if all_old {
            return Ok(opened.count().max(from));
        }
        if !self.horizon.by_event_time {
            return Ok(from);
        }
        match opened.first_at_or_after(self.horizon.oldest) {
            Err(ReadFault::Record { .. }) => Ok(from),
            found => Ok(found?.unwrap_or(from).max(from)),
        }
    }
}

/// The offset of the first of the damaged records that end in front of the record `ordinal`, or
/// else of that record. None before the record `first` is looked at.
fn before_damage(opened: &SegmentSnapshot<'_>, first: u32, ordinal: u32) -> Result<u64, ReadFault> {
    let mut kept = ordinal;
    while kept > first && is_damaged(opened, kept - 1)? {
        kept -= 1;
    }
    opened.offset(kept)
}

fn is_damaged(opened: &SegmentSnapshot<'_>, ordinal: u32) -> Result<bool, ReadFault> {
    match opened.verify(ordinal) {
        Err(ReadFault::Record { .. }) => Ok(true),
        verified => verified.map(|()| false),
    }
}
