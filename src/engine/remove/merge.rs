//! Merging segments that deleting has left small, so that a compacted log is not thousands of
//! files.
//!
//! The metadata first says, durably, which segments become one. Then the merged segment gets the
//! name of the first of them. Then the others go. If the log is opened in between, the metadata
//! says that the merged segment already contains the others.

use super::copy_kept::{copy_kept, source_of};
use super::removal::Removal;
use crate::engine::segments::Reader;
use crate::segment::{Held, Rewriter, SegmentRef};
use crate::{Error, Result};

/// A segment is small if it is at most the rollover size divided by this.
const SMALL_DIVISOR: u64 = 2;

/// Small segments side by side, and their bytes.
struct SmallRun {
    segments: Vec<SegmentRef>,
    total: u64,
    largest: u64,
}

impl SmallRun {
    /// Whether merging at least doubles the largest segment: then each message is copied only as
    /// often as its segment can double.
    fn is_worth_it(&self) -> bool {
        self.segments.len() > 1 && self.largest <= self.total / 2
    }
}

impl Removal<'_> {
    /// Merges the segment with this base, which was rewritten, with the small segments beside it;
    /// returns the bytes that this freed. If one of them is damaged, or there is no space for the
    /// merged segment, all of them stay as they are.
    pub(super) fn merge_around(&mut self, base: u64) -> Result<u64> {
        let remove = self.remove;
        let _not_while_sealing = remove.segments.lock_replacing();
        let reader = Reader::new(&remove.segments)?;
        let merged = match self.small_run(&reader, base) {
            Ok(run) if run.is_worth_it() => self.merge(&reader, &run.segments),
            Ok(_) => Ok(0),
            Err(error) => Err(error),
        };
        match merged {
            Err(Error::Corrupt { .. } | Error::Io { .. }) if !self.remove.health().is_poisoned() => Ok(0),
            other => other,
        }
    }

    /// The rewritten small segments side by side around the one with this base, as many as one
    /// segment can hold.
    fn small_run(&self, reader: &Reader<'_>, base: u64) -> Result<SmallRun> {
        let at = reader.list().index_at(base);
        let small_max = self.remove.rollover / SMALL_DIVISOR;
        // The last segment is never among them: it may be written to.
        let candidates = reader.list().before_last();
        let size_if_small = |segment: &SegmentRef| -> Result<Option<u64>> {
            let Held::Sealed(_, files) = reader.hold(segment)? else {
                return Ok(None);
            };
            let len = u64::from(files.len);
            Ok((len <= small_max && files.header.rewrite.is_some()).then_some(len))
        };
        let mut first = at;
        while let Some(before) = first.checked_sub(1)
            && let Some(segment) = candidates.get(before)
            && size_if_small(segment)?.is_some()
        {
            first = before;
        }
        let mut run = SmallRun {
            segments: Vec::new(),
            total: 0,
            largest: 0,
        };
        for segment in candidates.get(first..).unwrap_or_default() {
            let Some(len) = size_if_small(segment)? else { break };
            let reach = reader.end_offset_of(segment) - candidates.get(first).map_or(0, SegmentRef::base);
            if run.total + len > self.remove.rollover || u32::try_from(reach).is_err() {
                break;
            }
            run.segments.push(segment.clone());
            run.total += len;
            run.largest = run.largest.max(len);
        }
        Ok(run)
    }

    fn merge(&mut self, reader: &Reader<'_>, run: &[SegmentRef]) -> Result<u64> {
        let [first, .., last] = run else { return Ok(0) };
        let remove = self.remove;
        let before: u64 = run
            .iter()
            .map(|segment| self.remove.segments.size_on_disk(segment))
            .sum::<Result<u64>>()?;
        let (source, end) = (source_of(reader, first)?, source_of(reader, last)?);
        // The metadata names one merge only. So the files that the last merge left must be gone
        // before the metadata names another.
        self.unlink(self.unlink_pending.iter().copied())?;
        self.unlink_pending.clear();
        let mut rewriter = Rewriter::create(&remove.directory, source.header)?;
        let mut generation = 0;
        let start = reader.list().start_offset;
        for segment in run {
            let of = source_of(reader, segment)?;
            generation = of.header.next_generation()?.max(generation);
            // If an index turns out to be damaged meanwhile, it is rebuilt, and the merge is tried
            // another time.
            let held = reader.hold(segment)?;
            copy_kept(&held.opened(), &mut rewriter, &|offset| offset >= start)
                .map_err(|fault| fault.into_error(&held.path()))?;
        }
        self.remove
            .metadata
            .write_both(|meta| meta.merge = Some((first.base(), end.end)))?;
        let after = self.replace(rewriter, generation, end.origin, end.end, run)?;
        // The next merge or open removes files that cannot be removed now.
        let merged = || run.iter().skip(1).map(SegmentRef::base);
        let removed = self.unlink(merged());
        if removed.is_err() {
            self.unlink_pending.extend(merged());
        }
        removed.map(|()| before.saturating_sub(after))
    }
}
