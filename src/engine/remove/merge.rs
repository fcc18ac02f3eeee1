//! Merging segments that deleting has left small, so that a compacted log is not thousands of
//! files.
//!
//! The metadata first says, durably, which segments become one. Then the merged segment gets the
//! name of the first of them. Then the others go. If the log is opened in between, the metadata
//! says that the merged segment already contains the others.

use std::ops::Range;

use super::copy_kept::{copy_messages_kept, source_of};
use super::removal::Removal;
use crate::engine::segments::Reader;
use crate::segment::{Held, Rewriter, SegmentRef};
use crate::{Error, Job, Result};

/// A segment is small if it is at most the rollover size divided by this.
const SMALL_DIVISOR: u64 = 2;

/// How many segments on each side of a rewritten one are looked at.
const BESIDE_MAX: usize = 256;

/// A small segment that was rewritten.
#[derive(Clone, Copy, Debug)]
struct Small {
    base: u64,
    /// The offset that it reaches up to (exclusive).
    end: u64,
    /// Bytes up to the end of its frames.
    len: u64,
}

/// The most of these segments, which lie side by side, that are worth becoming one with the one at
/// `at`: together they have at most `total_max` bytes, and at least twice as many as the largest of
/// them. So each message is copied only as often as its segment can double.
///
/// A large neighbour must not keep the others from becoming one: where it is no worth to copy it,
/// those on this side of it are looked at by themselves.
fn worth_merging(segments: &[Small], at: usize, total_max: u64) -> Option<Range<usize>> {
    let mut most: Option<Range<usize>> = None;
    for (first, from) in segments.iter().enumerate().take(at + 1) {
        let (mut total, mut largest) = (0, 0);
        for (last, segment) in segments.iter().enumerate().skip(first) {
            total += segment.len;
            largest = segment.len.max(largest);
            if total > total_max || u32::try_from(segment.end - from.base).is_err() {
                break;
            }
            let is_worth_it = last >= at && last > first && largest <= total / 2;
            if is_worth_it && most.as_ref().is_none_or(|most| most.len() <= last - first) {
                most = Some(first..last + 1);
            }
        }
    }
    most
}

