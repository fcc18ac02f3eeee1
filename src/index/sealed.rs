//! The index of a sealed segment: a mapped file, searched in place.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::controls;
use super::hash::{Words, home_slot};
use super::search::count_below;
use crate::format::{
    Binding, INDEX_HEADER_LEN, INDEX_PAGE_LEN, IndexDefect, IndexHeader, IndexKinds, SLOTS_IN_LINE, Sections,
    checksum,
};
use crate::sys::Map;

/// Bytes of a line of slots.
const LINE_LEN: usize = 4 * SLOTS_IN_LINE as usize;

/// The index of a sealed segment.
///
/// Opening reads the header and the page checksums; a page is verified when it is first read.
/// Nothing in the file is trusted to make sense: whatever its bytes, no call panics, allocates
/// memory, or takes longer than in proportion to the file's size. A call that meets a defect
/// returns it, and the index has to be built again. The results of earlier calls were right, as far
/// as checksums can tell.
///
/// What each lookup needs is first: a lookup in many segments is as slow as the cache lines that it
/// meets are many.
#[repr(C)]
pub(crate) struct SealedIndex {
    pub(super) map: Map,
    /// One bit a page, set when the page's checksum was right. Nobody writes to a sealed segment's
    /// index, so the checksum stays right.
    verified: Box<[AtomicU64]>,
    pub(super) sections: Sections,
    pub(super) words: Words,
    pub(super) header: IndexHeader,
}

/// Where an offset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Find {
    /// This record has the offset.
    Found { ordinal: u32, position: u32 },
    /// No record has the offset; this is the first record behind it.
    Next { ordinal: u32 },
    /// All records have smaller offsets.
    End,
}

impl SealedIndex {
    /// Opens an index from `map`, which must cover the whole file. The index must be of the segment
    /// content `expected` and answer the questions `kinds`.
    pub(crate) fn open(map: Map, expected: &Binding, kinds: IndexKinds) -> Result<SealedIndex, IndexDefect> {
        let bytes = map.array::<INDEX_HEADER_LEN>(0).ok_or(IndexDefect::Length)?;
        let header = IndexHeader::decode(&bytes, map.len())?;
        if header.binding != *expected {
            return Err(IndexDefect::Foreign);
        }
        if (kinds.key && !header.kinds.key) || (kinds.time && !header.kinds.time) {
            return Err(IndexDefect::Kinds);
        }
        let sections = header.sections();
        let table = map.for_len(sections.file_len.saturating_sub(sections.table));
        if range_checksum(table, sections.table..sections.file_len) != Some(header.table_checksum) {
            return Err(IndexDefect::Checksum {
                position: sections.table,
            });
        }
        // This allocates little: for each bit the file has 4096 bytes.
        let verified = (0..sections.pages.div_ceil(64))
            .map(|_| AtomicU64::new(0))
            .collect();
        Ok(SealedIndex {
            map,
            header,
            sections,
            words: Words::new(header.count),
            verified,
        })
    }

    #[cfg(test)]
    pub(crate) fn kinds(&self) -> IndexKinds {
        self.header.kinds
    }

    /// The number of records.
    pub(crate) fn count(&self) -> u32 {
        self.header.count
    }

    /// Whether every offset from the base up to the last one has a record.
    pub(crate) fn is_dense(&self) -> bool {
        !self.header.gaps
    }

    /// The offset up to which the index answers (exclusive); the next segment's base.
    #[cfg(test)]
    pub(crate) fn end_offset(&self) -> u64 {
        self.header.end
    }

    /// The latest time of the messages; the earliest time there is if all records are control
    /// records; `None` without records or without a time index.
    pub(crate) fn time_max(&self) -> Option<i64> {
        (self.header.kinds.time && self.header.count > 0).then_some(self.header.time_max)
    }

