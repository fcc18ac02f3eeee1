//! Removing messages from the front of the log.

use super::removal::Removal;
use crate::engine::segments::Reader;
use crate::format::FileName;
use crate::segment::SegmentRef;
use crate::{Error, Result, Trimmed};

impl Removal<'_> {
    /// See [`Log::trim`](crate::Log::trim).
    pub(crate) fn trim(&self, before: u64) -> Result<Trimmed> {
        let reader = Reader::new(&self.remove.segments)?;
        let before = before.min(reader.next_offset());
        if before <= reader.list().start_offset {
            return Ok(Trimmed::default());
        }
        let trimmed = self.what_goes(&reader, before)?;
        let gone = reader
            .list()
            .segments
            .get(..reader.list().index_at(before))
            .unwrap_or_default();
        // From here on, nobody may read the trimmed messages, whatever happens. No offset below
        // `before` is given out again, even if messages that were not synced are lost.
        let written = self.remove.metadata.write_both(|meta| {
            meta.start_offset = before;
            meta.next_offset = meta.next_offset.max(before);
        });
        if self.remove.metadata.current().start_offset < before {
            return written.map(|()| Trimmed::default());
        }
        let kept_from = reader.list().segments.get(gone.len()).map_or(0, SegmentRef::base);
        self.remove.segments.change(|list| {
            list.start_offset = before;
            list.segments.retain(|segment| segment.base() >= kept_from);
        });
        self.remove.health().changes().notify();
        // If only one copy of the metadata has the new start, damage to it would bring back the
        // other copy, which needs the segments. So the segments stay after an error.
        written?;
        let runs = self.drop_key_runs(before);
        self.drop_segments(gone)?;
        for run in runs {
            // A key run is derived: the next open removes the file if that fails now.
            let _ = self.remove.directory.remove(&run);
        }
        Ok(trimmed)
    }

    /// Removes the files of segments that no longer belong to the log.
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
        // The next open removes files that cannot be removed now.
        self.unlink(gone.iter().map(SegmentRef::base))
    }

    /// What trimming to `before` removes.
    pub(super) fn what_goes(&self, reader: &Reader<'_>, before: u64) -> Result<Trimmed> {
        let start = reader.list().start_offset;
        let mut trimmed = Trimmed::default();
        if before <= start {
            return Ok(trimmed);
        }
        let last = reader.list().index_at(before);
        let has_gaps = self.remove.metadata.current().has_gaps;
        for (index, segment) in reader.list().segments.iter().enumerate().take(last + 1) {
            let (from, to) = (
                start.max(segment.base()),
                before.min(reader.end_offset_of(segment)),
            );
            let count = if has_gaps {
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