impl Removal<'_> {
    /// Merges the segment with this base, which was rewritten, with the small segments beside it;
    /// returns the bytes that this freed. If one of them is damaged, or there is no space for the
    /// merged segment, all of them stay as they are.
    pub(super) fn merge_around(&mut self, base: u64) -> Result<u64> {
        let remove = self.remove;
        let _not_while_sealing = remove.segments.lock_replacing();
        let reader = Reader::new(&remove.segments)?;
        let run = self.small_run(&reader, base);
        let merged = if run.is_empty() {
            Ok(0)
        } else {
            self.merge(&reader, run)
        };
        match merged {
            Err(error @ (Error::Corrupt { .. } | Error::Io { .. }))
                if !self.remove.health().is_poisoned() =>
            {
                self.remove.segments.teller.failed(Job::Removal, &error);
                Ok(0)
            }
            other => other,
        }
    }

    /// The segments that are to become one with the one with this base; none if that is not worth
    /// it.
    fn small_run<'r>(&self, reader: &'r Reader<'_>, base: u64) -> &'r [SegmentRef] {
        // The last segment is never among them: it may be written to.
        let candidates = reader.list().before_last();
        let at = reader.list().index_at(base).min(candidates.len());
        let (before, from) = candidates.split_at(at);
        let mut small = self.small_among(reader, before.iter().rev());
        small.reverse();
        let before = small.len();
        small.extend(self.small_among(reader, from.iter()));
        let run = worth_merging(&small, before, self.remove.rollover);
        let run = run.map(|run| run.start + at - before..run.end + at - before);
        run.and_then(|run| candidates.get(run)).unwrap_or_default()
    }

    /// The rewritten small segments up to the first other one, as many as one segment can hold.
    fn small_among<'s>(
        &self,
        reader: &Reader<'_>,
        segments: impl Iterator<Item = &'s SegmentRef>,
    ) -> Vec<Small> {
        let (mut small, mut total) = (Vec::new(), 0);
        for segment in segments.take(BESIDE_MAX) {
            // One that cannot be opened stays as it is.
            let Ok(Held::Sealed(_, files)) = reader.hold(segment) else {
                break;
            };
            let len = u64::from(files.len);
            total += len;
            let is_small = len <= self.remove.rollover / SMALL_DIVISOR && files.header.rewrite.is_some();
            if !is_small || total > self.remove.rollover {
                break;
            }
            small.push(Small {
                base: segment.base(),
                end: reader.end_offset_of(segment),
                len,
            });
        }
        small
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
            copy_messages_kept(&held.opened(), &mut rewriter, &|offset| offset >= start)
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

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: u64 = 192;
    const TOTAL_MAX: u64 = 1 << 20;

    /// Segments of which one was rewritten after the other.
    #[derive(Default)]
    struct Model {
        lens: Vec<u64>,
        copied: u64,
    }

    impl Model {
        /// Segments side by side of these lengths, with one message for each byte.
        fn segments(&self) -> Vec<Small> {
            let mut base = 0;
            let small = self.lens.iter().map(|len| {
                let (from, len) = (base, *len);
                base += len;
                Small {
                    base: from,
                    end: base,
                    len,
                }
            });
            small.collect()
        }

        fn rewritten(&mut self, at: usize) {
            let Some(run) = worth_merging(&self.segments(), at, TOTAL_MAX) else {
                return;
            };
            assert!(run.contains(&at) && run.len() > 1);
            let kept: u64 = self.lens[run.clone()].iter().map(|len| len - HEADER).sum();
            self.copied += kept;
            self.lens.splice(run, [HEADER + kept]);
        }
    }

    #[test]
    fn a_large_neighbour_does_not_keep_small_segments_apart() {
        let mut model = Model {
            lens: vec![TOTAL_MAX / 4],
            copied: 0,
        };
        for _ in 0..2000 {
            model.lens.push(HEADER);
            model.rewritten(model.lens.len() - 1);
            assert!(model.lens.len() <= 2, "{:?}", model.lens);
        }
        assert_eq!(model.copied, 0);
        // Behind it as well.
        model.lens = vec![HEADER, HEADER, TOTAL_MAX / 4];
        model.rewritten(0);
        assert_eq!(model.lens, [HEADER, TOTAL_MAX / 4]);
    }

    #[test]
    fn small_segments_stay_few_and_are_copied_seldom() {
        let mut random = fastrand::Rng::with_seed(7);
        for largest in [1, 100, 10_000, 100_000] {
            let (mut model, mut published) = (Model::default(), 0);
            for _ in 0..3000 {
                let len = random.u64(..largest);
                published += len;
                model.lens.push(HEADER + len);
                model.rewritten(model.lens.len() - 1);
                let full = published / (TOTAL_MAX / 4);
                assert!(
                    model.lens.len() as u64 <= full + 20,
                    "{} of {largest}",
                    model.lens.len()
                );
            }
            // From 192 bytes to half a segment there are 12 doublings.
            assert!(model.copied <= 12 * published, "{} of {published}", model.copied);
        }
    }

    #[test]
    fn what_becomes_one_fits_in_one_segment() {
        let of = |lens: &[u64]| {
            Model {
                lens: lens.to_vec(),
                copied: 0,
            }
            .segments()
        };
        assert_eq!(worth_merging(&of(&[500, 500, 500]), 1, 1000), Some(0..2));
        assert_eq!(worth_merging(&of(&[500, 501]), 1, 1000), None);
        assert_eq!(worth_merging(&of(&[500]), 0, 1000), None);
        assert_eq!(worth_merging(&[], 0, 1000), None);
        let far = |base| Small {
            base,
            end: base + 1,
            len: 10,
        };
        assert_eq!(worth_merging(&[far(0), far(1 << 33)], 1, 1000), None);
    }
}
