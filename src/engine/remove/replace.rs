use std::sync::Arc;

use super::removal::Removal;
use crate::format::Previous;
use crate::segment::{Budget, Rewriter, Sealed, SegmentEnd, SegmentRef};
use crate::{Error, Result};

impl Removal<'_> {
    /// Finishes a rewritten segment and puts it in the place of `segments`, the first of which has
    /// the same base; returns the bytes of its files. If this fails without poisoning the log,
    /// nothing has changed.
    pub(super) fn replace(
        &self,
        mut rewriter: Rewriter,
        generation: u32,
        origin: Previous,
        end: u64,
        segments: &[SegmentRef],
    ) -> Result<u64> {
        rewriter.finish(generation, origin, end)?;
        for segment in segments {
            match segment {
                SegmentRef::Active(active) => active.retire(),
                SegmentRef::Sealed(sealed) => {
                    self.retire_readable(sealed)?;
                    self.remove.to_copy.note_replaced(sealed);
                }
            }
        }
        let len = rewriter.len();
        let header = match rewriter.install() {
            Err(Error::Closed) => return Err(Error::Closed),
            other => self.remove.health().poison_on_error(other)?,
        };
        let segment = Sealed::new(
            Arc::clone(&self.remove.directory),
            header.base,
            SegmentEnd::Known(origin),
        );
        let segment = SegmentRef::Sealed(Arc::new(segment));
        let range = header.base..end;
        self.remove.segments.change(|list| {
            if let Some(first) = list
                .segments
                .iter_mut()
                .find(|segment| segment.base() == header.base)
            {
                *first = segment.clone();
            }
            list.segments
                .retain(|segment| segment.base() == header.base || !range.contains(&segment.base()));
        });
        self.remove.health().changes().notify();
        self.remove.segments.forget_mapped(segments);
        let SegmentRef::Sealed(segment) = &segment else {
            return Ok(len);
        };
        // This builds the index. The index is derived: if this fails, it is built when it is
        // needed.
        let index_len = segment.mapped().and_then(|_| segment.index_len()).unwrap_or(0);
        self.remove.segments.note_mapped(segment);
        Ok(len + index_len)
    }
    /// Has the segment keep its own files open. If there are too many mappings for that, backups
    /// give up what they hold.
    fn retire_readable(&self, segment: &Sealed) -> Result<()> {
        match segment.retire_readable() {
            Err(error) if self.remove.to_copy.gives_up_for(&error) => segment.retire_readable(),
            other => other,
        }
        .map(drop)
    }
}
