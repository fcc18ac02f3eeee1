//! Removing what the retention policy no longer keeps.

use super::removal::{Removal, Remove};
use crate::engine::segments::{FromEnd, Reader};
use crate::format::{FRAMES_START, FileName};
use crate::log::{Allowed, Cause, FirstYoung, Horizon, Leave, Moment, creation_time, is_creation_known};
use crate::segment::{ReadFault, SegmentSnapshot};
use crate::{Error, Event, Job, Result, Trimmed};

impl Removal<'_> {
    /// See [`Log::apply_retention`](crate::Log::apply_retention).
    pub(crate) fn apply_retention(&mut self, dry_run: bool) -> Result<Trimmed> {
        if !dry_run {
            self.remove.health().check_writable()?;
        }
        let remove = self.remove;
        let now = Moment::of(&*remove.clock);
        let cut = Reader::with(&remove.segments, |reader| {
            let mut cut = self.cut_by_count_and_bytes(reader)?;
            if let Some(age) = remove.policy.age {
                let horizon = Horizon::at(now.wall, age, remove.policy.by_event_time);
                cut = cut.max(remove.first_young(reader, &horizon)?.offset);
                let mut aging = remove.aging.lock();
                aging.note(&remove.policy, now.monotonic, reader.next_offset());
                cut = cut.max(aging.proven(now.monotonic, age));
            }
            Ok(cut)
        })?;
        let pass = remove.floor.begin_pass();
        let cut = self.allowed(cut);
        if dry_run {
            return Reader::with(&remove.segments, |reader| self.what_goes(reader, cut.before));
        }
        let trimmed = self.trim_and_tell(cut)?;
        drop(pass);
        let left = self.leave_old_segment();
        self.remove.segments.teller.note_failure(Job::Retention, left);
        self.remove.health().check_not_poisoned()?;
        Ok(trimmed)
    }

    /// What the policy does not keep, less what somebody has yet to read, if it keeps that.
    fn allowed(&self, before: u64) -> Allowed {
        let remove = self.remove;
        let next_offset = remove.segments.list().next_offset();
        remove.policy.allowed(&remove.floor, before, next_offset)
    }

    /// Trims to where the policy says.
    fn trim_and_tell(&self, cut: Allowed) -> Result<Trimmed> {
        let trimmed = self.trim(cut.before)?;
        let meter = self.remove.health().meter();
        meter.removed(Cause::Retention, trimmed.count, trimmed.size);
        let segments = &self.remove.segments;
        if trimmed.count > 0 || trimmed.size > 0 {
            segments.teller.note(|| Event::RetentionRemoved {
                messages: trimmed.count,
                bytes: trimmed.size,
                start_offset: segments.list().start_offset,
            });
        }
        if cut.is_overrun && trimmed.count > 0 {
            let start_offset = segments.list().start_offset;
            self.remove.floor.note_overrun(start_offset);
            segments.teller.note(|| Event::RetentionOverrun {
                floor: self.remove.floor.offset(),
                start_offset,
            });
        }
        Ok(trimmed)
    }

    /// Applies the policy unasked: no more comes due by age than time has passed.
    pub(crate) fn retain(&mut self) -> Result<()> {
        let remove = self.remove;
        let now = Moment::of(&*remove.clock);
        let (mut cut, pass, next_offset) = Reader::with(&remove.segments, |reader| {
            let cut = self.cut_by_count_and_bytes(reader)?;
            Ok((cut, self.look_for_old(reader, &now)?, reader.next_offset()))
        })?;
        if let (Some(pass), Some(age)) = (&pass, remove.policy.age) {
            cut = cut.max(remove.aging.lock().proven(now.monotonic, age));
            if self.may_go(pass, &now) {
                cut = cut.max(pass.young.offset);
            }
        }
        let gone_to = {
            let _pass = remove.floor.begin_pass();
            let allowed = self.allowed(cut);
            self.trim_and_tell(allowed)?;
            allowed.before
        };
        let mut aging = remove.aging.lock();
        if let (Some(pass), Some(age)) = (pass, remove.policy.age) {
            aging.passed(
                &now,
                age,
                &pass.horizon,
                &FirstYoung {
                    offset: cut,
                    ..pass.young
                },
            );
        }
        aging.applied(next_offset);
        if self.allowed(cut).before > gone_to {
            // The floor was raised meanwhile.
            aging.look_again();
        }
        drop(aging);
        // If there is no space for a segment now, the next time may find some.
        self.leave_old_segment()
    }

    /// The offset below which the policy keeps nothing, but for the limit by age.
    fn cut_by_count_and_bytes(&self, reader: &Reader<'_>) -> Result<u64> {
        let policy = &self.remove.policy;
        let mut cut = reader.list().start_offset;
        if let Some(messages) = policy.messages {
            let has_gaps = self.remove.metadata.get(|meta| meta.has_gaps);
            cut = cut.max(cut_by_count(reader, messages, has_gaps)?);
        }
        if let Some(bytes) = policy.bytes {
            cut = cut.max(self.cut_by_bytes(reader, bytes)?);
        }
        Ok(cut)
    }

    /// Looks for messages that are too old, if there can be any.
    fn look_for_old(&self, reader: &Reader<'_>, now: &Moment) -> Result<Option<Pass>> {
        let remove = self.remove;
        let Some(age) = remove.policy.age else {
            return Ok(None);
        };
        let mut aging = remove.aging.lock();
        aging.note(&remove.policy, now.monotonic, reader.next_offset());
        if !aging.is_age_due(now.monotonic) {
            return Ok(None);
        }
        let horizon = aging.horizon(now, age, remove.policy.by_event_time);
        drop(aging);
        let young = remove.first_young(reader, &horizon)?;
        let young = remove.aging.lock().limited(young, now.monotonic, age);
        let gone = self.what_goes(reader, young.offset)?.count;
        let all = if gone > 0 {
            self.what_goes(reader, reader.next_offset())?.count
        } else {
            0
        };
        Ok(Some(Pass {
            horizon,
            young,
            gone,
            all,
        }))
    }

    /// Whether what a pass found may be removed now. Tells if it has to wait.
    fn may_go(&self, pass: &Pass, now: &Moment) -> bool {
        let remove = self.remove;
        let leave = remove.aging.lock().judge(now.monotonic, pass.gone, pass.all);
        if let Leave::Announce(wait) = leave {
            remove.segments.teller.note(|| Event::RetentionWaits {
                before: pass.young.offset,
                messages: pass.gone,
                wait,
            });
        }
        leave == Leave::Go
    }

    /// Leaves the last segment behind if it has been written to for long, or if it is not known for
    /// how long, so that it can go when its messages are old. Where all have gone, there is none.
    fn leave_old_segment(&mut self) -> Result<()> {
        let remove = self.remove;
        let now = remove.clock.now().as_micros();
        match remove.old_segment(now)? {
            Some(base) => self.leave_behind(base),
            None => Ok(()),
        }
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

/// What a look for old messages found.
struct Pass {
    horizon: Horizon,
    young: FirstYoung,
    /// How many messages are old, of how many.
    gone: u64,
    all: u64,
}

impl Remove {
    /// Notes how far the log has come, for who goes by its age once it is closed.
    pub(crate) fn note_end(&self) {
        let now = Moment::of(&*self.clock);
        let next_offset = self.segments.list().next_offset();
        self.aging.lock().note(&self.policy, now.monotonic, next_offset);
    }

    /// Whether applying the policy may find anything to do. Costs next to nothing.
    pub(crate) fn is_retention_due(&self) -> bool {
        let now = Moment::of(&*self.clock);
        let next_offset = self.segments.list().next_offset();
        let mut aging = self.aging.lock();
        aging.note(&self.policy, now.monotonic, next_offset);
        if self.floor.take_raised() || self.policy.is_overrun(&self.floor, next_offset) {
            aging.look_again();
        }
        let is_due = aging.is_due(&self.policy, now.monotonic, next_offset);
        drop(aging);
        is_due || self.old_segment(now.wall).is_ok_and(|old| old.is_some())
    }

    /// The base of the last segment if it has messages and it is time to leave it behind.
    fn old_segment(&self, now: i64) -> Result<Option<u64>> {
        let list = self.segments.list();
        let (Some(age_max), Some(newest)) = (self.policy.segment_age_max(), list.segments.last()) else {
            return Ok(None);
        };
        let horizon = Horizon::at(now, age_max, false);
        let created = self.header_of(newest)?.map_or(0, |header| header.created);
        let is_old = match horizon.latest_creation(created) {
            Some(created) => created < horizon.oldest && newest.base() < list.next_offset(),
            // If the creation of the next segment would not be known either, it is no better.
            None => list.next_offset() > list.start_offset && is_creation_known(creation_time(now)),
        };
        Ok(is_old.then_some(newest.base()))
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
