//! One interface for reading active and sealed segments.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use arc_swap::Guard;

use super::active::Active;
use super::read_fault::ReadFault;
use super::sealed::{Mapped, Sealed};
use super::told::Told;
use super::visible::Visible;
use super::walk::Walk;
use crate::format::{FRAMES_START, FrameSeeds, SegmentHeader};
use crate::index::{self, Find};
use crate::sys::Map;
use crate::{Error, Result};

/// A segment in a log's list.
#[derive(Clone, Debug)]
pub(crate) enum SegmentRef {
    Active(Arc<Active>),
    Sealed(Arc<Sealed>),
}

/// Who keeps the number of mappings small.
pub(crate) trait Budget {
    /// Notes that the files of this segment were mapped.
    fn note_mapped(&self, segment: &Arc<Sealed>);

    /// Releases mappings if the error says that the system allows no more; returns whether it says
    /// so.
    fn releases_for(&self, error: &Error) -> bool;

    /// Maps something, and once more after mappings were released if the system allowed no more.
    fn map<T>(&self, map: impl Fn() -> Result<T>) -> Result<T> {
        match map() {
            Err(error) if self.releases_for(&error) => map(),
            other => other,
        }
    }
}

impl SegmentRef {
    pub(crate) fn base(&self) -> u64 {
        match self {
            SegmentRef::Active(active) => active.header.base,
            SegmentRef::Sealed(segment) => segment.base(),
        }
    }

    /// Keeps the segment's files open.
    pub(crate) fn hold(&self, budget: &impl Budget) -> Result<Held> {
        match self {
            SegmentRef::Active(active) => Ok(Held::Active(Arc::clone(active))),
            SegmentRef::Sealed(segment) => {
                let files = files_of(segment, budget)?;
                let files = files
                    .as_ref()
                    .ok_or_else(|| ReadFault::Index.into_error(&segment.index_path()))?;
                Ok(Held::Sealed(Arc::clone(segment), Arc::clone(files)))
            }
        }
    }

    /// Reads from the segment as it is now.
    ///
    /// If the index turns out to be damaged, it is built anew and `read` is called a second time.
    #[inline]
    pub(crate) fn read<T>(
        &self,
        budget: &impl Budget,
        mut read: impl FnMut(&SegmentSnapshot<'_>) -> Result<T, ReadFault>,
    ) -> Result<T> {
        let segment = match self {
            SegmentRef::Active(active) => {
                let opened = SegmentSnapshot::Active {
                    active,
                    visible: active.visible(),
                };
                return read(&opened).map_err(|fault| fault.into_error(active.file.path()));
            }
            SegmentRef::Sealed(segment) => segment,
        };
        let guard = files_of(segment, budget)?;
        if let Some(files) = guard.as_deref() {
            match read(&SegmentSnapshot::Sealed { files }) {
                Err(ReadFault::Index) => {}
                other => return other.map_err(|fault| fault.into_error(&segment.path())),
            }
        }
        drop(guard);
        let files = budget.map(|| segment.rebuild_index())?;
        budget.note_mapped(segment);
        read(&SegmentSnapshot::Sealed { files: &files }).map_err(|fault| match fault {
            ReadFault::Index => fault.into_error(&segment.index_path()),
            other => other.into_error(&segment.path()),
        })
    }
}

/// The mapped files of a segment.
#[inline]
fn files_of(segment: &Arc<Sealed>, budget: &impl Budget) -> Result<Guard<Option<Arc<Mapped>>>> {
    let (files, opened) = budget.map(|| segment.mapped())?;
    if opened {
        budget.note_mapped(segment);
    }
    Ok(files)
}

/// A segment whose files stay open as long as this is held.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    Active(Arc<Active>),
    Sealed(Arc<Sealed>, Arc<Mapped>),
}

/// A segment that was held before: its files stay open only as long as others need them.
#[derive(Clone, Debug)]
pub(crate) enum LetGo {
    Active(Weak<Active>),
    Sealed(Weak<Sealed>, Weak<Mapped>),
}

impl LetGo {
    /// Holds the segment again, if its files are still open.
    pub(crate) fn hold(&self) -> Option<Held> {
        match self {
            LetGo::Active(active) => active.upgrade().map(Held::Active),
            LetGo::Sealed(segment, files) => Some(Held::Sealed(segment.upgrade()?, files.upgrade()?)),
        }
    }
}

impl Held {
    /// What is left when this is dropped.
    pub(crate) fn let_go(&self) -> LetGo {
        match self {
            Held::Active(active) => LetGo::Active(Arc::downgrade(active)),
            Held::Sealed(segment, files) => LetGo::Sealed(Arc::downgrade(segment), Arc::downgrade(files)),
        }
    }

    pub(crate) fn map(&self) -> &Map {
        match self {
            Held::Active(active) => &active.map,
            Held::Sealed(_, files) => &files.map,
        }
    }

