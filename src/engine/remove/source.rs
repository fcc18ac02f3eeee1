use crate::directory::Directory;
use crate::engine::segments::Reader;
use crate::format::{Previous, SegmentHeader};
use crate::segment::{Active, Fault, Opened, Rewriter, SegmentRef, Visible};
use crate::sys::Open;
use crate::{Error, Result};

/// What has to be known about a segment before it is rewritten or backed up.
pub(crate) struct Source {
    pub(crate) header: SegmentHeader,
    /// The link to this segment, as the segment behind it has it.
    pub(crate) origin: Previous,
    pub(crate) end: u64,
    /// Where its frames end.
    pub(crate) len: u32,
}

impl Source {
    /// The source for a segment that is written to, or was until now, up to `visible`.
    pub(crate) fn of_active(active: &Active, visible: Visible) -> Result<Source> {
        let seal = active
            .seal_from(visible)
            .ok_or(Error::Invalid("the segment has no end"))?;
        Ok(Source {
            header: active.header,
            origin: active.link(seal.len, seal.last_checksum),
            end: active.header.base + u64::from(visible.count),
            len: seal.len,
        })
    }

    pub(crate) fn of(directory: &Directory, reader: &Reader<'_>, segment: &SegmentRef) -> Result<Source> {
        let end = reader.end_of(segment);
        match segment {
            SegmentRef::Active(active) => Source::of_active(active, active.visible()),
            SegmentRef::Sealed(sealed) => {
                let (_, header) = directory.open_segment(sealed.base(), Open::Read)?;
                let origin = match header.rewrite {
                    Some(rewrite) => rewrite.origin,
                    None => sealed.link()?.0,
                };
                let len = reader.read(segment, |opened| Ok(opened.end()))?;
                Ok(Source {
                    header,
                    origin,
                    end,
                    len,
                })
            }
        }
    }
}

/// Copies the records that `is_kept` accepts to `to`; returns how many it leaves out. Every copied
/// record is verified.
pub(crate) fn copy(
    from: &Opened<'_>,
    to: &mut Rewriter<'_>,
    is_kept: &dyn Fn(u64) -> bool,
) -> Result<u64, Fault> {
    let (mut frame, mut left) = (Vec::new(), 0);
    let seeds = from.seeds();
    for ordinal in 0..from.count() {
        let offset = from.offset(ordinal)?;
        if is_kept(offset) {
            from.frame(ordinal, offset, &mut frame)?;
            to.push(&frame, offset, &seeds)?;
        } else {
            left += 1;
        }
    }
    Ok(left)
}
