//! The index of the segment that is appended to.

use std::convert::Infallible;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicI64, AtomicU32};

use super::chains::{ChainWalk, Chains};
use super::chunks::Chunks;
use super::controls;
use super::hints::SegmentHints;
use super::search::count_below;
use crate::format::{IndexKinds, TIME_BLOCK_LEN};

/// The index of the segment that is appended to, in memory: 4 bytes a record, with times 4.5, with
/// both 9.8.
///
/// One thread at a time pushes, under the lock of the log's appender. Any number of other threads
/// search at the same time, without locks. Three invariants make that safe:
///
/// 1. Nothing that a reader can reach is moved or changed, except for the heads of the hash chains.
/// 2. A record is pushed before the log raises the number of visible records above it, with a
///    release store. A reader loads that number, with acquire, before it searches. So all that
///    belongs to visible records is there, and is loaded with no further ordering.
/// 3. A reader uses nothing of the records that were not visible when it loaded the number.
///
/// Every `visible` below is such a number; it is at most the number of records pushed.
pub(crate) struct ActiveIndex {
    positions: Chunks<AtomicU32, 5>,
    times: Option<Times>,
    keys: Option<Chains>,
    count: AtomicU32,
    /// Created by the first control record.
    controls: OnceLock<Box<Controls>>,
}

/// The ordinals of the control records, ascending.
#[derive(Debug)]
struct Controls {
    ordinals: Chunks<AtomicU32, 2>,
    len: AtomicU32,
}

/// The running maximum of the times.
struct Times {
    /// The running maximum at the first record of each block of [`TIME_BLOCK_LEN`].
    starts: Chunks<AtomicI64, 1>,
    max: AtomicI64,
}

impl ActiveIndex {
    pub(crate) fn new(kinds: IndexKinds, hints: SegmentHints) -> ActiveIndex {
        ActiveIndex {
            positions: Chunks::new(),
            times: kinds.time.then(|| Times {
                starts: Chunks::new(),
                max: AtomicI64::new(i64::MIN),
            }),
            keys: kinds.key.then(|| Chains::new(hints)),
            count: AtomicU32::new(0),
            controls: OnceLock::new(),
        }
    }

    pub(crate) fn kinds(&self) -> IndexKinds {
        IndexKinds {
            key: self.keys.is_some(),
            time: self.times.is_some(),
        }
    }

    /// Enters the next record, a message. Only the writer calls this. A segment of less than 4 GiB
    /// has fewer than 2^32 records.
    #[inline]
    pub(crate) fn push(&self, position: u32, time: i64, key_hash: Option<u32>) {
        let ordinal = self.count.load(Relaxed);
        self.positions.get_or_make(ordinal).store(position, Relaxed);
        if let Some(times) = &self.times {
            let max = times.max.load(Relaxed).max(time);
            times.max.store(max, Relaxed);
            if ordinal.is_multiple_of(TIME_BLOCK_LEN) {
                times
                    .starts
                    .get_or_make(ordinal / TIME_BLOCK_LEN)
                    .store(max, Relaxed);
            }
        }
        if let (Some(keys), Some(hash)) = (&self.keys, key_hash) {
            keys.insert(ordinal, hash, position);
        }
        self.count.store(ordinal + 1, Release);
    }

    /// Enters the next record, a control record: it has a place among the records, but neither key
    /// nor time.
    #[cold]
    pub(crate) fn push_control(&self, position: u32) {
        let controls = self.controls.get_or_init(|| {
            Box::new(Controls {
                ordinals: Chunks::new(),
                len: AtomicU32::new(0),
            })
        });
        let len = controls.len.load(Relaxed);
        let ordinal = self.count.load(Relaxed);
        controls.ordinals.get_or_make(len).store(ordinal, Relaxed);
        controls.len.store(len + 1, Release);
        // The earliest time there is leaves the running maximum as it is.
        self.push(position, i64::MIN, None);
    }

    /// How many messages are among the first `ordinal` records, which are visible.
    #[inline]
    pub(crate) fn messages_before(&self, ordinal: u32) -> u32 {
        let Some(controls) = self.controls.get() else {
            return ordinal;
        };
        let Ok(messages) = controls::messages_before(controls.len(), ordinal, |number| controls.get(number));
        messages
    }