    /// What the records in the first `len` bytes of this segment, which has this header, say
    /// besides their messages.
    pub(crate) fn told(&self, header: &SegmentHeader, len: u32) -> Told {
        let walk = Walk {
            map: self.map(),
            seeds: self.seeds(),
            base: header.base,
            header_checksum: 0,
            limit: u64::from(len).min(self.map().len()),
            rewritten: header.rewrite.is_some(),
            hash_keys: false,
        };
        walk.run_told(|_| {}).1
    }

    pub(crate) fn seeds(&self) -> FrameSeeds {
        match self {
            Held::Active(active) => active.seeds,
            Held::Sealed(_, files) => files.seeds,
        }
    }

    /// The segment as it is now.
    pub(crate) fn opened(&self) -> SegmentSnapshot<'_> {
        match self {
            Held::Active(active) => SegmentSnapshot::Active {
                active,
                visible: active.visible(),
            },
            Held::Sealed(_, files) => SegmentSnapshot::Sealed { files },
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Held::Active(active) => active.file.path().to_path_buf(),
            Held::Sealed(segment, _) => segment.path(),
        }
    }

    /// The offset of a record.
    pub(crate) fn offset(&self, ordinal: u32) -> Result<u64> {
        match self {
            Held::Active(active) => Ok(active.header.base + u64::from(ordinal)),
            Held::Sealed(segment, files) => files
                .index
                .offset(ordinal)
                .map_err(|_| ReadFault::Index.into_error(&segment.index_path())),
        }
    }
}

