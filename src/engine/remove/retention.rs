//! Removing what the retention policy no longer keeps.

use super::removal::Removal;
use crate::engine::segments::{FromEnd, Reader};
use crate::format::{FRAMES_START, FileName};
use crate::log::{Age, AgeCut};
use crate::segment::{ReadFault, SegmentRef, SegmentSnapshot};
use crate::sys::Open;
use crate::{Error, Result, Trimmed};

impl Removal<'_> {
    /// See [`Log::apply_retention`](crate::Log::apply_retention).
    pub(crate) fn apply_retention(&self, dry_run: bool) -> Result<Trimmed> {
        let segments = &self.remove.segments;
        let cut = Reader::with(segments, |reader| self.retention_cut(reader))?;
        if dry_run {
            return Reader::with(segments, |reader| self.what_goes(reader, cut));
        }
        self.remove.health().check_writable()?;
        self.trim(cut)
    }

    /// The offset below which the policy keeps nothing.
    fn retention_cut(&self, reader: &Reader<'_>) -> Result<u64> {
        let policy = &self.remove.policy;
        let mut cut = reader.list().start_offset;
        if let Some(messages) = policy.messages {
            let has_gaps = self.remove.metadata.current().has_gaps;
            cut = cut.max(cut_by_count(reader, messages, has_gaps)?);
        }
        if let Some(bytes) = policy.bytes {
            cut = cut.max(self.cut_by_bytes(reader, bytes)?);
        }
        if let Some(age) = policy.age {
            let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
            let oldest = self.remove.clock.now().as_micros().saturating_sub(age);
            cut = cut.max(self.cut_by_time(reader, oldest)?);
        }
        Ok(cut)
    }

    /// The first offset that is not older than `oldest` by the log's own time.
    ///
    /// That time never goes back, and never runs ahead of the clock by which segments are created:
    /// a message that claims to be younger than the segment behind its own counts as exactly as old
    /// as that segment.
    fn cut_by_time(&self, reader: &Reader<'_>, oldest: i64) -> Result<u64> {
        let now = self.remove.clock.now().as_micros();
        let segments = &reader.list().segments;
        for (index, segment) in segments.iter().enumerate() {
            let latest = match segments.get(index + 1) {
                Some(next) => self.created_before(next)?.unwrap_or(now),
                None => now,
            };
            if latest < oldest {
                continue;
            }
            if let Some(offset) = first_since(reader, segment, oldest)? {
                return Ok(offset.max(reader.list().start_offset));
            }
        }
        Ok(reader.next_offset())
    }

    /// A time, in microseconds, by which this segment had been created; `None` if it is not known.
    fn created_before(&self, segment: &SegmentRef) -> Result<Option<i64>> {
        let created = match segment {
            SegmentRef::Active(active) => active.header.created,
            SegmentRef::Sealed(segment) => {
                match self.remove.directory.open_segment(segment.base(), Open::Read) {
                    Err(Error::Corrupt { .. }) => return Ok(None),
                    opened => opened?.1.created,
                }
            }
        };
        // The header says whole seconds: the segment was created in the second that begins there.
        Ok((created > 0).then(|| (i64::from(created) + 1).saturating_mul(1_000_000)))
    }

    /// The first offset from which on the messages take at most `bytes_max` bytes in their
    /// segments.
    fn cut_by_bytes(&self, reader: &Reader<'_>, bytes_max: u64) -> Result<u64> {
        let mut left = bytes_max;
        for segment in reader.list().segments.iter().rev() {
            let found = match reader.read(segment, |opened| first_within(opened, left)) {
                // The length of its file is known all the same, and the segment stays or goes as a
                // whole.
                Err(Error::Corrupt { .. }) => {
                    let len = self.remove.segments.len_of(&FileName::Segment(segment.base()))?;
                    let taken = len.saturating_sub(u64::from(FRAMES_START));
                    if taken <= left {
                        Within::All { bytes: taken }
                    } else {
                        Within::From(segment.base())
                    }
                }
                found => found?,
            };
            match found {
                Within::All { bytes } => left -= bytes,
                Within::From(offset) => return Ok(offset),
                Within::None => return Ok(reader.end_offset_of(segment)),
            }
        }
        Ok(reader.list().start_offset)
    }
}

/// The first offset in a segment that is kept when everything older than `oldest` goes. Everything
/// behind the segment is kept.
///
/// A message that cannot be read counts as old as the next that can. A segment of which nothing can
/// be read counts as old as what is behind it. So damage stays no longer than what is behind it.
fn first_since(reader: &Reader<'_>, segment: &SegmentRef, oldest: i64) -> Result<Option<u64>> {
    let found = reader.read(segment, |opened| {
        if let Some(max) = opened.time_max() {
            if max < oldest {
                return Ok(None);
            }
            match opened.first_at_or_after(oldest) {
                Err(ReadFault::Record { .. }) => {}
                found => return found?.map(|ordinal| opened.offset(ordinal)).transpose(),
            }
        }
        // Without an index of times, the messages are looked at one by one.
        let mut cut = AgeCut::default();
        for ordinal in 0..opened.count() {
            let offset = opened.offset(ordinal)?;
            let age = match opened.message(ordinal, offset) {
                Ok(Some(message)) if message.time.as_micros() >= oldest => Age::Young,
                Ok(Some(_)) => Age::Old,
                Ok(None) => continue,
                Err(ReadFault::Record { .. }) => Age::Unknown,
                Err(fault) => return Err(fault),
            };
            if let Some(offset) = cut.see(offset, age) {
                return Ok(Some(offset));
            }
        }
        Ok(cut.end())
    });
    match found {
        Err(Error::Corrupt { .. }) => Ok(Some(segment.base())),
        found => found,
    }
}

/// The offset of the `count`-th message from the end. A segment that cannot be read counts as
/// having a message at each offset or, in a log with gaps, none at all, so that nothing goes too
/// early.
fn cut_by_count(reader: &Reader<'_>, count: u64, has_gaps: bool) -> Result<u64> {
    reader.last_or(count, |segment, wanted, error| {
        if !matches!(error, Error::Corrupt { .. }) {
            return Err(error);
        }
        let (start, end) = (
            segment.base().max(reader.list().start_offset),
            reader.end_offset_of(segment),
        );
        let there = if has_gaps { 0 } else { end.saturating_sub(start) };
        Ok(if there < wanted {
            FromEnd::Fewer(there)
        } else {
            FromEnd::At(end - wanted)
        })
    })
}

/// The messages at the end of a segment that take at most a given number of bytes.
enum Within {
    /// All of them.
    All { bytes: u64 },
    /// Those from this offset on.
    From(u64),
    /// Not even the last one.
    None,
}

/// Which messages at the end of a segment take at most `left` bytes.
fn first_within(opened: &SegmentSnapshot<'_>, left: u64) -> Result<Within, ReadFault> {
    let count = opened.count();
    let end = u64::from(opened.end());
    let taken = |ordinal| Ok::<_, ReadFault>(end - u64::from(opened.position(ordinal)?));
    if count == 0 {
        return Ok(Within::All { bytes: 0 });
    }
    if taken(0)? <= left {
        return Ok(Within::All { bytes: taken(0)? });
    }
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if taken(middle)? <= left {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    if low < count {
        opened.offset(low).map(Within::From)
    } else {
        Ok(Within::None)
    }
}
