//! Copying segments, or ranges of them, to other files.

use crate::directory::{Directory, corrupt};
use crate::format::FileName;
use crate::sys::{File, Map, Open};
use crate::{Corruption, Result};

/// Copies the first `end` bytes of a segment to a new file, syncs that file and puts it in the
/// segment's place.
///
/// The bytes are copied as they are; the walk through them has verified them.
pub(crate) fn copy_over(directory: &Directory, base: u64, end: u64) -> Result<()> {
    let (from, _) = directory.open_segment(base, Open::Read)?;
    let temporary = FileName::SegmentTemporary(base);
    let to = directory.create_anew(&temporary)?;
    let copied = directory.copy_durably(&from, 0, end, &to);
    if let Err(error) = copied {
        let _ = directory.remove(&temporary);
        return Err(error);
    }
    // A closed log has given up its directory: another process may be writing to the segment by
    // now.
    let _permit = directory.health.permit_rename().inspect_err(|_| {
        let _ = directory.remove(&temporary);
    })?;
    directory.rename(&temporary, &FileName::Segment(base))?;
    directory.dir.sync()
}

/// Copies `start..end` of a mapping to a file, from `at` on.
pub(crate) fn copy_range_of(map: &Map, start: u64, end: u64, to: &File, at: u64) -> Result<()> {
    const BUFFER_LEN_MAX: u64 = 1 << 20;
    let (mut from, mut buffer) = (start, Vec::new());
    while from < end {
        let len = usize::try_from((end - from).min(BUFFER_LEN_MAX)).unwrap_or(0);
        buffer.clear();
        if map.in_order().append_to(from, len, &mut buffer).is_none() {
            return Err(corrupt(to.path(), from, None, Corruption::Short));
        }
        to.write_at(at + (from - start), &buffer)?;
        from += len as u64;
    }
    Ok(())
}