/// A segment as one reader sees it: its content does not change any more.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SegmentSnapshot<'a> {
    Active { active: &'a Active, visible: Visible },
    Sealed { files: &'a Mapped },
}

impl SegmentSnapshot<'_> {
    pub(crate) fn map(&self) -> &Map {
        match self {
            SegmentSnapshot::Active { active, .. } => &active.map,
            SegmentSnapshot::Sealed { files } => &files.map,
        }
    }

    pub(crate) fn seeds(&self) -> FrameSeeds {
        match self {
            SegmentSnapshot::Active { active, .. } => active.seeds,
            SegmentSnapshot::Sealed { files } => files.seeds,
        }
    }

    /// The number of records.
    #[inline]
    pub(crate) fn count(&self) -> u32 {
        match self {
            SegmentSnapshot::Active { visible, .. } => visible.count,
            SegmentSnapshot::Sealed { files } => files.index.count(),
        }
    }

    /// Where the frames end, in bytes.
    #[inline]
    pub(crate) fn end(&self) -> u32 {
        match self {
            SegmentSnapshot::Active { visible, .. } => visible.end,
            SegmentSnapshot::Sealed { files } => files.len,
        }
    }

    /// Whether every offset from the base on has a record.
    #[inline]
    pub(crate) fn is_dense(&self) -> bool {
        match self {
            SegmentSnapshot::Active { .. } => true,
            SegmentSnapshot::Sealed { files } => files.index.is_dense(),
        }
    }

    /// The ordinal of the first record at or after `offset`, and whether that record has exactly
    /// this offset; the count if there is none.
    #[inline]
    pub(crate) fn find(&self, offset: u64) -> Result<(u32, bool), ReadFault> {
        match self {
            SegmentSnapshot::Active { active, visible } => {
                let ordinal = offset.saturating_sub(active.header.base);
                let found = ordinal < u64::from(visible.count);
                #[expect(clippy::cast_possible_truncation, reason = "below a u32")]
                Ok(if found {
                    (ordinal as u32, offset >= active.header.base)
                } else {
                    (visible.count, false)
                })
            }
            SegmentSnapshot::Sealed { files } => Ok(match files.index.find(offset)? {
                Find::Found { ordinal, .. } => (ordinal, true),
                Find::Next { ordinal } => (ordinal, false),
                Find::End => (files.index.count(), false),
            }),
        }
    }

    /// The offset of a record.
    #[inline]
    pub(crate) fn offset(&self, ordinal: u32) -> Result<u64, ReadFault> {
        match self {
            SegmentSnapshot::Active { active, .. } => Ok(active.header.base + u64::from(ordinal)),
            SegmentSnapshot::Sealed { files } => Ok(files.index.offset(ordinal)?),
        }
    }

    /// The position of a record; for the ordinal after the last, the end.
    #[inline]
    pub(crate) fn position(&self, ordinal: u32) -> Result<u32, ReadFault> {
        if ordinal >= self.count() {
            return Ok(self.end());
        }
        match self {
            SegmentSnapshot::Active { active, .. } => {
                Ok(active.index.position(ordinal).unwrap_or(FRAMES_START))
            }
            SegmentSnapshot::Sealed { files } => Ok(files.index.position(ordinal)?),
        }
    }

    /// As [`position`](SegmentSnapshot::position), for a caller that goes through the segment in
    /// order.
    #[inline]
    pub(super) fn position_in_order(&self, ordinal: u32) -> Result<u32, ReadFault> {
        match self {
            SegmentSnapshot::Sealed { files } if ordinal < files.index.count() => {
                Ok(files.index.position_in_order(ordinal)?)
            }
            _ => self.position(ordinal),
        }
    }

    /// How many messages are among the first `ordinal` records.
    #[inline]
    pub(crate) fn messages_before(&self, ordinal: u32) -> Result<u32, ReadFault> {
        match self {
            SegmentSnapshot::Active { active, .. } => Ok(active.index.messages_before(ordinal)),
            SegmentSnapshot::Sealed { files } => Ok(files.index.messages_before(ordinal)?),
        }
    }

    /// The number of messages with offsets in a range.
    pub(crate) fn messages_in(&self, offsets: std::ops::Range<u64>) -> Result<u32, ReadFault> {
        let (first, past) = (self.find(offsets.start)?.0, self.find(offsets.end)?.0);
        Ok(self
            .messages_before(past)?
            .saturating_sub(self.messages_before(first)?))
    }

    /// The ordinal of the message behind the first `number` messages; the count if there are no
    /// more.
    #[inline]
    pub(crate) fn nth_message(&self, number: u32) -> Result<u32, ReadFault> {
        let ordinal = match self {
            SegmentSnapshot::Active { active, .. } => active.index.nth_message(number),
            SegmentSnapshot::Sealed { files } => files.index.nth_message(number)?,
        };
        Ok(ordinal.min(self.count()))
    }

    /// Whether a message has this offset.
    pub(crate) fn has_message(&self, offset: u64) -> Result<bool, ReadFault> {
        let (ordinal, is_there) = self.find(offset)?;
        Ok(is_there && self.messages_before(ordinal + 1)? > self.messages_before(ordinal)?)
    }

    /// The ordinal behind the first `count` messages from `ordinal` on; the count of records if
    /// there are fewer.
    #[inline]
    pub(super) fn end_of_messages(&self, ordinal: u32, count: u32) -> Result<u32, ReadFault> {
        let last = self
            .messages_before(ordinal)?
            .saturating_add(count.saturating_sub(1));
        let end = self.nth_message(last)?.saturating_add(1).min(self.count());
        // An index that leads back is not in order.
        if end > ordinal {
            Ok(end)
        } else {
            Err(ReadFault::Index)
        }
    }

    /// The ordinal of the first message whose running maximum time, within this segment, is at or
    /// after `time`.
    pub(crate) fn first_at_or_after(&self, time: i64) -> Result<Option<u32>, ReadFault> {
        let Some(found) = self.record_at_or_after(time)? else {
            return Ok(None);
        };
        // Control records have the earliest time there is: only a search for that time finds one.
        let message = self.nth_message(self.messages_before(found)?)?;
        Ok((message < self.count()).then_some(message))
    }

    /// As [`first_at_or_after`](SegmentSnapshot::first_at_or_after), but with control records,
    /// which have the earliest time there is.
    fn record_at_or_after(&self, time: i64) -> Result<Option<u32>, ReadFault> {
        // A time that cannot be read counts as late, so that reading the record reports the damage.
        let time_at = |position: u32| self.message_time_at(position).unwrap_or(i64::MAX);
        match self {
            SegmentSnapshot::Active { active, visible } => {
                active
                    .index
                    .first_at_or_after(time, visible.count, |position| Ok(time_at(position)))
            }
            SegmentSnapshot::Sealed { files } => {
                let mut passed_over = 0;
                let found = files.index.first_at_or_after(time, |position| {
                    let own = time_at(position);
                    passed_over += u32::from(own < time);
                    Ok::<_, ReadFault>(own)
                })?;
                // The records that were passed over lie in front of the one found, and their times
                // may be damaged.
                let end = found.unwrap_or(self.count());
                for ordinal in end.saturating_sub(passed_over)..end {
                    self.verify(ordinal)?;
                }
                Ok(found)
            }
        }
    }

    /// The largest time in this segment; `None` without records or without a time index.
    pub(crate) fn time_max(&self) -> Option<i64> {
        match self {
            SegmentSnapshot::Active { active, .. } => active.index.time_max(),
            SegmentSnapshot::Sealed { files } => files.index.time_max(),
        }
    }

    /// Records that include all whose key has this hash; those of one key newest first.
    #[inline]
    pub(crate) fn candidates(&self, hash: u32) -> KeyMatches<'_> {
        match self {
            SegmentSnapshot::Active { active, visible } => {
                KeyMatches::Active(active.index.candidates(hash, visible.count))
            }
            SegmentSnapshot::Sealed { files } => KeyMatches::Sealed(files.index.candidates(hash)),
        }
    }
}

/// See [`SegmentSnapshot::candidates`].
#[derive(Debug)]
pub(crate) enum KeyMatches<'a> {
    Active(index::ChainWalk<'a>),
    Sealed(index::SlotWalk<'a>),
}

impl Iterator for KeyMatches<'_> {
    type Item = Result<u32, ReadFault>;

    #[inline]
    fn next(&mut self) -> Option<Result<u32, ReadFault>> {
        match self {
            KeyMatches::Active(candidates) => candidates.next().map(Ok),
            KeyMatches::Sealed(candidates) => candidates.next().map(|found| found.map_err(ReadFault::from)),
        }
    }
}