    /// Looks an offset up.
    #[inline]
    pub(crate) fn find(&self, offset: u64) -> Result<Find, IndexDefect> {
        let count = self.header.count;
        let relative = offset.saturating_sub(self.header.binding.base);
        let (ordinal, is_there) = if offset < self.header.binding.base {
            (0, false)
        } else if self.header.gaps {
            self.find_in_gaps(relative)?
        } else {
            (u32::try_from(relative).unwrap_or(u32::MAX), true)
        };
        Ok(if ordinal >= count {
            Find::End
        } else if is_there {
            Find::Found {
                ordinal,
                position: self.position(ordinal)?,
            }
        } else {
            Find::Next { ordinal }
        })
    }

    fn find_in_gaps(&self, relative: u64) -> Result<(u32, bool), IndexDefect> {
        let Ok(relative) = u32::try_from(relative) else {
            return Ok((self.header.count, false));
        };
        let ordinal = count_below(self.header.count, i64::from(relative), |ordinal| {
            self.word(self.sections.offsets, ordinal).map(i64::from)
        })?;
        let is_there = ordinal < self.header.count && self.word(self.sections.offsets, ordinal)? == relative;
        Ok((ordinal, is_there))
    }

    /// Where a record begins; `ordinal` must be below [`count`](SealedIndex::count).
    #[inline]
    pub(crate) fn position(&self, ordinal: u32) -> Result<u32, IndexDefect> {
        self.position_by(&self.map, ordinal)
    }

    /// As [`position`](SealedIndex::position), for a caller that goes through all records in order.
    #[inline]
    pub(crate) fn position_in_order(&self, ordinal: u32) -> Result<u32, IndexDefect> {
        self.position_by(self.map.in_order(), ordinal)
    }

    #[inline]
    fn position_by(&self, map: &Map, ordinal: u32) -> Result<u32, IndexDefect> {
        self.in_range(ordinal)?;
        let at = self.sections.positions + 4 * u64::from(ordinal);
        let position = self.load_by(map, at).map(u32::from_le_bytes)?;
        if position >= self.header.binding.segment_len {
            return Err(nonsense(self.sections.positions, 4, ordinal));
        }
        Ok(position)
    }

    /// The offset of a record; `ordinal` must be below [`count`](SealedIndex::count).
    pub(crate) fn offset(&self, ordinal: u32) -> Result<u64, IndexDefect> {
        self.in_range(ordinal)?;
        let base = self.header.binding.base;
        if !self.header.gaps {
            return Ok(base.saturating_add(u64::from(ordinal)));
        }
        let relative = self.word(self.sections.offsets, ordinal)?;
        base.checked_add(u64::from(relative))
            .filter(|&offset| offset < self.header.end)
            .ok_or_else(|| nonsense(self.sections.offsets, 4, ordinal))
    }

    /// How many messages are among the first `ordinal` records.
    #[inline]
    pub(crate) fn messages_before(&self, ordinal: u32) -> Result<u32, IndexDefect> {
        controls::messages_before(self.header.controls, ordinal, |number| self.control(number))
    }

    /// The ordinal of the message behind the first `number` messages; the count, or more, if there
    /// are no more messages.
    #[inline]
    pub(crate) fn nth_message(&self, number: u32) -> Result<u32, IndexDefect> {
        controls::nth_message(self.header.controls, number, |number| self.control(number))
    }

    /// The ordinal of a control record; `number` must be below the number of control records.
    pub(super) fn control(&self, number: u32) -> Result<u32, IndexDefect> {
        let ordinal = self.word(self.sections.controls, number)?;
        if ordinal < self.header.count {
            Ok(ordinal)
        } else {
            Err(nonsense(self.sections.controls, 4, number))
        }
    }

