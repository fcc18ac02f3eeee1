//! A segment that others are made from: what has to be known of it.

use crate::directory::Directory;
use crate::format::{Previous, SegmentHeader};
use crate::segment::{Active, Sealed, Testimony, Visible, end_of};
use crate::sys::Open;
use crate::{Error, Result};

/// What has to be known of a segment before it is copied or rewritten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    pub(crate) header: SegmentHeader,
    /// How the one behind it knows it.
    pub(crate) origin: Previous,
    /// The offset that it reaches up to (exclusive).
    pub(crate) end: u64,
    /// Where its frames end.
    pub(crate) len: u32,
}

impl Source {
    /// A segment that is written to, or was until now, as far as `visible` says.
    pub(crate) fn of_active(active: &Active, visible: Visible) -> Result<Source> {
        let frames = active.seal_from(visible).map(|seal| Testimony::Frames {
            seal,
            next_offset: active.header.base + u64::from(visible.count),
        });
        let ending = frames.and_then(|frames| end_of(&active.header, frames));
        let ending = ending.ok_or(Error::Invalid("the segment has no end"))?;
        Ok(Source {
            header: active.header,
            origin: ending.origin,
            end: active.header.base + u64::from(visible.count),
            len: visible.end,
        })
    }

    /// A sealed segment, which reaches up to the offset `end`.
    pub(crate) fn of_sealed(directory: &Directory, sealed: &Sealed, end: u64) -> Result<Source> {
        let (_, header) = directory.open_segment(sealed.base(), Open::Read)?;
        let ending = sealed.ending(&header)?;
        Ok(Source {
            header,
            origin: ending.origin,
            end,
            len: ending.seal.len,
        })
    }
}
