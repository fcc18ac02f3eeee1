//! What `recover` does to a log's segments.
//!
//! 1. Before anything is cut off, the metadata says which offsets are not to be given out again and that this is
//!    another epoch.
//! 2. What is cut off is copied or moved to the quarantine before the segment is put anew in its own place.
//! 3. A segment that others know keeps being known by them: it is written anew as one without the messages that were
//!    lost, which says what it was before. Where the one behind it is lost, it says it was that one as well.

use std::path::PathBuf;
use std::sync::Arc;

use super::check::Checked;
use super::recover::{Dropped, RecoverOptions, RecoverReport};
use crate::directory::MetaStore;
use crate::directory::{Directory, offset_bound};
use crate::format::{
    CleanEnd, FileName, FrameSeeds, Previous, RECORD_HEADER_LEN, SEGMENT_HEADER_LEN, SegmentHeader,
};
use crate::segment::{
    Active, Gap, Good, IndexState, Opened, Rewriter, Salvage, Seal, Sealed, SegmentEnd, salvage,
};
use crate::sys::Open;
use crate::{Corruption, Error, Result};

/// What checking a segment found.
pub(super) struct Damage {
    base: u64,
    messages: u64,
    /// The offset that it reaches up to, as far as it is in order.
    next_offset: u64,
    is_index_damaged: bool,
    /// Whether it is not what others know it as.
    is_other: bool,
    /// What is wrong with its messages, as opposed to its index and to what others say of it.
    kind: Option<Corruption>,
}

impl Damage {
    pub(super) fn of(base: u64, checked: &Checked) -> Damage {
        let report = &checked.found;
        let kinds = report.problems.iter().map(|problem| problem.kind);
        let is_inside = |kind: &Corruption| {
            !matches!(
                kind,
                Corruption::Index | Corruption::Foreign | Corruption::Missing | Corruption::Trailing
            )
        };
        Damage {
            base,
            messages: report.messages.saturating_sub(checked.trimmed),
            next_offset: checked.next_offset,
            is_other: report
                .problems
                .iter()
                .any(|problem| matches!(problem.kind, Corruption::Foreign | Corruption::Trailing)),
            is_index_damaged: report
                .problems
                .iter()
                .any(|problem| problem.kind == Corruption::Index),
            kind: kinds.into_iter().find(is_inside),
        }
    }
}

/// A segment, and what is to be done with it.
pub(super) struct Planned {
    base: u64,
    header: Option<SegmentHeader>,
    action: Action,
}

enum Action {
    Keep,
    /// Write anew with these records, as a segment that reaches up to this offset and is known in this way.
    Rewrite {
        good: Vec<Good>,
        cut: Vec<Gap>,
        end: u64,
        origin: Option<Previous>,
    },
    /// Move to the quarantine.
    Drop,
}

/// One run of recovering.
#[expect(
    clippy::struct_excessive_bools,
    reason = "findings that do not depend on each other"
)]
pub(super) struct Repair {
    pub(super) directory: Arc<Directory>,
    pub(super) meta: MetaStore,
    pub(super) how: RecoverOptions,
    pub(super) is_meta_good: bool,
    pub(super) is_meta_lost: bool,
    /// Whether both copies of the metadata say the same.
    pub(super) do_copies_agree: bool,
    /// The base offset of the last segment that a copy of the metadata knows.
    pub(super) last_known: Option<u64>,
    /// Whether the last segment is not as the metadata says.
    pub(super) is_end_wrong: bool,
    /// The first offset that is lost.
    pub(super) lost_from: Option<u64>,
    /// Whether segments are missing in front of the first one there is.
    pub(super) is_front_lost: bool,
    pub(super) segments: Vec<Planned>,
    /// Base offsets of files that are no longer of the log: trimmed, or merged into another.
    pub(super) superseded: Vec<u64>,
    /// Files that gather the keys of many segments, and are damaged: they are made anew when there is time.
    pub(super) runs_damaged: Vec<PathBuf>,
}

