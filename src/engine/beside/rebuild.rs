//! The list of segments of a log that somebody else writes to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::known::Seen;
use super::listing::Listing;
use super::look::{Beside, View, Watched};
use super::tails::Tails;
use crate::Result;
use crate::chain::Chain;
use crate::control::ControlState;
use crate::directory::Copies;
use crate::engine::segments::SegmentList;
use crate::format::Meta;
use crate::segment::{Ending, KeyRun, Sealed, SegmentEnd, SegmentRef, Tail, Testimony, end_of, runs_among};
use crate::sys::Open;

/// The last segments of a log.
struct Last {
    tails: Tails,
    /// The end of the last segment, if it was rewritten: nothing is added to it.
    rewritten: Option<Ending>,
}

impl Beside {
    /// Makes the list anew for a log that is written to, or whose writer was killed in this boot.
    /// What are still the same files is kept.
    pub(super) fn rebuild(
        &self,
        watched: &mut Watched,
        mut seen: Seen,
        copies: Copies,
        meta: Meta,
    ) -> Result<()> {
        let directory = &self.directory;
        let bases = seen.listing.bases();
        let chain = Chain::new(Arc::clone(directory), copies, meta.clone(), bases)?;
        chain.check_front()?;
        // If this fails, the tails are lost.
        watched.has_lost = true;
        let mut known = watched.take_tails(&seen.listing);
        let Last { tails, rewritten } = self.last(&chain, &mut known, seen.only_durable)?;
        let first_tail = tails.all.front().map_or(u64::MAX, Tail::base);
        seen.tails = tails;
        let floor = meta.next_offset.max(watched.end);
        seen.show(floor, &meta)?;
        seen.behind = self.left_behind(&chain, known, &seen)?;

        let mut segments = self.in_front(&chain, &seen, first_tail, rewritten);
        segments.extend(seen.tails.shown().cloned().map(SegmentRef::Active));

        let reached = rewritten.and_then(|ending| ending.next_offset).unwrap_or(0);
        let end = seen.tails.end_offset().unwrap_or(0).max(reached).max(floor);
        let control = control(&chain, &seen.tails, end)?;
        let list = SegmentList {
            start_offset: meta.start_offset.max(control.trim_to.min(end)),
            segments,
            next_offset_min: meta.next_offset.max(reached),
            last_time: control.last_time,
            key_runs: self.key_runs(&seen.listing, meta.start_offset),
            ..SegmentList::default()
        };
        // What was read may be of a life that began meanwhile. Its metadata was there first.
        let newest = Copies::read(&directory.dir)?.newest(&directory.dir)?;
        watched.judge_lives(&newest)?;
        let view = View {
            list,
            meta,
            common_until: u64::MAX,
            next_offset: end,
            durable: seen.durable(end),
        };
        self.take_over(watched, seen, view, |guard| guard.learn(control, end));
        Ok(())
    }

    /// The segments in front of the last ones.
    fn in_front(
        &self,
        chain: &Chain,
        seen: &Seen,
        first_tail: u64,
        rewritten: Option<Ending>,
    ) -> Vec<SegmentRef> {
        let mut segments = Vec::with_capacity(chain.bases.len());
        let mut left = seen.behind.shown().peekable();
        for (at, base) in chain
            .bases
            .iter()
            .enumerate()
            .take_while(|(_, base)| **base < first_tail)
        {
            if let Some(active) = left.next_if(|active| active.header.base == *base) {
                segments.push(SegmentRef::Active(Arc::clone(active)));
                continue;
            }
            let end = match (chain.bases.get(at + 1), rewritten) {
                (Some(next), _) => SegmentEnd::Successor(*next),
                (None, Some(ending)) => SegmentEnd::Known(ending.origin),
                (None, None) => continue,
            };
            let sealed = Sealed::new(Arc::clone(&self.directory), *base, end);
            segments.push(SegmentRef::Sealed(Arc::new(sealed)));
        }
        segments
    }

