//! Removing messages from the middle of the log: their segment is rewritten without them, and the
//! new file takes the place of the old one.
//!
//! 1. Only segments that are not written to are rewritten: the active one is left behind first.
//! 2. Everything is synced first. So a rewritten segment and all segments before it are durable;
//!    recovery relies on this.
//! 3. One rename decides. The index of the old content is bound to the old generation, so nobody
//!    takes it for an index of the new content.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::copy_kept::{copy_messages_kept, source_of};
use super::removal::Removal;
use crate::directory::corrupt;
use crate::engine::segments::Reader;
use crate::format::FileName;
use crate::segment::{Rewriter, SegmentRef};
use crate::sys::is_out_of_space;
use crate::{Corruption, Deleted, Result};

/// How long a deletion on a full disk waits for the background to give up its leases.
const WAIT_MAX: Duration = Duration::from_secs(5);

impl Removal<'_> {
    /// See [`Log::delete_some`](crate::Log::delete_some).
    pub(crate) fn delete_some(&mut self, offsets: &mut BTreeSet<u64>) -> Result<Deleted> {
        while let Some((base, named)) = self.first_named(offsets)? {
            let done: Vec<u64> = named.iter().copied().collect();
            let found = match self.delete_from(base, &named) {
                Err(error) if is_out_of_space(&error) && !self.remove.health().is_poisoned() => {
                    self.delete_when_full(base, &named)?
                }
                other => other?,
            };
            for offset in done {
                offsets.remove(&offset);
            }
            if let Some(deleted) = found {
                let merged = Deleted::new(0, self.merge_around(base)?);
                return Ok(deleted + merged);
            }
        }
        Ok(Deleted::default())
    }

    /// The base of the first segment that may have some of `offsets`, and the offsets that it may
    /// have. Removes offsets that are not in the log from `offsets`.
    fn first_named(&self, offsets: &mut BTreeSet<u64>) -> Result<Option<(u64, BTreeSet<u64>)>> {
        let reader = Reader::new(&self.remove.segments)?;
        let (list, next_offset) = (reader.list(), reader.next_offset());
        // Split off, and not looked at one by one, because this is called for each segment.
        if offsets.first().is_some_and(|first| *first < list.start_offset) {
            *offsets = offsets.split_off(&list.start_offset);
        }
        if offsets.last().is_some_and(|last| *last >= next_offset) {
            offsets.split_off(&next_offset);
        }
        let Some(first) = offsets.first() else {
            return Ok(None);
        };
        let at = list.index_at(*first);
        let Some(segment) = list.segments.get(at) else {
            offsets.clear();
            return Ok(None);
        };
        let end = list.segments.get(at + 1).map_or(next_offset, SegmentRef::base);
        Ok(Some((segment.base(), offsets.range(..end).copied().collect())))
    }

    /// Removes the named messages from one segment; `None` if it has none of them.
    fn delete_from(&mut self, base: u64, named: &BTreeSet<u64>) -> Result<Option<Deleted>> {
        // The size is taken first, because looking into the segment may build an index.
        let before = self.size_of(base)?;
        let named = self.messages_among(base, named)?;
        if named.is_empty() {
            return Ok(None);
        }
        self.leave_behind(base)?;
        self.remove.append.sync()?;
        self.cut_left_behind()?;
        self.remove.append.keep_producers(self.end_of(base)?)?;
        self.remove.metadata.note_gaps()?;
        let start = self.remove.segments.list().start_offset;
        let after = self.rewrite(base, &|offset| offset >= start && !named.contains(&offset))?;
        let freed = before.saturating_sub(after);
        Ok(Some(Deleted::new(named.len() as u64, freed)))
    }

    /// As [`delete_from`](Removal::delete_from), but on a full disk: gives back the spare, which is
    /// kept for this.
    fn delete_when_full(&mut self, base: u64, named: &BTreeSet<u64>) -> Result<Option<Deleted>> {
        let remove = self.remove;
        // In this order: whoever prepares a file asks first whether space is short.
        remove.space.give_back();
        if let Some(prepared) = remove.append.prepared().take() {
            prepared.discard(&remove.directory);
        }
        // From now on nobody begins to take space in the background. Whoever is taking some finds
        // no more of it, and gives back what it has.
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            // Looked at before the attempt: a task may give its space back right after it.
            let is_shared = remove.space.is_leased();
            match self.delete_from(base, named) {
                Err(error)
                    if is_shared
                        && is_out_of_space(&error)
                        && !remove.health().is_poisoned()
                        && Instant::now() < deadline =>
                {
                    remove.space.wait_for_leases(deadline);
                }
                other => return other,
            }
        }
    }

    /// The named offsets that are of messages in this segment.
    fn messages_among(&self, base: u64, named: &BTreeSet<u64>) -> Result<BTreeSet<u64>> {
        let reader = Reader::new(&self.remove.segments)?;
        let Some(segment) = reader.list().with_base(base) else {
            return Ok(BTreeSet::new());
        };
        reader.read(segment, |opened| {
            let mut there = BTreeSet::new();
            for offset in named {
                if opened.has_message(*offset)? {
                    there.insert(*offset);
                }
            }
            Ok(there)
        })
    }

    /// The offset at which the segment with this base ends (exclusive).
    fn end_of(&self, base: u64) -> Result<u64> {
        let reader = Reader::new(&self.remove.segments)?;
        let segment = reader.list().with_base(base);
        Ok(segment.map_or(base, |segment| reader.end_offset_of(segment)))
    }

    fn size_of(&self, base: u64) -> Result<u64> {
        let reader = Reader::new(&self.remove.segments)?;
        let segment = reader.list().with_base(base);
        segment.map_or(Ok(0), |segment| self.remove.segments.size_on_disk(segment))
    }

    /// Rewrites a segment, which was left behind and is durable, with the messages that `is_kept`
    /// accepts and its control records; returns the bytes of its files.
    fn rewrite(&self, base: u64, is_kept: &dyn Fn(u64) -> bool) -> Result<u64> {
        let _not_while_sealing = self.remove.segments.lock_replacing();
        let reader = Reader::new(&self.remove.segments)?;
        let missing = || {
            let path = self.remove.directory.path_of(&FileName::Segment(base));
            corrupt(&path, 0, None, Corruption::Missing)
        };
        let segment = reader.list().with_base(base).ok_or_else(missing)?;
        if let SegmentRef::Active(active) = segment {
            // Upkeep may be copying the segment to a new file of the same temporary name.
            self.remove
                .health()
                .poison_on_error(active.sync(&self.remove.directory))?;
        }
        let source = source_of(&reader, segment)?;
        let rewriter = reader.read(segment, |opened| {
            let mut rewriter = Rewriter::create(&self.remove.directory, source.header)?;
            copy_messages_kept(opened, &mut rewriter, is_kept)?;
            Ok(rewriter)
        })?;
        let generation = source.header.next_generation()?;
        self.replace(
            rewriter,
            generation,
            source.origin,
            source.end,
            std::slice::from_ref(segment),
        )
    }
}