impl Repair {
    /// Finds out what is to be done.
    pub(super) fn plan(&mut self, damage: &[Damage]) -> Result<RecoverReport> {
        // Those that have to be made anew are counted when that is done.
        let damaged = damage
            .iter()
            .filter(|one| self.how.dry_run && one.is_index_damaged);
        let mut report = RecoverReport {
            changed: !self.is_meta_good
                || !self.runs_damaged.is_empty()
                || damage.iter().any(|one| one.is_index_damaged),
            indexes_rebuilt: (self.runs_damaged.len() + damaged.count()) as u64,
            metadata_rebuilt: self.is_meta_lost,
            epoch: self.meta.current().epoch,
            ..RecoverReport::default()
        };
        let bases: Vec<u64> = damage.iter().map(|one| one.base).collect();
        for (index, one) in damage.iter().enumerate() {
            let next = bases.get(index + 1).copied();
            let header = self.directory.header(one.base)?;
            if let Some(header) = header {
                self.note_missing_before(&header, &mut report);
            }
            let is_cut_off = self.lost_from.is_some() && !self.how.salvage;
            let planned = match (header, one.kind) {
                _ if is_cut_off => self.drop_segment(one, header, next, &mut report)?,
                (None, _) => self.drop_segment(one, header, next, &mut report)?,
                (Some(header), None) => {
                    report.messages += one.messages;
                    Planned {
                        base: one.base,
                        header: Some(header),
                        action: Action::Keep,
                    }
                }
                (Some(header), Some(kind)) => self.rewrite_segment(header, kind, next, &mut report)?,
            };
            self.segments.push(planned);
        }
        self.note_missing_last(&mut report);
        // Opening would go by the end that the metadata tells, and refuse.
        self.is_end_wrong = damage
            .last()
            .is_some_and(|last| last.is_other && last.kind.is_none());
        report.changed |= self.is_end_wrong;
        self.mend_links()?;
        let is_any = |planned: &Planned| !matches!(planned.action, Action::Keep);
        report.changed |= self.segments.iter().any(is_any);
        report.changed |= !report.dropped.is_empty();
        report.segments = self.kept().count() as u64;
        let meta = self.meta.current();
        let clean = if report.changed {
            self.clean_end()
        } else {
            meta.clean.filter(|_| self.do_copies_agree)
        };
        // Opening a log that was not closed begins another one too, where it cannot know whether anything was lost.
        let is_another = self.is_lossy() || (clean.is_none() && !meta.visible_is_durable);
        report.epoch = report.epoch.saturating_add(u64::from(is_another));
        let reached = match (damage.last(), self.segments.last().map(|last| &last.action)) {
            (_, Some(Action::Rewrite { end, .. })) => *end,
            (Some(last), Some(Action::Keep)) => last.next_offset,
            _ => 0,
        };
        report.next_offset = self.offset_min(&report).max(reached);
        Ok(report)
    }

    fn is_lossy(&self) -> bool {
        self.lost_from.is_some() || self.is_meta_lost || self.is_front_lost
    }

    /// Notes segments that are missing in front of the one with this header.
    fn note_missing_before(&mut self, header: &SegmentHeader, report: &mut RecoverReport) {
        let Some(previous) = header.previous else { return };
        let before = match self.segments.last() {
            Some(before) => before.header.map_or(before.base, |before| before.last_base()),
            // Whatever was in front of the first one and was not trimmed.
            None if self.meta.current().start_offset < header.base => {
                let start = self.meta.current().start_offset;
                self.is_front_lost = true;
                report.dropped.push(self.missing(start, Some(header.base)));
                return;
            }
            None => return,
        };
        if before < previous.base {
            self.lost_from.get_or_insert(previous.base);
            report
                .dropped
                .push(self.missing(previous.base, Some(header.base)));
        }
    }

    /// Notes that the last segment is missing, of which the metadata knows.
    fn note_missing_last(&mut self, report: &mut RecoverReport) {
        if let Some(base) = self.missing_last() {
            self.lost_from.get_or_insert(base);
            let meta = self.meta.current();
            let end = meta.clean.map(|_| meta.next_offset);
            report.dropped.push(self.missing(base, end));
        }
    }

    /// The base offset of the last segment that was durable, if it is not there.
    fn missing_last(&self) -> Option<u64> {
        let there = self.segments.last();
        let there = there.map(|there| there.header.map_or(there.base, |header| header.last_base()));
        self.last_known
            .filter(|known| there.is_none_or(|there| there < *known))
    }

    fn missing(&self, base: u64, end: Option<u64>) -> Dropped {
        Dropped {
            path: self.path(base),
            position: 0,
            len: 0,
            first_offset: Some(base),
            end_offset: end,
            kind: Corruption::Missing,
        }
    }

