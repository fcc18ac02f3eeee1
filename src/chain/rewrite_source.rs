//! A segment as the source of a copy or a rewrite.

use crate::directory::corrupt;
use crate::format::{Previous, SegmentHeader};
use crate::segment::{Active, Mapped, Testimony, Visible, end_of};
use crate::{Corruption, Result};

/// What a copy or a rewrite of a segment has to know about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RewriteSource {
    pub(crate) header: SegmentHeader,
    /// How the segment behind knows this one.
    pub(crate) origin: Previous,
    /// The offset that it reaches up to (exclusive).
    pub(crate) end: u64,
    /// Where the segment's frames end, in bytes.
    pub(crate) len: u32,
}

impl RewriteSource {
    /// A segment that is being written to, or was until now, up to `visible`.
    pub(crate) fn of_active(active: &Active, visible: Visible) -> Result<RewriteSource> {
        let frames = active.seal_from(visible).map(|seal| Testimony::Frames {
            seal,
            next_offset: active.header.base + u64::from(visible.count),
        });
        let ending = frames.and_then(|frames| end_of(&active.header, frames));
        // Its last record was written, and is not there: somebody has shortened the file.
        let short = || {
            corrupt(
                active.file.path(),
                u64::from(visible.end),
                None,
                Corruption::Short,
            )
        };
        let ending = ending.ok_or_else(short)?;
        Ok(RewriteSource {
            header: active.header,
            origin: ending.origin,
            end: active.header.base + u64::from(visible.count),
            len: visible.end,
        })
    }

    /// A sealed segment, which reaches up to the offset `end`, as its files are mapped.
    pub(crate) fn of_sealed(files: &Mapped, end: u64) -> RewriteSource {
        RewriteSource {
            header: files.header,
            origin: files.origin,
            end,
            len: files.len,
        }
    }
}
