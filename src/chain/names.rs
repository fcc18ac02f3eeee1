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

/// Of these segments, those that hold messages at or behind the start offset. All messages of a
/// segment are trimmed if the next segment begins at or below that offset.
pub(crate) fn untrimmed(bases: &[u64], start_offset: u64) -> &[u64] {
    let trimmed = bases
        .partition_point(|base| *base <= start_offset)
        .saturating_sub(1);
    bases.get(trimmed..).unwrap_or_default()
}

/// The offset from which on segments were added by an interrupted backup. If the last segment of
/// the copy is not there, nothing is known of those that are, so all of them count.
fn unfinished_from(directory: &Directory, meta: &Meta, bases: &[u64]) -> Result<u64> {
    let last = match meta.clean {
        Some(CleanEnd { last }) if meta.unfinished => last,
        _ => return Ok(u64::MAX),
    };
    let Some(last) = last else { return Ok(0) };
    let end = bases.partition_point(|base| *base <= last.base);
    let is_there = directory.last_base(bases.get(..end).unwrap_or_default())? == Some(last.base);
    Ok(if is_there {
        last.base.saturating_add(1)
    } else {
        u64::MAX
    })
}

/// Divides the segment files into those that count and those that are to be removed: the latter
/// were trimmed, merged into another one, or left by an interrupted backup.
pub(super) fn sort_out(directory: &Directory, meta: &Meta, bases: Vec<u64>) -> Result<(Vec<u64>, Vec<u64>)> {
    let merged = merged(directory, meta, &bases)?;
    let unfinished_from = unfinished_from(directory, meta, &bases)?;
    let is_merged = |base: &u64| merged.as_ref().is_some_and(|range| range.contains(base));
    let (mut superseded, mut kept): (Vec<u64>, Vec<u64>) = bases
        .into_iter()
        .partition(|base| is_merged(base) || *base >= unfinished_from);
    // If a log was closed without segments, all that are in front of its start were trimmed: also
    // the last one, whose file could not be removed, or came back in a power cut.
    let is_empty = meta.next_offset == meta.start_offset && meta.was_closed_empty();
    let trimmed = if is_empty {
        kept.partition_point(|base| *base < meta.start_offset)
    } else {
        kept.len() - untrimmed(&kept, meta.start_offset).len()
    };
    superseded.extend(kept.drain(..trimmed));
    Ok((kept, superseded))
}
