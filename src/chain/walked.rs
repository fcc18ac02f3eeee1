//! A segment that was walked through, compared with the testimony about its end.

use crate::Result;
use crate::directory::Directory;
use crate::format::{BATCH_HEADER_LEN, SEGMENT_HEADER_LEN, SegmentHeader};
use crate::segment::{Active, Ending, Extent, Tail, Testimony, Told, WalkEnd, end_of};

/// A segment that was walked through.
pub(crate) struct Walked {
    pub(crate) active: Active,
    /// How far the segment is intact.
    pub(crate) extent: Extent,
    /// Where the segment should end, if there is testimony about it.
    pub(crate) told: Option<Ending>,
    /// What its records say besides their messages.
    pub(crate) records_told: Told,
}

impl Walked {
    /// Walks through the segment with this header, up to where the testimony says that it ends.
    pub(crate) fn walk(
        directory: &Directory,
        header: &SegmentHeader,
        testimony: Testimony,
        capacity: Option<u64>,
    ) -> Result<Walked> {
        let told = end_of(header, testimony);
        let limit = told.map(|told| u64::from(told.seal.len));
        let (active, extent, records_told) = Active::adopt_told(directory, header.base, limit, capacity)?;
        Ok(Walked {
            active,
            extent,
            told,
            records_told,
        })
    }

    /// The segment, to be read on by somebody who does not write to it.
    pub(crate) fn into_tail(self) -> Tail {
        Tail::going_on(self.active, self.extent, &self.records_told)
    }

    pub(crate) fn base(&self) -> u64 {
        self.active.header.base
    }

    /// The end of the segment's intact batches.
    pub(crate) fn own_end(&self) -> Option<Ending> {
        end_of(&self.active.header, self.extent.testimony())
    }

    /// Whether its frames prove that all segments before it are durable.
    pub(crate) fn proves_those_before(&self) -> bool {
        self.extent.frontier >= SEGMENT_HEADER_LEN
    }

    /// Whether its frames prove that it is durable up to its end.
    pub(crate) fn is_proven(&self) -> bool {
        self.extent.frontier == self.extent.end
    }

    /// Whether the segment is proven to be durable, and nothing was stored behind its batches
    /// except a marker: then no failed sync can have touched this file. A file with holes counts as
    /// touched.
    pub(crate) fn is_untouched(&self) -> Result<bool> {
        Ok(self.active.map.is_appendable()
            && self.is_proven()
            && self.content_end(self.bytes_end())?.is_none())
    }

    /// The position behind its intact batches, and behind the marker if one follows them.
    pub(crate) fn bytes_end(&self) -> u64 {
        let marker = if self.extent.stop == WalkEnd::Marker {
            BATCH_HEADER_LEN as u64
        } else {
            0
        };
        self.extent.end + marker
    }

    /// The offset below which its frames prove its messages to be durable.
    pub(crate) fn durable_offset(&self) -> u64 {
        if self.is_proven() {
            return self.extent.next_offset;
        }
        // The frontier lies between two batches: the records below it are durable.
        let count = self.active.visible().count;
        self.base() + u64::from(self.active.records_below(self.extent.frontier, count))
    }

    /// Whether an intact frame lies behind the segment's intact batches.
    pub(crate) fn is_frame_behind(&self) -> Result<bool> {
        let is_behind = self.active.walk(u64::MAX, false).is_frame_behind(&self.extent, 0);
        self.active.check_read().map(|()| is_behind)
    }

    /// One past the last byte of the file at or behind `from` that is not zero.
    pub(crate) fn content_end(&self, from: u64) -> Result<Option<u64>> {
        let file = &self.active.file;
        let rest = file.len()?.saturating_sub(from);
        let mut buffer = vec![0; usize::try_from(rest).unwrap_or(usize::MAX).clamp(1, 256 << 10)];
        let (mut at, mut last) = (from, None);
        loop {
            let read = file.read_at(at, &mut buffer)?;
            if let Some(found) = buffer[..read].iter().rposition(|byte| *byte != 0) {
                last = Some(at + found as u64 + 1);
            }
            at += read as u64;
            if read < buffer.len() {
                return Ok(last);
            }
        }
    }
}
