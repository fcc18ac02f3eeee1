//! The good records of a damaged segment, and what is known about its end.

use std::sync::Arc;

use crate::Result;
use crate::chain::{Chain, Ending, Testimony, end_of};
use crate::format::{FileName, RECORD_HEADER_LEN, SEGMENT_HEADER_LEN, SegmentHeader};
use crate::segment::{Active, Gap, Good, IndexState, Salvage, Sealed, SegmentEnd, SegmentSnapshot, salvage};

/// Finds the good records of a segment, and the offset that the segment reaches up to (exclusive).
pub(super) fn salvage_segment(
    chain: &Chain,
    header: &SegmentHeader,
    next: Option<u64>,
    ending: Option<Ending>,
) -> Result<(Salvage, u64)> {
    let file_len = file_len(chain, header.base)?;
    let limit = ending.map_or(file_len, |ending| u64::from(ending.seal.len));
    let meta = &chain.meta;
    let end = next.or(ending.and_then(|ending| ending.next_offset));
    let end = end.or(meta.clean.map(|_| meta.next_offset.max(header.base)));
    let most = end.unwrap_or(header.base.saturating_add(limit / RECORD_HEADER_LEN as u64));
    let (active, _) = Active::adopt(&chain.directory, header.base, Some(SEGMENT_HEADER_LEN), None)?;
    let mut found = salvage(&active, limit, most, &hints(chain, header, ending));
    active.check_read()?;
    let reached = found.good.last().map_or(header.base, |last| last.offset + 1);
    if file_len < limit {
        // The end of the file is missing.
        found.gaps.push(Gap {
            position: file_len,
            len: 0,
            first_offset: reached,
            end_offset: most.max(reached),
        });
    }
    // If nothing tells how far the segment reached, the records and gaps that were found decide.
    let ends = found.gaps.iter().map(|gap| gap.end_offset);
    let reached = ends.filter(|end| *end < most).fold(reached, u64::max);
    Ok((found, end.unwrap_or(reached)))
}

/// The positions and offsets in the segment's index.
fn hints(chain: &Chain, header: &SegmentHeader, ending: Option<Ending>) -> Vec<(u32, u64)> {
    let Some(ending) = ending else { return Vec::new() };
    let directory = Arc::clone(&chain.directory);
    let segment = Sealed::new(directory, header.base, SegmentEnd::Known(ending.origin));
    let Ok(IndexState::Good(files)) = segment.check_index() else {
        return Vec::new();
    };
    let opened = SegmentSnapshot::Sealed { files: &files };
    let known = (0..opened.count()).map(|ordinal| Ok((opened.position(ordinal)?, opened.offset(ordinal)?)));
    let known: Result<_, crate::segment::ReadFault> = known.collect();
    known.unwrap_or_default()
}

/// Finds all good records of a segment that is rewritten only because others know it wrongly.
pub(super) fn whole_records(chain: &Chain, header: &SegmentHeader, end: u64) -> Result<Vec<Good>> {
    let limit = match end_of(header, Testimony::Nobody) {
        Some(ending) => u64::from(ending.seal.len),
        None => file_len(chain, header.base)?,
    };
    let (active, _) = Active::adopt(&chain.directory, header.base, Some(SEGMENT_HEADER_LEN), None)?;
    let found = salvage(&active, limit, end, &[]);
    active.check_read()?;
    Ok(found.good)
}

/// Moves all records behind the first lost message from `good` into one gap.
pub(super) fn cut_behind(lost: &Gap, good: &mut Vec<Good>, gaps: &mut Vec<Gap>, end: u64) {
    let behind = good.partition_point(|record| record.position < lost.position);
    if let Some(first) = good.get(behind) {
        let last_end = good.last().map_or(0, |last| last.position + last.len as u64);
        let gaps_end = gaps.iter().map(|gap| gap.position + gap.len).max();
        gaps.retain(|gap| gap.position <= lost.position);
        gaps.push(Gap {
            position: first.position,
            len: last_end.max(gaps_end.unwrap_or(0)) - first.position,
            first_offset: first.offset,
            end_offset: end,
        });
    }
    good.truncate(behind);
}

fn file_len(chain: &Chain, base: u64) -> Result<u64> {
    chain.directory.len_of(&FileName::Segment(base))
}
