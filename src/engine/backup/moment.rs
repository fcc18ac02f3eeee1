//! The log at the moment that a backup shows.

use crate::Result;
use crate::chain::RewriteSource;
use crate::engine::remove::source_of;
use crate::engine::segments::Reader;
use crate::segment::{SegmentRef, Visible};

/// The moment at which the copy shows the log.
pub(super) struct Moment<'a> {
    pub(super) reader: &'a Reader<'a>,
    /// The visible end of the last segment, if it is written to.
    visible: Option<Visible>,
    pub(super) next_offset: u64,
}

impl Moment<'_> {
    pub(super) fn of<'a>(reader: &'a Reader<'a>) -> Moment<'a> {
        let (visible, next_offset) = match reader.list().segments.last() {
            Some(SegmentRef::Active(active)) => {
                let visible = active.visible();
                let next = active.header.base + u64::from(visible.count);
                (Some(visible), next.max(reader.list().next_offset_min))
            }
            _ => (None, reader.next_offset()),
        };
        Moment {
            reader,
            visible,
            next_offset,
        }
    }

    pub(super) fn source(&self, segment: &SegmentRef) -> Result<RewriteSource> {
        let last = self.reader.list().segments.last().map(SegmentRef::base);
        match (segment, self.visible) {
            (SegmentRef::Active(active), Some(visible)) if Some(segment.base()) == last => {
                RewriteSource::of_active(active, visible)
            }
            _ => source_of(self.reader, segment),
        }
    }
}
