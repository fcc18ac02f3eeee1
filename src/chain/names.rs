//! Which of the segment files count.

use std::ops::Range;

use crate::directory::Directory;
use crate::format::{CleanEnd, FileName, Meta};
use crate::sys::{Dir, Open};
use crate::{Error, Result};

/// The base offsets of the segment files in `dir`, ascending.
pub(crate) fn segment_bases(dir: &Dir) -> Result<Vec<u64>> {
    let mut bases: Vec<u64> = dir
        .list()?
        .iter()
        .filter_map(|name| match FileName::parse(name) {
            Some(FileName::Segment(base)) => Some(base),
            _ => None,
        })
        .collect();
    bases.sort_unstable();
    Ok(bases)
}

/// Whether there is a segment that belongs to another log, or whose header cannot be read.
pub(crate) fn holds_another_log(directory: &Directory) -> Result<bool> {
    for base in segment_bases(&directory.dir)? {
        if directory.header(base)?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The range of base offsets whose segments the last merge has merged into another one; `None` if
/// that merge has not taken place.
fn merged(directory: &Directory, meta: &Meta, bases: &[u64]) -> Result<Option<Range<u64>>> {
    let Some((base, end)) = meta.merge.filter(|(base, _)| bases.contains(base)) else {
        return Ok(None);
    };
    match directory.open_segment(base, Open::Read) {
        Ok((_, header)) => Ok(header
            .rewrite
            .filter(|rewrite| rewrite.end >= end)
            .map(|rewrite| base.saturating_add(1)..rewrite.end)),
        // Opening the segment reports what is wrong with it.
        Err(Error::Corrupt { .. } | Error::Version { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Corrects the metadata of a copy whose backup was interrupted: the backup may already have
/// replaced the last segment by its rewrite, and then the copy ends where the rewritten segment
/// does.
pub(super) fn follow_replaced_last(directory: &Directory, meta: &mut Meta, bases: &[u64]) -> Result<()> {
    let Some(CleanEnd { last: Some(last) }) = meta.clean else {
        return Ok(());
    };
    let merged = merged(directory, meta, bases)?;
    let is_merged = |base: u64| merged.as_ref().is_some_and(|range| range.contains(&base));
    let Some(base) = bases
        .iter()
        .rfind(|base| **base <= last.base && !is_merged(**base))
    else {
        return Ok(());
    };
    let rewrite = match directory.open_segment(*base, Open::Read) {
        Ok((_, header)) => header.rewrite.filter(|rewrite| rewrite.end > last.base),
        // Opening the segment reports what is wrong with it.
        Err(Error::Corrupt { .. }) => None,
        Err(error) => return Err(error),
    };
    if let Some(rewrite) = rewrite {
        meta.clean = Some(CleanEnd {
            last: Some(rewrite.origin),
        });
        meta.next_offset = meta.next_offset.max(rewrite.end);
    }
    Ok(())
}

/// Divides the segment files into those that count and those that are to be removed: the latter
/// were trimmed, merged into another one, or left by an interrupted backup.
pub(super) fn sort_out(directory: &Directory, meta: &Meta, bases: Vec<u64>) -> Result<(Vec<u64>, Vec<u64>)> {
    let merged = merged(directory, meta, &bases)?;
    let unfinished_from = match meta.clean {
        Some(end) if meta.unfinished => end.last.map_or(0, |last| last.base.saturating_add(1)),
        _ => u64::MAX,
    };
    let is_merged = |base: &u64| merged.as_ref().is_some_and(|range| range.contains(base));
    let (mut superseded, mut kept): (Vec<u64>, Vec<u64>) = bases
        .into_iter()
        .partition(|base| is_merged(base) || *base >= unfinished_from);
    // All messages of a segment are trimmed if the next segment begins at or below the start
    // offset.
    let trimmed = kept
        .partition_point(|base| *base <= meta.start_offset)
        .saturating_sub(1);
    superseded.extend(kept.drain(..trimmed));
    Ok((kept, superseded))
}
