use crate::Result;
use crate::chain::RewriteSource;
use crate::directory::Directory;
use crate::engine::segments::Reader;
use crate::segment::{ReadFault, Rewriter, SegmentRef, SegmentSnapshot};

/// The facts about a segment of the list that a copy or a rewrite of it needs.
pub(crate) fn source_of(
    directory: &Directory,
    reader: &Reader<'_>,
    segment: &SegmentRef,
) -> Result<RewriteSource> {
    let sealed = match segment {
        SegmentRef::Active(active) => return RewriteSource::of_active(active, active.visible()),
        SegmentRef::Sealed(sealed) => sealed,
    };
    let source = RewriteSource::of_sealed(directory, sealed, reader.end_offset_of(segment))?;
    // Its files are opened, and its index built if there is none, before anything of it is written.
    reader.read(segment, |_| Ok(()))?;
    Ok(source)
}

/// Copies the records that `is_kept` accepts to `to`; returns how many it leaves out. Every copied
/// record is verified.
pub(crate) fn copy_kept(
    from: &SegmentSnapshot<'_>,
    to: &mut Rewriter<'_>,
    is_kept: &dyn Fn(u64) -> bool,
) -> Result<u64, ReadFault> {
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