    fn kept(&self) -> impl Iterator<Item = &Planned> {
        self.segments
            .iter()
            .filter(|planned| !matches!(planned.action, Action::Drop))
    }

    fn path(&self, base: u64) -> PathBuf {
        self.directory.path_of(&FileName::Segment(base))
    }

    fn file_len(&self, base: u64) -> Result<u64> {
        self.directory.storage.len_of(&self.path(base))
    }

    /// A segment of which nothing is kept.
    fn drop_segment(
        &mut self,
        one: &Damage,
        header: Option<SegmentHeader>,
        next: Option<u64>,
        report: &mut RecoverReport,
    ) -> Result<Planned> {
        self.lost_from.get_or_insert(one.base);
        let kind = one.kind.unwrap_or(Corruption::Foreign);
        let meta = self.meta.current();
        let end = next.or(meta.clean.map(|_| meta.next_offset.max(one.base)));
        report.dropped.push(Dropped {
            path: self.path(one.base),
            position: 0,
            len: self.file_len(one.base)?,
            first_offset: Some(one.base),
            end_offset: end,
            kind,
        });
        Ok(Planned {
            base: one.base,
            header,
            action: Action::Drop,
        })
    }

    /// A segment of which some is kept.
    fn rewrite_segment(
        &mut self,
        header: SegmentHeader,
        kind: Corruption,
        next: Option<u64>,
        report: &mut RecoverReport,
    ) -> Result<Planned> {
        let origin = self.link_of(&header, next)?;
        let (Salvage { mut good, mut gaps }, mut end) = self.salvage(&header, next, origin)?;
        if let Some(lost) = gaps.iter().find(|gap| gap.first_offset < gap.end_offset).copied() {
            self.lost_from.get_or_insert(lost.first_offset);
            if !self.how.salvage {
                cut_behind(&lost, &mut good, &mut gaps, end);
                end = lost.first_offset;
            }
        }
        let dropped = gaps.iter().map(|gap| self.dropped(&header, gap, kind));
        report.dropped.extend(dropped);
        let start = self.meta.current().start_offset;
        report.messages += good
            .iter()
            .filter(|record| record.offset >= start && !record.is_control)
            .count() as u64;
        Ok(Planned {
            base: header.base,
            header: Some(header),
            action: Action::Rewrite {
                good,
                cut: gaps,
                end,
                origin,
            },
        })
    }

    /// What is good in a segment, and the offset that it reaches up to.
    fn salvage(
        &self,
        header: &SegmentHeader,
        next: Option<u64>,
        link: Option<Previous>,
    ) -> Result<(Salvage, u64)> {
        let file_len = self.file_len(header.base)?;
        let sealed = link.and_then(|link| Seal::of(header, link));
        let limit = sealed.map_or(file_len, |seal| u64::from(seal.len));
        let meta = self.meta.current();
        let end = next.or(header.rewrite.map(|rewrite| rewrite.end));
        let end = end.or(meta.clean.map(|_| meta.next_offset.max(header.base)));
        let most = end.unwrap_or(header.base.saturating_add(limit / RECORD_HEADER_LEN as u64));
        let (active, _) = Active::adopt(&self.directory, header.base, Some(SEGMENT_HEADER_LEN), None)?;
        let mut found = salvage(&active, limit, most, &self.hints(header, link));
        let reached = found.good.last().map_or(header.base, |last| last.offset + 1);
        if file_len < limit {
            // The file is shorter than it was.
            found.gaps.push(Gap {
                position: file_len,
                len: 0,
                first_offset: reached,
                end_offset: most.max(reached),
            });
        }
        // Where nobody knows how far it reached: as far as what was found in it.
        let ends = found.gaps.iter().map(|gap| gap.end_offset);
        let reached = ends.filter(|end| *end < most).fold(reached, u64::max);
        Ok((found, end.unwrap_or(reached)))
    }

    fn dropped(&self, header: &SegmentHeader, gap: &Gap, kind: Corruption) -> Dropped {
        Dropped {
            path: self.path(header.base),
            position: gap.position,
            len: gap.len,
            first_offset: Some(gap.first_offset),
            end_offset: Some(gap.end_offset),
            kind,
        }
    }

