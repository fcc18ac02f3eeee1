use crate::Result;
use crate::chain::RewriteSource;
use crate::engine::segments::Reader;
use crate::segment::{Held, ReadFault, Rewriter, SegmentRef, SegmentSnapshot};

/// The facts about a segment of the list that a rewrite of it needs.
///
/// The files of a sealed segment are opened, and its index built if there is none, before anything
/// of it is written.
pub(super) fn source_of(reader: &Reader<'_>, segment: &SegmentRef) -> Result<RewriteSource> {
    match reader.hold(segment)? {
        Held::Active(active) => RewriteSource::of_active(&active, active.visible()),
        Held::Sealed(_, files) => Ok(RewriteSource::of_sealed(&files, reader.end_offset_of(segment))),
    }
}

/// Copies the messages that `is_kept` accepts to `to`, and all control records: who reads the
/// segment learns from them what the log has come to. Every copied record is verified.
pub(super) fn copy_messages_kept(
    from: &SegmentSnapshot<'_>,
    to: &mut Rewriter,
    is_kept: &dyn Fn(u64) -> bool,
) -> Result<(), ReadFault> {
    let is_control = |offset| from.has_message(offset).map(|is_message| !is_message);
    copy_records(from, to, &|offset| Ok(is_kept(offset) || is_control(offset)?))
}

/// Copies the records that `is_kept` accepts to `to`. Every copied record is verified.
pub(crate) fn copy_kept(
    from: &SegmentSnapshot<'_>,
    to: &mut Rewriter,
    is_kept: &dyn Fn(u64) -> bool,
) -> Result<(), ReadFault> {
    copy_records(from, to, &|offset| Ok(is_kept(offset)))
}

fn copy_records(
    from: &SegmentSnapshot<'_>,
    to: &mut Rewriter,
    is_kept: &dyn Fn(u64) -> Result<bool, ReadFault>,
) -> Result<(), ReadFault> {
    let mut frame = Vec::new();
    let seeds = from.seeds();
    for ordinal in 0..from.count() {
        let offset = from.offset(ordinal)?;
        if is_kept(offset)? {
            from.frame(ordinal, offset, &mut frame)?;
            to.push(&frame, offset, &seeds)?;
        }
    }
    Ok(())
}