    /// The ordinal of the message behind the first `number` messages; an ordinal behind the visible
    /// records if there are no more messages among them.
    #[inline]
    pub(crate) fn nth_message(&self, number: u32) -> u32 {
        let Some(controls) = self.controls.get() else {
            return number;
        };
        let Ok(ordinal) = controls::nth_message(controls.len(), number, |number| controls.get(number));
        ordinal
    }

    /// The number of records pushed, visible or not.
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Acquire)
    }

    /// Where a visible record begins; `None` for a record that was not pushed.
    #[inline]
    pub(crate) fn position(&self, ordinal: u32) -> Option<u32> {
        // 0 is the place of the segment's header.
        self.positions
            .get(ordinal)
            .map(|position| position.load(Relaxed))
            .filter(|&position| position > 0)
    }

    /// Visible records that include all whose key has this hash, newest first; none without a key
    /// index.
    #[inline]
    pub(crate) fn candidates(&self, hash: u32, visible: u32) -> ChainWalk<'_> {
        ChainWalk::new(self.keys.as_ref(), hash, visible)
    }

    /// The first visible record whose time is `time` or later, which is also the first whose
    /// running maximum is `time` or later; `None` if there is no such record, or no time index.
    ///
    /// `time_of` reads the time of the record at a position, or gives the earliest time there is
    /// for a control record. It is called for at most 15 records, and its error ends the search. A
    /// search for the earliest time there is finds the first record, even if that is a control
    /// record.
    pub(crate) fn first_at_or_after<E>(
        &self,
        time: i64,
        visible: u32,
        mut time_of: impl FnMut(u32) -> Result<i64, E>,
    ) -> Result<Option<u32>, E> {
        let Some(times) = &self.times else { return Ok(None) };
        let Ok(blocks) = count_below(visible.div_ceil(TIME_BLOCK_LEN), time, |block| {
            Ok::<_, Infallible>(
                times
                    .starts
                    .get(block)
                    .map_or(i64::MAX, |start| start.load(Relaxed)),
            )
        });
        let Some(block) = blocks.checked_sub(1) else {
            return Ok((visible > 0).then_some(0));
        };
        // The block's first record is too early, like all before it; the next block's first record
        // is not.
        let first = block * TIME_BLOCK_LEN;
        let next = first.saturating_add(TIME_BLOCK_LEN).min(visible);
        for ordinal in first + 1..next {
            let Some(position) = self.position(ordinal) else {
                break;
            };
            if time_of(position)? >= time {
                return Ok(Some(ordinal));
            }
        }
        Ok((next < visible).then_some(next))
    }

    /// The latest time of the records pushed, visible or not; `None` without records or without a
    /// time index.
    pub(crate) fn time_max(&self) -> Option<i64> {
        self.times
            .as_ref()
            .filter(|_| self.count() > 0)
            .map(|times| times.max.load(Relaxed))
    }

    /// Bytes of memory in use, without the pages that nothing was stored to.
    #[cfg(test)]
    pub(crate) fn memory_bytes(&self) -> usize {
        let count = self.count();
        let times = self.times.as_ref().map_or(0, |times| {
            times.starts.memory_bytes(count.div_ceil(TIME_BLOCK_LEN))
        });
        let keys = self.keys.as_ref().map_or(0, |keys| keys.memory_bytes(count));
        size_of::<ActiveIndex>() + self.positions.memory_bytes(count) + times + keys
    }
}

impl Controls {
    /// The number of control records, visible or not.
    fn len(&self) -> u32 {
        self.len.load(Acquire)
    }

    #[expect(clippy::unnecessary_wraps, reason = "as of a sealed segment")]
    fn get(&self, number: u32) -> Result<u32, Infallible> {
        let ordinal = self.ordinals.get(number);
        Ok(ordinal.map_or(u32::MAX, |ordinal| ordinal.load(Relaxed)))
    }
}

impl fmt::Debug for ActiveIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveIndex")
            .field("kinds", &self.kinds())
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}