    /// How a segment is known, by the one behind it or by the metadata.
    fn link_of(&self, header: &SegmentHeader, next: Option<u64>) -> Result<Option<Previous>> {
        if let Some(rewrite) = header.rewrite {
            return Ok(Some(rewrite.origin));
        }
        let link = match next {
            Some(next) => self.directory.header(next)?.and_then(|next| next.previous),
            None => self.meta.current().clean.and_then(|clean| clean.last),
        };
        Ok(link.filter(|link| link.base == header.base))
    }

    /// Positions and offsets that the segment's index knows.
    fn hints(&self, header: &SegmentHeader, link: Option<Previous>) -> Vec<(u32, u64)> {
        let Some(link) = link else { return Vec::new() };
        let segment = Sealed::new(Arc::clone(&self.directory), header.base, SegmentEnd::Known(link));
        let Ok(IndexState::Good(files)) = segment.check_index() else {
            return Vec::new();
        };
        let opened = Opened::Sealed { files: &files };
        let known =
            (0..opened.count()).map(|ordinal| Ok((opened.position(ordinal)?, opened.offset(ordinal)?)));
        let known: Result<_, crate::segment::Fault> = known.collect();
        known.unwrap_or_default()
    }

    /// Has each segment that is kept be known by the one that is kept behind it.
    fn mend_links(&mut self) -> Result<()> {
        let kept: Vec<usize> = (0..self.segments.len())
            .filter(|index| !matches!(self.segments[*index].action, Action::Drop))
            .collect();
        let mut later: Option<SegmentHeader> = None;
        for index in kept.into_iter().rev() {
            let Some(header) = self.segments[index].header else {
                continue;
            };
            if let Some(next) = later {
                let link = next.previous.unwrap_or_else(|| unknown(&header));
                if matches!(self.segments[index].action, Action::Keep) && Seal::of(&header, link).is_none() {
                    self.segments[index].action = self.rewrite_whole(&header, next.base)?;
                }
                if let Action::Rewrite { origin, end, .. } = &mut self.segments[index].action {
                    *origin = Some(link);
                    *end = next.base;
                }
            }
            later = Some(header);
        }
        Ok(())
    }

    /// Everything that is good in a segment, for being written anew only because others know it wrongly.
    fn rewrite_whole(&self, header: &SegmentHeader, end: u64) -> Result<Action> {
        let limit = header
            .rewrite
            .map_or(self.file_len(header.base)?, |rewrite| u64::from(rewrite.len));
        let (active, _) = Active::adopt(&self.directory, header.base, Some(SEGMENT_HEADER_LEN), None)?;
        let found = salvage(&active, limit, end, &[]);
        Ok(Action::Rewrite {
            good: found.good,
            cut: Vec::new(),
            end,
            origin: None,
        })
    }

    /// Does what was planned; returns the files in quarantine.
    pub(super) fn carry_out(&mut self, report: &RecoverReport) -> Result<Vec<PathBuf>> {
        self.announce(report)?;
        // Where the last segments go, one of these would be taken for the last.
        self.directory.remove_segments(self.superseded.iter().copied())?;
        for path in &self.runs_damaged {
            self.directory.storage.remove(path)?;
        }
        let mut quarantined = Vec::new();
        // The last one first: a crash in between leaves a log that is damaged where it was.
        for planned in self.segments.iter().rev() {
            match &planned.action {
                Action::Keep => {}
                Action::Drop => quarantined.push(self.directory.quarantine_segment(planned.base)?),
                Action::Rewrite {
                    good,
                    cut,
                    end,
                    origin,
                } => {
                    quarantined.extend(self.rewrite(planned, good, cut, *end, *origin)?);
                }
            }
        }
        self.settle()?;
        quarantined.reverse();
        Ok(quarantined)
    }

    /// Has the metadata say, first of all, what must not be forgotten.
    fn announce(&mut self, report: &RecoverReport) -> Result<()> {
        let is_lost = self.is_lossy();
        let offset_min = self.offset_min(report);
        self.meta.write_both(&*self.directory.storage, |meta| {
            meta.epoch = meta.epoch.saturating_add(u64::from(is_lost));
            meta.next_offset = offset_min;
            meta.has_gaps = true;
        })
    }

    /// The offset below which none may be given out again, apart from those of the messages that are there.
    fn offset_min(&self, report: &RecoverReport) -> u64 {
        let meta = self.meta.current();
        if !self.is_lossy() {
            return meta.next_offset;
        }
        let ends = report.dropped.iter().filter_map(|dropped| dropped.end_offset);
        let mut bound = meta.next_offset.max(ends.max().unwrap_or(0));
        if self.is_meta_lost || meta.clean.is_none() {
            bound = bound.max(self.offset_bound());
        }
        bound
    }

