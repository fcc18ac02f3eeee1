//! Comparing a segment with its copy.

use crate::Result;
use crate::directory::Health;
use crate::format::SEGMENT_HEADER_LEN;
use crate::segment::Held;
use crate::sys::File;

/// Bytes that are compared or copied at a time.
pub(super) const CHUNK_LEN: u64 = 1 << 20;

/// How many bytes at the start of the file are those of the segment. When the log is closed
/// meanwhile, this ends with an error.
pub(super) fn common_len(file: &File, held: &Held, len: u64, health: &Health) -> Result<u64> {
    let end = file.len()?.min(len);
    let (mut ours, mut theirs) = (
        Vec::new(),
        vec![0; usize::try_from(CHUNK_LEN.min(end)).unwrap_or(0)],
    );
    let mut at = SEGMENT_HEADER_LEN.min(end);
    while at < end {
        let wanted = usize::try_from((end - at).min(CHUNK_LEN)).unwrap_or(0);
        let read = file.read_at(at, &mut theirs[..wanted])?;
        health.check_open()?;
        ours.clear();
        if held.map().in_order().append_to(at, read, &mut ours).is_none() || read == 0 {
            break;
        }
        let same = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
        at += same as u64;
        if same < wanted {
            break;
        }
    }
    Ok(at)
}
