//! Times in the index of a sealed segment.

use super::sealed::{SealedIndex, nonsense};
use super::search::count_below;
use crate::format::{IndexDefect, TIME_BLOCK_LEN};

impl SealedIndex {
    /// The first record whose time is `time` or later, which is also the first whose running
    /// maximum is `time` or later.
    ///
    /// `time_of` reads the time of the record at a position, or gives the earliest time there is
    /// for a control record. It is called for those of up to 15 records whose times the index
    /// cannot distinguish from `time`, and its error ends the search. A search for the earliest
    /// time there is finds the first record, even if that is a control record.
    pub(crate) fn first_at_or_after<E: From<IndexDefect>>(
        &self,
        time: i64,
        mut time_of: impl FnMut(u32) -> Result<i64, E>,
    ) -> Result<Option<u32>, E> {
        if !self.header.kinds.time {
            return Err(IndexDefect::Kinds.into());
        }
        let count = self.header.count;
        let blocks = count_below(count.div_ceil(TIME_BLOCK_LEN), time, |block| {
            self.time_start(block)
        })?;
        let Some(block) = blocks.checked_sub(1) else {
            return Ok((count > 0).then_some(0));
        };
        // The block's first record is too early, like all before it; the next block's first record
        // is not.
        let first = block * TIME_BLOCK_LEN;
        let next = first.saturating_add(TIME_BLOCK_LEN).min(count);
        let (wanted, is_exact) = self.time_step(block, time)?;
        let steps = self.time_steps(block)?;
        // The steps are sorted, so the number of those below `wanted` is the index of the first
        // that is not. All 16 are compared at once, without a branch.
        let below = steps.iter().filter(|&&step| u32::from(step) < wanted).count();
        let ambiguous = (first..next).zip(steps).skip(below.max(1));
        for (ordinal, step) in ambiguous {
            // If the step equals `wanted`, only the record knows whether its time is below `time`
            // or not.
            if u32::from(step) > wanted || is_exact || time_of(self.position(ordinal)?)? >= time {
                return Ok(Some(ordinal));
            }
        }
        Ok((next < count).then_some(next))
    }

    pub(super) fn time_start(&self, block: u32) -> Result<i64, IndexDefect> {
        self.load(self.sections.time_starts + 8 * u64::from(block))
            .map(i64::from_le_bytes)
    }

    pub(super) fn time_steps(&self, block: u32) -> Result<[u16; TIME_BLOCK_LEN as usize], IndexDefect> {
        const LEN: usize = TIME_BLOCK_LEN as usize;
        let mut bytes = [0; 2 * LEN];
        self.load_into(
            self.sections.time_steps + 2 * LEN as u64 * u64::from(block),
            &mut bytes,
        )?;
        let mut steps = [0; LEN];
        for (step, pair) in steps.iter_mut().zip(bytes.as_chunks().0) {
            *step = u16::from_le_bytes(*pair);
        }
        Ok(steps)
    }

    /// The step that `time`, which is above the block's start, would have in a block; and whether
    /// different times in the block always have different steps. Steps have 16 bits: 65,536 is
    /// above all of them.
    fn time_step(&self, block: u32, time: i64) -> Result<(u32, bool), IndexDefect> {
        let start = self.time_start(block)?;
        let [shift] = self.load(self.sections.time_shifts + u64::from(block))?;
        if start >= time {
            return Err(nonsense(self.sections.time_starts, 8, block));
        }
        let above = time.wrapping_sub(start).cast_unsigned();
        let step = above
            .checked_shr(u32::from(shift))
            .ok_or_else(|| nonsense(self.sections.time_shifts, 1, block))?;
        Ok((u32::try_from(step).unwrap_or(u32::MAX).min(1 << 16), shift == 0))
    }
}
