use crate::Result;
use crate::chain::Source;
use crate::directory::Directory;
use crate::engine::segments::Reader;
use crate::segment::{Fault, Opened, Rewriter, SegmentRef};

/// What has to be known of a segment before it is copied or rewritten.
pub(crate) fn source_of(directory: &Directory, reader: &Reader<'_>, segment: &SegmentRef) -> Result<Source> {
    let sealed = match segment {
        SegmentRef::Active(active) => return Source::of_active(active, active.visible()),
        SegmentRef::Sealed(sealed) => sealed,
    };
    let source = Source::of_sealed(directory, sealed, reader.end_of(segment))?;
    // Its files are opened, and its index built if there is none, before anything of it is written.
    reader.read(segment, |_| Ok(()))?;
    Ok(source)
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
