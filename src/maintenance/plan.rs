//! The plan of what `recover` does to a log's segments.
//!
//! The links between segments are kept: a segment is rewritten without the messages that were lost,
//! and its new header says what it was before, which is how others know it. If the segment behind
//! it is lost, the header says that this segment was that one as well.

use std::path::{Path, PathBuf};

use super::findings::{Damage, Findings};
use super::report::{Dropped, RecoverReport};
use super::salvaging::{cut_behind, salvage_segment, whole_records};
use crate::chain::{Testimony, end_of, said_by};
use crate::directory::offset_bound;
use crate::format::{CleanEnd, FileName, Meta, Previous, SegmentHeader};
use crate::segment::{Gap, Good, Salvage};
use crate::{Corruption, Result};

/// A segment, and what `recover` does with it.
pub(super) struct Planned {
    pub(super) base: u64,
    pub(super) header: Option<SegmentHeader>,
    pub(super) action: Action,
}

pub(super) enum Action {
    Keep,
    /// Rewrite with these records, as a segment that reaches up to the offset `end` (exclusive) and
    /// is known as `origin`; `cut` goes to the quarantine.
    Rewrite {
        good: Vec<Good>,
        cut: Vec<Gap>,
        end: u64,
        origin: Option<Previous>,
    },
    /// Move to the quarantine.
    Drop,
}

/// All that `recover` is going to do.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) report: RecoverReport,
    /// Oldest first.
    pub(super) segments: Vec<Planned>,
    /// The first offset whose message is lost, or may be. A life begins there.
    pub(super) lost_from: Option<u64>,
    /// Where the log ends when its segments are as planned, if that is known.
    pub(super) clean: Option<CleanEnd>,
    /// No offset below this one may be given out again. (Messages that are there keep theirs.)
    pub(super) next_offset_min: u64,
}

/// Makes the plan for these findings.
pub(super) fn plan(findings: &Findings) -> Result<Plan> {
    let planner = Planner {
        findings,
        segments: Vec::new(),
        report: RecoverReport::default(),
        lost_from: None,
    };
    planner.run()
}

impl Plan {
    /// The segments of which anything is kept, oldest first.
    pub(super) fn kept(&self) -> impl DoubleEndedIterator<Item = &Planned> {
        kept(&self.segments)
    }
}

fn kept(segments: &[Planned]) -> impl DoubleEndedIterator<Item = &Planned> {
    segments
        .iter()
        .filter(|planned| !matches!(planned.action, Action::Drop))
}

/// A plan in the making.
struct Planner<'a> {
    findings: &'a Findings,
    segments: Vec<Planned>,
    report: RecoverReport,
    /// The first offset that is lost in the segments.
    lost_from: Option<u64>,
}

