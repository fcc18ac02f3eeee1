//! The changes that `recover` makes to a log's segments.
//!
//! 1. Before anything is cut off, the metadata is told which offsets must not be given out again,
//!    and that another life begins.
//! 2. Bytes that are cut off are copied or moved to the quarantine before the rewritten segment
//!    takes the place of the old one.
//! 3. Last of all, the metadata is told where the log ends.

use std::path::PathBuf;
use std::sync::Arc;

use super::findings::Findings;
use super::plan::{Action, Plan, Planned, unknown};
use crate::chain::{Testimony, flaw_in};
use crate::control::Producers;
use crate::directory::{Directory, Home, MetaStore, corrupt};
use crate::format::{FrameSeeds, Previous, ProducersAt};
use crate::segment::{Gap, Good, Rewriter};
use crate::sys::Open;
use crate::{Corruption, LifeId, Result};

/// Carries out the plan; returns the files in the quarantine.
pub(super) fn carry_out(findings: &Findings, plan: &Plan) -> Result<Vec<PathBuf>> {
    let chain = &findings.chain;
    let directory = &chain.directory;
    let mut meta = MetaStore::new(&directory.dir, chain.meta.clone(), &chain.copies);
    if chain.meta.unfinished {
        directory.remove_producers_behind(chain.meta.next_offset)?;
    }
    announce(directory, &mut meta, findings.home, plan)?;
    keep_control(findings, plan, &mut meta)?;
    // When the last segments are gone, one of these would be taken for the last.
    directory.remove_segments(chain.superseded.iter().copied())?;
    for name in &findings.runs_damaged {
        directory.remove(name)?;
    }
    let mut quarantined = Vec::new();
    // The last segment goes first: a crash in between leaves a log that is damaged at the same
    // place.
    for planned in plan.segments.iter().rev() {
        match &planned.action {
            Action::Keep => {}
            Action::Drop => quarantined.push(directory.quarantine_segment(planned.base)?),
            Action::Rewrite {
                good,
                cut,
                end,
                origin,
            } => {
                quarantined.extend(rewrite(directory, planned, good, cut, *end, *origin)?);
            }
        }
    }
    close(&mut meta, plan)?;
    quarantined.reverse();
    Ok(quarantined)
}

/// Writes down what the records have come to, as far as they can be read: segments that are
/// rewritten or dropped do not tell it any more. Producers may send again what is lost.
fn keep_control(findings: &Findings, plan: &Plan, meta: &mut MetaStore) -> Result<()> {
    let (chain, directory) = (&findings.chain, &findings.chain.directory);
    let offset = meta.current().next_offset;
    let producers = chain.producers_left(offset)?;
    let kept_to = plan.lost_from.unwrap_or(offset);
    let producers = producers.up_to(kept_to, &Producers::default());
    let has_producers = !producers.is_empty();
    if findings.are_producers_damaged && !has_producers {
        directory.remove_producers_behind(0)?;
        directory.remove_older_producers(1)?;
    }
    if has_producers {
        directory.store_producers(&ProducersAt { offset, producers })?;
        directory.remove_older_producers(offset)?;
    }
    let mut state = chain.control_left()?;
    state.has_producers |= has_producers;
    let is_lossy = plan.lost_from.is_some();
    meta.write_both(|meta| {
        meta.control.1.has_producers |= has_producers;
        if is_lossy {
            meta.control = (offset, state);
        }
    })
}

/// Writes to the metadata, before anything else is changed, what must survive a crash in between.
fn announce(directory: &Directory, meta: &mut MetaStore, home: Home, plan: &Plan) -> Result<()> {
    let life = LifeId::from_bytes(directory.dir.random()?);
    meta.write_both(|meta| {
        let begin = plan.lost_from.unwrap_or(0);
        meta.next_offset = plan.next_offset_min.max(meta.start_offset).max(begin);
        meta.has_gaps = true;
        if plan.lost_from.is_some() {
            home.begin_life(meta, life, begin);
        }
    })
}

/// Rewrites one segment; returns the files in the quarantine that keep the bytes it no longer has.
fn rewrite(
    directory: &Arc<Directory>,
    planned: &Planned,
    good: &[Good],
    cut: &[Gap],
    end: u64,
    origin: Option<Previous>,
) -> Result<Vec<PathBuf>> {
    let Some(header) = planned.header else {
        return Ok(Vec::new());
    };
    let (file, _) = directory.open_segment(planned.base, Open::Read)?;
    let file_len = file.len()?;
    let mut quarantined = Vec::new();
    for gap in cut {
        let to = (gap.position + gap.len).min(file_len);
        if gap.position < to {
            quarantined.push(directory.quarantine_range(&file, gap.position, to, "cut")?);
        }
    }
    let seeds = FrameSeeds::new(header.salt);
    let mut rewriter = Rewriter::create(directory, header)?;
    let mut frame = Vec::new();
    for record in good {
        frame.resize(record.len, 0);
        if file.read_at(record.position, &mut frame)? < record.len {
            // Somebody has shortened the file meanwhile.
            let offset = Some(record.offset);
            return Err(corrupt(file.path(), record.position, offset, Corruption::Short));
        }
        rewriter.push(&frame, record.offset, &seeds)?;
    }
    let origin = origin.unwrap_or_else(|| unknown(&header));
    rewriter.finish(header.next_generation()?, origin, end)?;
    // The old file goes when the new one takes its place: what was written has to be there.
    let (written, path) = (directory.of_temporary(), rewriter.path());
    if let Some(flaw) = flaw_in(&written, header.base, Testimony::Successor(origin))? {
        return Err(flaw.error(path));
    }
    rewriter.install()?;
    Ok(quarantined)
}

/// Writes to the metadata where the log with its new segments ends, if that is known, so that
/// opening it need not find out. Messages that are lost in front of the first segment count as
/// trimmed.
fn close(meta: &mut MetaStore, plan: &Plan) -> Result<()> {
    let first = plan.kept().next().map(|planned| planned.base);
    let reached = match plan.kept().next_back().map(|last| &last.action) {
        Some(Action::Rewrite { end, .. }) => *end,
        _ => 0,
    };
    let bound = meta.current().next_offset.max(reached);
    meta.write_both(|meta| {
        meta.next_offset = bound;
        meta.clean = plan.clean;
        meta.merge = None;
        meta.unfinished = false;
        // Other messages that may have been lost lie behind the place where a life has begun
        // already: opening the log need not begin another one.
        meta.visible_is_durable |= plan.lost_from.is_some();
        meta.start_offset = meta.start_offset.max(first.unwrap_or(bound).min(bound));
    })
}