    /// Records that include all whose key has this hash; those with the same hash come newest
    /// first. An error ends the iteration.
    #[inline]
    pub(crate) fn candidates(&self, hash: u32) -> SlotWalk<'_> {
        SlotWalk {
            index: self,
            tag: self.words.tag(hash),
            // All lines, and the first one a second time, for the slots in front of the one that
            // the search begins at.
            lines_left: self.header.slots / SLOTS_IN_LINE + 1,
            slot: home_slot(hash, self.header.slots),
            line: [0; LINE_LEN],
            matches: 0,
            records_left: self.header.keyed,
            last: None,
            is_over: false,
        }
    }

    /// The next older record with the same hash.
    #[inline]
    pub(super) fn older(&self, ordinal: u32) -> Result<Option<u32>, IndexDefect> {
        let link = self.word(self.sections.links, ordinal)?;
        // Each link has to lead to a smaller ordinal, so that no chain has a loop.
        if link > ordinal {
            return Err(nonsense(self.sections.links, 4, ordinal));
        }
        Ok(link.checked_sub(1))
    }

    /// Reads the line of slots with this slot into `line`. Returned by value, it would be copied
    /// time and again.
    #[inline]
    fn slots_line(&self, slot: u32, line: &mut [u8; LINE_LEN]) -> Result<(), IndexDefect> {
        let number = u64::from(slot / SLOTS_IN_LINE);
        self.load_into(self.sections.slots + LINE_LEN as u64 * number, line)
    }

    fn in_range(&self, ordinal: u32) -> Result<(), IndexDefect> {
        if ordinal < self.header.count {
            Ok(())
        } else {
            Err(IndexDefect::Records)
        }
    }

    /// Element `index` of a section of u32.
    #[inline]
    pub(super) fn word(&self, section: u64, index: u32) -> Result<u32, IndexDefect> {
        self.load(section + 4 * u64::from(index)).map(u32::from_le_bytes)
    }

    /// Reads `N` bytes, which lie in one page, and verifies that page first.
    #[inline]
    pub(super) fn load<const N: usize>(&self, position: u64) -> Result<[u8; N], IndexDefect> {
        self.load_by(&self.map, position)
    }

    /// Does the same through `map`: the index's, or that for readers in order.
    #[inline]
    fn load_by<const N: usize>(&self, map: &Map, position: u64) -> Result<[u8; N], IndexDefect> {
        self.verify_page_of(map, position)?;
        map.array(position).ok_or(IndexDefect::Length)
    }

    /// As [`load`](SealedIndex::load), into `buffer`.
    #[inline]
    pub(super) fn load_into(&self, position: u64, buffer: &mut [u8]) -> Result<(), IndexDefect> {
        self.verify_page_of(&self.map, position)?;
        self.map.load(position, buffer).ok_or(IndexDefect::Length)
    }

    /// Verifies the page that `position` lies in, unless it was verified before.
    #[inline]
    fn verify_page_of(&self, map: &Map, position: u64) -> Result<(), IndexDefect> {
        let page = position / INDEX_PAGE_LEN as u64;
        let is_verified = usize::try_from(page / 64)
            .ok()
            .and_then(|word| self.verified.get(word))
            .is_some_and(|word| word.load(Relaxed) & (1 << (page % 64)) != 0);
        if is_verified {
            Ok(())
        } else {
            self.verify(map, page)
        }
    }

    #[cold]
    pub(super) fn verify(&self, map: &Map, page: u64) -> Result<(), IndexDefect> {
        let range = self.sections.page(page);
        let stored = (page < self.sections.pages)
            .then(|| self.map.array(self.sections.table + 4 * page))
            .flatten()
            .map(u32::from_le_bytes);
        if stored.is_none() || range_checksum(map, range.clone()) != stored {
            return Err(IndexDefect::Checksum {
                position: range.start,
            });
        }
        if let Some(word) = usize::try_from(page / 64)
            .ok()
            .and_then(|word| self.verified.get(word))
        {
            word.fetch_or(1 << (page % 64), Relaxed);
        }
        Ok(())
    }
}

impl fmt::Debug for SealedIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedIndex")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

/// The defect for an element `index` of a section that makes no sense.
#[cold]
pub(super) fn nonsense(section: u64, size: u64, index: u32) -> IndexDefect {
    IndexDefect::Content {
        position: section + size * u64::from(index),
    }
}

/// The checksum of a range of the file; `None` if the file is shorter.
fn range_checksum(map: &Map, range: std::ops::Range<u64>) -> Option<u32> {
    let mut buffer = [0; INDEX_PAGE_LEN];
    let mut sum = 0;
    let mut at = range.start;
    while at < range.end {
        let len = (range.end - at).min(INDEX_PAGE_LEN as u64);
        let part = buffer.get_mut(..usize::try_from(len).ok()?)?;
        map.load(at, part)?;
        sum = checksum(sum, part);
        at += len;
    }
    Some(sum)
}

