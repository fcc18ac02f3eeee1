//! Segments that deleting has left small become one, so that a compacted log is not thousands of files.
//!
//! The metadata first says which segments are to be one, durably; then the merged segment gets the name of the first
//! of them; then the others go. Whoever opens the log in between knows from the metadata that they are in it already.

use std::sync::Arc;

use super::delete::{Source, copy};
use crate::engine::segments::Reader;
use crate::engine::shared::Shared;
use crate::segment::{Rewriter, SegmentRef};
use crate::{Error, Result};

/// A segment is small if it is at most this part of the rollover size.
const SMALL_DIVISOR: u64 = 2;

/// Small segments side by side, and their bytes.
struct SmallRun {
    segments: Vec<SegmentRef>,
    total: u64,
    largest: u64,
}

impl SmallRun {
    /// Whether merging at least doubles the largest: then each message is copied as often as its segment can double.
    fn is_worth_it(&self) -> bool {
        self.segments.len() > 1 && self.largest <= self.total / 2
    }
}

impl Shared {
    /// Merges the segment with this base, which was rewritten, and small ones side by side with it. A run that has a
    /// damaged segment in it, or no space to be merged in, is left as it is. Returns the bytes that this freed.
    pub(crate) fn merge_around(self: &Arc<Shared>, base: u64) -> Result<u64> {
        let _not_while_sealing = self.sealing.lock();
        let reader = Reader::new(self)?;
        let merged = match self.small_run(&reader, base) {
            Ok(run) if run.is_worth_it() => self.merge(&reader, &run.segments),
            Ok(_) => Ok(0),
            Err(error) => Err(error),
        };
        match merged {
            Err(Error::Corrupt { .. } | Error::Io { .. }) if !self.is_poisoned() => Ok(0),
            other => other,
        }
    }

    /// The rewritten small segments side by side around the one with this base, as many as one segment can hold.
    fn small_run(&self, reader: &Reader<'_>, base: u64) -> Result<SmallRun> {
        let segments = &reader.list().segments;
        let at = reader.list().index_at(base);
        let small_max = self.options.rollover / SMALL_DIVISOR;
        // The last one is never part of it: it may be written to.
        let candidates = segments.split_last().map_or(&[][..], |(_, before)| before);
        let size_if_small = |segment: &SegmentRef| -> Result<Option<u64>> {
            let SegmentRef::Sealed(sealed) = segment else {
                return Ok(None);
            };
            let len = u64::from(reader.read(segment, |opened| Ok(opened.end()))?);
            Ok((len <= small_max && sealed.is_rewritten()?).then_some(len))
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
            let reach = reader.end_of(segment) - candidates.get(first).map_or(0, SegmentRef::base);
            if run.total + len > self.options.rollover || u32::try_from(reach).is_err() {
                break;
            }
            run.segments.push(segment.clone());
            run.total += len;
            run.largest = run.largest.max(len);
        }
        Ok(run)
    }

    fn merge(&self, reader: &Reader<'_>, run: &[SegmentRef]) -> Result<u64> {
        let [first, .., last] = run else { return Ok(0) };
        let before: u64 = run
            .iter()
            .map(|segment| self.size_on_disk(segment))
            .sum::<Result<u64>>()?;
        let (source, end) = (Source::of(self, reader, first)?, Source::of(self, reader, last)?);
        // The metadata speaks of one merge: nothing may be left of the last one when it is told of another.
        let unlink_pending = self.unlink_pending.lock().clone();
        self.remove_files(unlink_pending.into_iter())?;
        self.unlink_pending.lock().clear();
        let mut rewriter = Rewriter::create(&self.directory, source.header)?;
        let mut generation = 0;
        let start = reader.list().start_offset;
        for segment in run {
            let of = Source::of(self, reader, segment)?;
            generation = of.header.next_generation()?.max(generation);
            // An index that turns out damaged meanwhile is built anew, and the merge tried another time.
            let held = segment.hold(|segment| self.note_mapped(segment))?;
            copy(&held.opened(), &mut rewriter, &|offset| offset >= start)
                .map_err(|fault| fault.into_error(&held.path()))?;
        }
        self.write_meta(|meta| meta.merge = Some((first.base(), end.end)))?;
        let after = self.replace(rewriter, generation, end.origin, end.end, run)?;
        // What cannot be removed now is removed by the next merge or open.
        let merged = || run.iter().skip(1).map(SegmentRef::base);
        let removed = self.remove_files(merged());
        if removed.is_err() {
            self.unlink_pending.lock().extend(merged());
        }
        removed.map(|()| before.saturating_sub(after))
    }
}
