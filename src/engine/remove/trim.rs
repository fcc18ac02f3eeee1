//! Removing messages from the front of the log.

use super::removal::Removal;
use crate::control::ControlState;
use crate::engine::segments::Reader;
use crate::format::FileName;
use crate::segment::SegmentRef;
use crate::sys::is_out_of_space;
use crate::{Error, Job, Result, Trimmed};

impl Removal<'_> {
    /// See [`Log::trim`](crate::Log::trim).
    pub(crate) fn trim(&self, before: u64) -> Result<Trimmed> {
        let reader = Reader::new(&self.remove.segments)?;
        let before = before.min(reader.next_offset());
        let start = reader.list().start_offset;
        if before < start || (before == start && reader.list().segments.is_empty()) {
            return Ok(Trimmed::default());
        }
        let is_all = before == reader.next_offset();
        let mut trimmed = self.what_goes(&reader, before)?;
        self.keep_producers(&reader, before)?;
        // Where a control record has trimmed the log, the metadata may not know it yet.
        let told = self.remove.metadata.get(|meta| meta.start_offset);
        if before > told || !self.remove.metadata.is_in_both() {
            self.move_start(&reader, before)?;
        }
        self.drop_in_front_of(&reader, before)?;
        if is_all {
            trimmed.size += self.drop_all(before)?;
        }
        Ok(trimmed)
    }

    /// Makes sure that producers' batches are known without the segments that a trim to `before`
    /// removes. The file takes a little space; on a full disk, the spare makes room for it.
    fn keep_producers(&self, reader: &Reader<'_>, before: u64) -> Result<()> {
        let list = reader.list();
        let kept = list.segments.get(list.index_at(before));
        let below = if before == reader.next_offset() {
            before
        } else {
            kept.map_or(0, SegmentRef::base)
        };
        match self.remove.append.keep_producers(below) {
            Err(error) if is_out_of_space(&error) => {
                self.remove.space.give_back();
                self.remove.append.keep_producers(below)
            }
            other => other,
        }
    }

    /// Moves the start offset to `before`, durably.
    fn move_start(&self, reader: &Reader<'_>, before: u64) -> Result<()> {
        // From here on, nobody may read the trimmed messages, whatever happens. No offset below
        // `before` is given out again, even if messages that were not synced are lost.
        let control = self.control_kept(reader, before);
        let written = self.remove.append.move_start(before, |meta| {
            meta.start_offset = before;
            meta.next_offset = meta.next_offset.max(before);
            if let Some(control) = control.filter(|control| control.0 >= meta.control.0) {
                meta.control = control;
            }
        });
        if self.remove.metadata.get(|meta| meta.start_offset) >= before {
            self.remove.segments.change(|list| list.start_offset = before);
            self.remove.health().changes().notify();
        }
        // If only one copy of the metadata has the new start, damage to it would bring back the
        // other copy, which needs the segments. So the segments stay after an error.
        written
    }

    /// What the records have come to that a trim to `before` removes, if nothing durable would tell
    /// it afterwards, and the offset up to which they are counted.
    ///
    /// A sealed segment is durable, and its header tells it. The file of one that is written to may
    /// be lost in a power cut.
    fn control_kept(&self, reader: &Reader<'_>, before: u64) -> Option<(u64, ControlState)> {
        if before == reader.next_offset()
            && let Some(state) = self.remove.append.control_at(before)
        {
            return Some((before, state));
        }
        match reader.list().segments.get(reader.list().index_at(before)) {
            Some(SegmentRef::Active(active)) => Some((active.header.base, active.header.control)),
            _ => None,
        }
    }

    /// Removes the segments that have nothing from `before` on, but for the last one.
    fn drop_in_front_of(&self, reader: &Reader<'_>, before: u64) -> Result<()> {
        let segments = &reader.list().segments;
        let gone = segments.get(..reader.list().index_at(before)).unwrap_or_default();
        let kept_from = segments.get(gone.len()).map_or(0, SegmentRef::base);
        self.remove
            .segments
            .change(|list| list.segments.retain(|segment| segment.base() >= kept_from));
        let runs = self.drop_key_runs(before);
        self.drop_segments(gone)?;
        for run in runs {
            // A key run is derived: the next open removes the file if that fails now.
            let removed = self.remove.directory.remove(&run);
            self.remove.segments.teller.note_failure(Job::Removal, removed);
        }
        Ok(())
    }

    /// Removes the last segment as well, unless something was published meanwhile; returns the
    /// bytes of its files. The next publish begins a segment that follows none. So this takes no
    /// space, and a full disk is no longer full.
    fn drop_all(&self, before: u64) -> Result<u64> {
        let segments = &self.remove.segments;
        let last = segments.list().segments.last().cloned();
        let size = last.map_or(Ok(0), |last| segments.size_on_disk(&last))?;
        let gone = self.remove.append.let_go_of_all(before);
        for segment in &gone {
            if let SegmentRef::Active(active) = segment {
                // Whoever holds the segment, keeps its file. What is behind its end goes anyway,
                // and there will be no more of it.
                let cut = active.truncate(u64::from(active.visible().end));
                segments.teller.note_failure(Job::Removal, cut);
            }
        }
        self.drop_segments(&gone)?;
        Ok(if gone.is_empty() { 0 } else { size })
    }

    /// Removes the files of segments that no longer belong to the log. If a backup has yet to copy
    /// one, its files wait.
    fn drop_segments(&self, gone: &[SegmentRef]) -> Result<()> {
        if gone.is_empty() {
            return Ok(());
        }
        for segment in gone {
            match segment {
                SegmentRef::Active(active) => active.retire(),
                SegmentRef::Sealed(segment) => segment.retire(),
            }
        }
        let is_gone = |base: u64| gone.iter().any(|segment| segment.base() == base);
        self.remove.append.forget(is_gone);
        let _not_while_sealing = self.remove.segments.lock_replacing();
        self.remove.segments.forget_mapped(gone);
        let unneeded = self.remove.to_copy.unless_needed(gone);
        // The next open removes files that cannot be removed now.
        self.unlink(unneeded.into_iter())
    }

    /// What trimming to `before` removes.
    pub(super) fn what_goes(&self, reader: &Reader<'_>, before: u64) -> Result<Trimmed> {
        let start = reader.list().start_offset;
        let mut trimmed = Trimmed::default();
        if before < start {
            return Ok(trimmed);
        }
        let last = reader.list().index_at(before);
        let has_gaps = self.remove.metadata.get(|meta| meta.has_gaps);
        for (index, segment) in reader.list().segments.iter().enumerate().take(last + 1) {
            let (from, to) = (
                start.max(segment.base()),
                before.min(reader.end_offset_of(segment)),
            );
            let count = if to <= from {
                Ok(0)
            } else if has_gaps {
                reader.read(segment, |opened| opened.messages_in(from..to).map(u64::from))
            } else {
                Ok(to.saturating_sub(from))
            };
            trimmed.count += match count {
                // A segment that cannot be read can go all the same.
                Err(Error::Corrupt { .. }) => to.saturating_sub(from),
                other => other?,
            };
            if index < last {
                trimmed.size += self.remove.segments.size_on_disk(segment)?;
            }
        }
        Ok(trimmed)
    }

    /// Forgets the key runs below the start offset. Returns the names of their files.
    fn drop_key_runs(&self, start_offset: u64) -> Vec<FileName> {
        let segments = &self.remove.segments;
        let list = segments.list();
        let gone = list.key_runs.iter().filter(|run| run.end <= start_offset);
        let names: Vec<FileName> = gone.map(|run| run.name()).collect();
        segments.change(|list| list.key_runs.retain(|run| run.end > start_offset));
        names
    }
}