/// See [`SealedIndex::candidates`].
#[derive(Debug)]
pub(crate) struct SlotWalk<'a> {
    index: &'a SealedIndex,
    tag: u32,
    /// The lines of slots that are left, and the next slot to look at.
    lines_left: u32,
    slot: u32,
    /// The line that was read last, and those of its slots that have the tag and were not returned
    /// yet.
    line: [u8; LINE_LEN],
    matches: u32,
    /// The most records that are left to find: each is in one chain only.
    records_left: u32,
    /// The record that was found last.
    last: Option<u32>,
    is_over: bool,
}

impl SlotWalk<'_> {
    #[inline]
    fn step(&mut self) -> Result<Option<u32>, IndexDefect> {
        if !self.index.header.kinds.key {
            return Err(IndexDefect::Kinds);
        }
        let older = match self.last {
            Some(last) => self.index.older(last)?,
            None => None,
        };
        let found = match older {
            Some(older) => Some(older),
            None => self.newest()?,
        };
        if found.is_some() {
            self.records_left = self.records_left.checked_sub(1).ok_or_else(|| self.nonsense())?;
        }
        Ok(found)
    }

    /// The newest record of the next chain whose slot has the tag.
    #[inline]
    fn newest(&mut self) -> Result<Option<u32>, IndexDefect> {
        while self.matches == 0 {
            if self.lines_left == 0 {
                return Ok(None);
            }
            self.next_line()?;
        }
        let words = self.line.as_chunks().0;
        let word = words[(self.matches.trailing_zeros() % SLOTS_IN_LINE) as usize];
        let word = u32::from_le_bytes(word);
        self.matches &= self.matches - 1;
        let ordinal = self
            .index
            .words
            .ordinal(word)
            .filter(|&ordinal| ordinal < self.index.header.count);
        ordinal.map(Some).ok_or_else(|| self.nonsense())
    }

    /// Looks at the line of `slot`, from that slot on. All slots are compared at once, because the
    /// matching one cannot be predicted (after Abseil's "Swiss tables").
    #[inline]
    fn next_line(&mut self) -> Result<(), IndexDefect> {
        self.index.slots_line(self.slot, &mut self.line)?;
        let (mut matches, mut empty) = (0, 0);
        for (lane, &word) in self.line.as_chunks().0.iter().enumerate() {
            let word = u32::from_le_bytes(word);
            matches |= u32::from(self.index.words.has_tag(word, self.tag)) << lane;
            empty |= u32::from(word == 0) << lane;
        }
        let from_slot = u32::MAX << (self.slot % SLOTS_IN_LINE);
        let first_empty = empty & from_slot & (empty & from_slot).wrapping_neg();
        if first_empty == 0 {
            // Every table has an empty slot, at which the search ends before it runs out of lines.
            self.lines_left = self.lines_left.checked_sub(1).ok_or_else(|| self.nonsense())?;
            let next = (self.slot / SLOTS_IN_LINE + 1) * SLOTS_IN_LINE;
            self.slot = if next < self.index.header.slots { next } else { 0 };
        } else {
            self.lines_left = 0;
        }
        // Only the slots in front of the first empty one count, or all if none is empty.
        self.matches = matches & from_slot & first_empty.wrapping_sub(1);
        Ok(())
    }

    #[cold]
    fn nonsense(&self) -> IndexDefect {
        nonsense(self.index.sections.slots, 4, self.slot)
    }
}

impl Iterator for SlotWalk<'_> {
    type Item = Result<u32, IndexDefect>;

    #[inline]
    fn next(&mut self) -> Option<Result<u32, IndexDefect>> {
        if self.is_over {
            return None;
        }
        let found = self.step();
        self.last = found.unwrap_or(None);
        self.is_over = self.last.is_none();
        found.transpose()
    }
}