    /// The last segments, read up to their ends: as many as it takes to know what is shown.
    fn last(&self, chain: &Chain, known: &mut BTreeMap<u64, Tail>, only_durable: bool) -> Result<Last> {
        let mut tails = VecDeque::new();
        let mut rewritten = None;
        for base in chain.bases.iter().rev() {
            let mut tail = match known.remove(base) {
                Some(tail) => tail,
                None => Tail::open(&self.directory, *base)?,
            };
            // It was durable before it got its name, as were all segments before it.
            if tail.active.header.rewrite.is_some() {
                if tails.is_empty() {
                    rewritten = end_of(&tail.active.header, Testimony::Nobody);
                }
                break;
            }
            tail.read_on(self.directory.kinds.key)?;
            match tails.front() {
                None => tail.check_reaches(chain.meta.next_offset)?,
                Some(next) => tail.check_followed_by(next)?,
            }
            let is_enough = !only_durable || tail.proves_those_before();
            tails.push_front(tail);
            if is_enough {
                break;
            }
        }
        Ok(Last {
            tails: Tails::of(tails.into()),
            rewritten,
        })
    }

    /// Of the segments `known` in front of the last ones, those that have no index file yet. To map
    /// one of these would take a walk through it, and everything it would find is known.
    fn left_behind(&self, chain: &Chain, known: BTreeMap<u64, Tail>, seen: &Seen) -> Result<Tails> {
        /// Each has its file open.
        const KEPT_MAX: usize = 16;
        let (too_many, mut kept) = (known.len().saturating_sub(KEPT_MAX), Vec::new());
        for (base, mut tail) in known.into_iter().skip(too_many) {
            let at = chain.bases.binary_search(&base).ok();
            let next = at.and_then(|at| chain.bases.get(at + 1));
            let Some(next) = next.filter(|_| !seen.listing.has_index(base)) else {
                continue;
            };
            tail.read_on(self.directory.kinds.key)?;
            let (_, header) = self.directory.open_segment(*next, Open::Read)?;
            // If it falls short of its end, it is damaged: reading it as a sealed one reports that.
            if header.previous == Some(tail.link()) {
                kept.push(tail);
            }
        }
        let mut kept = Tails::of(kept);
        kept.show(None);
        Ok(kept)
    }

    /// Puts `list` in the place of the current one. Of that, it keeps the segments that are still
    /// the same files, and with them what is mapped.
    pub(super) fn replace_list(&self, watched: &Watched, seen: &Seen, mut list: SegmentList) {
        let old = self.segments.list();
        for segment in &mut list.segments {
            let SegmentRef::Sealed(sealed) = segment else {
                continue;
            };
            let base = sealed.base();
            if let Some(SegmentRef::Sealed(known)) = old.with_base(base)
                && known.ends_as(sealed)
                && seen.listing.has_same(base, &watched.seen.listing)
            {
                *segment = SegmentRef::Sealed(Arc::clone(known));
            }
        }
        list.start_offset = list.start_offset.max(old.start_offset);
        list.next_offset_min = list.next_offset_min.max(watched.end);
        self.segments.put(list);
    }

    /// The key runs that are there. Those that were usable stay open.
    fn key_runs(&self, listing: &Listing, start_offset: u64) -> Vec<Arc<KeyRun>> {
        if !self.directory.kinds.key {
            return Vec::new();
        }
        let old = self.segments.list();
        let (mut runs, _) = runs_among(listing.key_runs(), start_offset);
        for run in &mut runs {
            let known = old.key_runs.iter().find(|known| known.name() == run.name());
            if let Some(known) = known.filter(|known| !known.is_unusable()) {
                *run = Arc::clone(known);
            }
        }
        runs
    }
}

impl Watched {
    /// The tails whose files still have their names, by base offset.
    fn take_tails(&mut self, now: &Listing) -> BTreeMap<u64, Tail> {
        let (tails, behind) = (&mut self.seen.tails.all, &mut self.seen.behind.all);
        let all = tails.drain(..).chain(behind.drain(..));
        let listing = &self.seen.listing;
        let same = all.filter(|tail| listing.has_same(tail.base(), now));
        same.map(|tail| (tail.base(), tail)).collect()
    }
}

/// What the log has come to that is shown up to `end`.
fn control(chain: &Chain, tails: &Tails, end: u64) -> Result<ControlState> {
    match tails.control().zip(tails.end_offset()) {
        Some((told, reached)) => Ok(chain.meta.control_at(reached, told)),
        None => chain.control_at(end),
    }
}