    /// An offset above all that can have been given out, where nobody says which was the last.
    fn offset_bound(&self) -> u64 {
        let of_last = self.segments.last().map_or(0, |last| {
            let rewrite = last.header.and_then(|header| header.rewrite);
            rewrite.map_or(offset_bound(last.base), |rewrite| rewrite.end)
        });
        self.missing_last().map_or(0, offset_bound).max(of_last)
    }

    /// Writes one segment anew; returns the files that keep what it no longer has.
    fn rewrite(
        &self,
        planned: &Planned,
        good: &[Good],
        cut: &[Gap],
        end: u64,
        origin: Option<Previous>,
    ) -> Result<Vec<PathBuf>> {
        let Some(header) = planned.header else {
            return Ok(Vec::new());
        };
        let (file, _) = self.directory.open_segment(planned.base, Open::Read)?;
        let file_len = file.len()?;
        let mut quarantined = Vec::new();
        for gap in cut {
            let to = (gap.position + gap.len).min(file_len);
            if gap.position < to {
                quarantined.push(self.directory.quarantine_range(&file, gap.position, to, "cut")?);
            }
        }
        let seeds = FrameSeeds::new(header.salt);
        let mut rewriter = Rewriter::create(&self.directory, header)?;
        let mut frame = Vec::new();
        for record in good {
            frame.resize(record.len, 0);
            if file.read_at(record.position, &mut frame)? < record.len {
                return Err(Error::Invalid("the segment was changed while it was recovered"));
            }
            rewriter.push(&frame, record.offset, &seeds)?;
        }
        let origin = origin.unwrap_or_else(|| unknown(&header));
        rewriter.finish(header.next_generation()?, origin, end)?;
        rewriter.install()?;
        Ok(quarantined)
    }

    /// Where the log ends when its segments are as planned, if that is known.
    fn clean_end(&self) -> Option<CleanEnd> {
        let last = self.kept().last();
        let clean = match last.map(|last| (last.header, &last.action)) {
            None => Some(CleanEnd { last: None }),
            Some((Some(header), Action::Rewrite { origin, .. })) => Some(CleanEnd {
                last: Some(origin.unwrap_or_else(|| unknown(&header))),
            }),
            Some((Some(header), _)) => {
                let next = self.segments.iter().find(|planned| planned.base > header.base);
                let link = match next {
                    Some(next) => next.header.and_then(|next| next.previous),
                    None => self.meta.current().clean.and_then(|clean| clean.last),
                };
                let known = link.filter(|link| Seal::of(&header, *link).is_some());
                known.map(|last| CleanEnd { last: Some(last) })
            }
            Some((None, _)) => None,
        };
        clean.filter(|_| !self.is_end_wrong)
    }

    /// Has the metadata speak of the segments that there are now: where the log ends, if that is known, so that
    /// opening it need not find out. What is lost in front of the first one counts as trimmed.
    fn settle(&mut self) -> Result<()> {
        let first = self.kept().next().map(|planned| planned.base);
        let clean = self.clean_end();
        let reached = match self.kept().last().map(|last| &last.action) {
            Some(Action::Rewrite { end, .. }) => *end,
            _ => 0,
        };
        let bound = self.meta.current().next_offset.max(reached);
        let is_counted = self.is_lossy();
        self.meta.write_both(&*self.directory.storage, |meta| {
            meta.next_offset = bound;
            meta.is_copy = false;
            meta.clean = clean;
            meta.merge = None;
            meta.unfinished = false;
            // What may have been lost besides is of the epoch that has ended: opening need not begin another.
            meta.visible_is_durable |= is_counted;
            meta.start_offset = meta.start_offset.max(first.unwrap_or(bound).min(bound));
        })
    }
}

/// Has what is behind the first message that is lost go as well, in one piece.
fn cut_behind(lost: &Gap, good: &mut Vec<Good>, gaps: &mut Vec<Gap>, end: u64) {
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

/// How a segment is known that nobody knows.
fn unknown(header: &SegmentHeader) -> Previous {
    Previous {
        base: header.base,
        len: 0,
        last_checksum: 0,
    }
}
