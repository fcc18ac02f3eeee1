//! Verification of a whole index file.

use super::sealed::{SealedIndex, nonsense};
use crate::format::{IndexDefect, TIME_BLOCK_LEN};

impl SealedIndex {
    /// Verifies every page, even one that was verified before, and checks that all sections make
    /// sense.
    ///
    /// Checking that the answers are right takes the segment as well: build its index again and
    /// compare the bytes.
    pub(crate) fn verify_all(&self) -> Result<(), IndexDefect> {
        self.verify_pages()?;
        self.verify_ascending(self.sections.positions, self.header.binding.segment_len)?;
        if self.header.gaps {
            let len = self.header.end - self.header.binding.base;
            self.verify_ascending(self.sections.offsets, u32::try_from(len).unwrap_or(u32::MAX))?;
        }
        self.verify_controls()?;
        if self.header.kinds.time {
            self.verify_times()?;
        }
        if self.header.kinds.key {
            self.verify_keys()
        } else {
            Ok(())
        }
    }

    /// The bytes of the whole file, verified.
    pub(crate) fn verified_bytes(&self) -> Result<Vec<u8>, IndexDefect> {
        self.verify_all()?;
        let mut bytes = Vec::new();
        let len = usize::try_from(self.sections.file_len).map_err(|_| IndexDefect::Length)?;
        self.map
            .append_to(0, len, &mut bytes)
            .ok_or(IndexDefect::Length)?;
        Ok(bytes)
    }

    /// Verifies the checksums of all pages.
    pub(crate) fn verify_pages(&self) -> Result<(), IndexDefect> {
        let map = self.map.in_order();
        (0..self.sections.pages).try_for_each(|page| self.verify(map, page))
    }

    /// Checks that a section's words go up and stay below `end`.
    fn verify_ascending(&self, section: u64, end: u32) -> Result<(), IndexDefect> {
        let mut least = 0;
        for ordinal in 0..self.header.count {
            let word = self.word(section, ordinal)?;
            if word < least || word >= end {
                return Err(nonsense(section, 4, ordinal));
            }
            least = word + 1;
        }
        Ok(())
    }

    /// Checks that the ordinals of the control records go up, and are those of records.
    fn verify_controls(&self) -> Result<(), IndexDefect> {
        let mut least = 0;
        for number in 0..self.header.controls {
            let ordinal = self.control(number)?;
            if ordinal < least {
                return Err(nonsense(self.sections.controls, 4, number));
            }
            least = ordinal + 1;
        }
        Ok(())
    }

    /// Checks that the running maximum does not go down, and that it ends at the latest time.
    fn verify_times(&self) -> Result<(), IndexDefect> {
        let blocks = self.header.count.div_ceil(TIME_BLOCK_LEN);
        let mut reached = i64::MIN;
        for block in 0..blocks {
            let bad = || nonsense(self.sections.time_starts, 8, block);
            let start = self.time_start(block)?;
            let [shift] = self.load(self.sections.time_shifts + u64::from(block))?;
            let steps = self.time_steps(block)?;
            let len = (self.header.count - block * TIME_BLOCK_LEN).min(TIME_BLOCK_LEN) as usize;
            let (steps, filling) = steps.split_at_checked(len).ok_or_else(bad)?;
            let step = u64::from(steps.last().copied().ok_or_else(bad)?);
            let is_good = start >= reached
                && shift <= 48
                && steps.first() == Some(&0)
                && steps.is_sorted()
                && filling.iter().all(|&step| step == u16::MAX);
            // A step covers a range of times. The largest may be out of range, the smallest may
            // not.
            let least = is_good
                .then(|| start.checked_add_unsigned(step << shift))
                .flatten();
            reached = least.ok_or_else(bad)?;
            if block + 1 == blocks {
                let above = self.header.time_max.wrapping_sub(start).cast_unsigned();
                if self.header.time_max < start || above >> shift != step {
                    return Err(bad());
                }
            }
        }
        Ok(())
    }

    /// Checks that every record with a key is in exactly one chain, and that there is an empty
    /// slot, at which a search ends.
    fn verify_keys(&self) -> Result<(), IndexDefect> {
        let count = self.header.count;
        // This allocates an eighth of a byte a record; the file has at least 8 bytes a record.
        let mut seen = vec![0_u64; count.div_ceil(64) as usize];
        let mut chained = 0;
        let mut enter = |ordinal: u32| {
            let (word, bit) = (seen.get_mut(ordinal as usize / 64)?, 1_u64 << (ordinal % 64));
            let is_new = ordinal < count && *word & bit == 0;
            *word |= bit;
            chained += 1;
            is_new.then_some(())
        };
        let mut empty = 0;
        for slot in 0..self.header.slots {
            match self.words.ordinal(self.word(self.sections.slots, slot)?) {
                None => empty += 1,
                Some(newest) => {
                    enter(newest).ok_or_else(|| nonsense(self.sections.slots, 4, slot))?;
                }
            }
        }
        for ordinal in 0..count {
            if let Some(older) = self.older(ordinal)? {
                enter(older).ok_or_else(|| nonsense(self.sections.links, 4, ordinal))?;
            }
        }
        if chained != self.header.keyed || empty == 0 {
            return Err(nonsense(self.sections.slots, 4, 0));
        }
        Ok(())
    }
}