impl Planner<'_> {
    fn run(mut self) -> Result<Plan> {
        let findings = self.findings;
        let damage = &findings.damage;
        // Except in a dry run, these indexes are counted when they are rebuilt.
        let damaged = damage
            .iter()
            .filter(|one| findings.how.dry_run && one.is_index_damaged);
        self.report = RecoverReport {
            changed: !findings.is_meta_good
                || !findings.runs_damaged.is_empty()
                || findings.are_producers_damaged
                || damage.iter().any(|one| one.is_index_damaged),
            indexes_rebuilt: (findings.runs_damaged.len() + damaged.count()) as u64,
            metadata_rebuilt: findings.is_meta_lost,
            epoch: self.meta().lives.epoch(),
            ..RecoverReport::default()
        };
        for (index, one) in damage.iter().enumerate() {
            let next = damage.get(index + 1).map(|next| next.base);
            self.plan_segment(one, next)?;
        }
        self.note_missing_last();
        // Opening the log would go by the end in the metadata, and fail.
        let is_end_wrong = damage
            .last()
            .is_some_and(|last| last.is_other && last.kind.is_none());
        self.report.changed |= is_end_wrong;
        self.mend_links()?;
        let is_any = |planned: &Planned| !matches!(planned.action, Action::Keep);
        self.report.changed |= self.segments.iter().any(is_any);
        self.report.changed |= !self.report.dropped.is_empty();
        self.report.segments = kept(&self.segments).count() as u64;
        Ok(self.finish(is_end_wrong))
    }

    fn finish(self, is_end_wrong: bool) -> Plan {
        let (meta, home) = (self.meta(), self.findings.home);
        let planned_end = self.clean_end().filter(|_| !is_end_wrong);
        let clean = if self.report.changed {
            planned_end
        } else {
            meta.clean.filter(|_| self.findings.chain.copies.agree())
        };
        let lost_from = self.first_lost();
        let next_offset_min = self.next_offset_min();
        let reached = match (
            self.findings.damage.last(),
            self.segments.last().map(|last| &last.action),
        ) {
            (_, Some(Action::Rewrite { end, .. })) => *end,
            (Some(last), Some(Action::Keep)) => last.next_offset,
            _ => 0,
        };
        // Opening the log begins a life too, if it is a copy, or if nothing tells whether messages
        // were lost.
        let is_another =
            lost_from.is_some() || home.is_copy(meta) || (clean.is_none() && home.may_have_lost(meta));
        let mut report = self.report;
        report.epoch = report.epoch.saturating_add(u64::from(is_another));
        report.next_offset = next_offset_min.max(reached);
        Plan {
            report,
            segments: self.segments,
            lost_from,
            clean: planned_end,
            next_offset_min,
        }
    }

    fn meta(&self) -> &Meta {
        &self.findings.chain.meta
    }

    /// The first offset whose message is lost, or may be.
    fn first_lost(&self) -> Option<u64> {
        let is_from_the_start = self.findings.is_meta_lost || self.findings.is_front_missing;
        let start = is_from_the_start.then_some(self.meta().start_offset);
        self.lost_from.into_iter().chain(start).min()
    }

    fn plan_segment(&mut self, one: &Damage, next: Option<u64>) -> Result<()> {
        let header = self.findings.chain.directory.header(one.base)?;
        if let Some(header) = header {
            self.note_missing_before(&header);
        }
        let is_cut_off = self.lost_from.is_some() && !self.findings.how.salvage;
        let planned = match (header, one.kind) {
            _ if is_cut_off => self.drop_segment(one, header, next)?,
            (None, _) => self.drop_segment(one, header, next)?,
            (Some(header), None) => {
                self.report.messages += one.messages;
                Planned {
                    base: one.base,
                    header: Some(header),
                    action: Action::Keep,
                }
            }
            (Some(header), Some(kind)) => self.rewrite_segment(header, kind, next)?,
        };
        self.segments.push(planned);
        Ok(())
    }

    /// Notes segments that are missing in front of the one with this header.
    fn note_missing_before(&mut self, header: &SegmentHeader) {
        let Some(before) = self.segments.last() else {
            // All messages in front of the first segment that were not trimmed.
            if self.findings.is_front_missing {
                let start = self.meta().start_offset;
                let missing = self.missing(start, Some(header.base));
                self.report.dropped.push(missing);
            }
            return;
        };
        let before = before.header.map_or(before.base, |before| before.last_base());
        let Some(previous) = header.previous else { return };
        if before < previous.base {
            self.lost_from.get_or_insert(previous.base);
            let missing = self.missing(previous.base, Some(header.base));
            self.report.dropped.push(missing);
        }
    }

    /// Notes that the last segment that the metadata knows is missing, if it is.
    fn note_missing_last(&mut self) {
        if let Some(base) = self.findings.missing_last {
            self.lost_from.get_or_insert(base);
            let end = self.meta().clean.map(|_| self.meta().next_offset);
            let missing = self.missing(base, end);
            self.report.dropped.push(missing);
        }
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

    fn path(&self, base: u64) -> PathBuf {
        self.findings.chain.directory.path_of(&FileName::Segment(base))
    }

    fn file_len(&self, base: u64) -> Result<u64> {
        self.findings.chain.directory.len_of(&FileName::Segment(base))
    }

    /// Plans a segment of which nothing is kept.
    fn drop_segment(
        &mut self,
        one: &Damage,
        header: Option<SegmentHeader>,
        next: Option<u64>,
    ) -> Result<Planned> {
        self.lost_from.get_or_insert(one.base);
        let kind = one.kind.unwrap_or(Corruption::Foreign);
        let meta = self.meta();
        let end = next.or(meta.clean.map(|_| meta.next_offset.max(one.base)));
        let (path, len) = (self.path(one.base), self.file_len(one.base)?);
        self.report.dropped.push(Dropped {
            path,
            position: 0,
            len,
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

    /// Plans a segment of which some messages may be kept.
    fn rewrite_segment(
        &mut self,
        header: SegmentHeader,
        kind: Corruption,
        next: Option<u64>,
    ) -> Result<Planned> {
        let ending = self.findings.chain.ending_of(&header, next)?;
        let (Salvage { mut good, mut gaps }, mut end) =
            salvage_segment(&self.findings.chain, &header, next, ending)?;
        if let Some(lost) = gaps.iter().find(|gap| gap.first_offset < gap.end_offset).copied() {
            self.lost_from.get_or_insert(lost.first_offset);
            if !self.findings.how.salvage {
                cut_behind(&lost, &mut good, &mut gaps, end);
                end = lost.first_offset;
            }
        }
        let path = self.path(header.base);
        let dropped = gaps.iter().map(|gap| dropped(&path, gap, kind));
        self.report.dropped.extend(dropped);
        let start = self.meta().start_offset;
        self.report.messages += good
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
                origin: ending.map(|ending| ending.origin),
            },
        })
    }

    /// Makes each segment that is kept match what the next segment that is kept knows about it.
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
                if matches!(self.segments[index].action, Action::Keep)
                    && end_of(&header, Testimony::Successor(link)).is_none()
                {
                    let good = whole_records(&self.findings.chain, &header, next.base)?;
                    self.segments[index].action = Action::Rewrite {
                        good,
                        cut: Vec::new(),
                        end: next.base,
                        origin: None,
                    };
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

    /// Where the log ends when its segments are as planned, if that is known.
    fn clean_end(&self) -> Option<CleanEnd> {
        let Some(last) = kept(&self.segments).last() else {
            return Some(CleanEnd { last: None });
        };
        let header = last.header?;
        if let Action::Rewrite { origin, .. } = &last.action {
            let origin = origin.unwrap_or_else(|| unknown(&header));
            return Some(CleanEnd { last: Some(origin) });
        }
        let next = self.segments.iter().find(|planned| planned.base > header.base);
        let testimony = match next {
            Some(next) => said_by(next.header.as_ref()),
            None => self.findings.chain.said_by_metadata(),
        };
        let link = match testimony {
            Testimony::Successor(_) | Testimony::Metadata(_) => end_of(&header, testimony)?.origin,
            Testimony::Nobody | Testimony::NoSegment | Testimony::Frames { .. } => return None,
        };
        Some(CleanEnd { last: Some(link) })
    }

    /// No offset below this one may be given out again. (Messages that are there keep theirs.)
    fn next_offset_min(&self) -> u64 {
        let meta = self.meta();
        if self.first_lost().is_none() {
            return meta.next_offset;
        }
        let ends = self
            .report
            .dropped
            .iter()
            .filter_map(|dropped| dropped.end_offset);
        let mut bound = meta.next_offset.max(ends.max().unwrap_or(0));
        if self.findings.is_meta_lost || meta.clean.is_none() {
            bound = bound.max(self.offset_bound());
        }
        bound
    }

    /// An offset above all that can have been given out, if nothing tells which was the last.
    fn offset_bound(&self) -> u64 {
        let of_last = self.segments.last().map_or(0, |last| {
            let rewrite = last.header.and_then(|header| header.rewrite);
            rewrite.map_or(offset_bound(last.base), |rewrite| rewrite.end)
        });
        let missing = self.findings.missing_last;
        missing.map_or(0, offset_bound).max(of_last)
    }
}

fn dropped(path: &Path, gap: &Gap, kind: Corruption) -> Dropped {
    Dropped {
        path: path.to_path_buf(),
        position: gap.position,
        len: gap.len,
        first_offset: Some(gap.first_offset),
        end_offset: Some(gap.end_offset),
        kind,
    }
}

/// The link that is made up for a segment about which there is no testimony.
pub(super) fn unknown(header: &SegmentHeader) -> Previous {
    Previous {
        base: header.base,
        len: 0,
        last_checksum: 0,
    }
}
