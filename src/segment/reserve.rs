//! How much space a segment reserves.

use crate::Result;
use crate::format::{SEGMENT_HEADER_LEN, SEGMENT_LEN_MAX};
use crate::sys::is_out_of_space;

/// The unit in which space is reserved, in bytes.
pub(super) const PAGE: u64 = 4096;
/// Bytes that a new segment starts with; few, so that thousands of small logs cost little.
pub(super) const RESERVE_FIRST: u64 = 16 << 10;

/// A segment's capacity for this rollover size, with room for `needed` bytes of frames in any case.
pub(crate) fn capacity_for(rollover: u64, needed: u64) -> u64 {
    rollover
        .max(SEGMENT_HEADER_LEN + needed)
        .saturating_add(PAGE)
        .next_multiple_of(PAGE)
        .min(SEGMENT_LEN_MAX)
}

/// Bytes that a new segment reserves before it is used, and the least that will do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirstReserve {
    pub(super) wanted: u64,
    pub(super) least: u64,
}

impl FirstReserve {
    /// For a segment that is begun with `needed` bytes of frames.
    pub(crate) fn of_frames(needed: u64) -> FirstReserve {
        let least = SEGMENT_HEADER_LEN + needed;
        FirstReserve {
            wanted: RESERVE_FIRST.max(least),
            least,
        }
    }

    /// So much, or nothing.
    pub(crate) fn exactly(len: u64) -> FirstReserve {
        FirstReserve {
            wanted: len,
            least: len,
        }
    }
}

/// Reserves space, which begins at `from`, with `reserve`: up to `wanted` or, where there is less,
/// up to half of that and so on down to `end`, which is needed. Returns how far space is reserved.
pub(super) fn reserve_or_less(
    from: u64,
    end: u64,
    wanted: u64,
    capacity: u64,
    reserve: impl Fn(u64) -> Result<()>,
) -> Result<u64> {
    let mut wanted = wanted.max(end);
    loop {
        let to = wanted.next_multiple_of(PAGE).min(capacity);
        match reserve(to) {
            Err(error) if is_out_of_space(&error) && wanted > end => {
                wanted = end.max(from + (wanted - from) / 2);
            }
            other => return other.map(|()| to),
        }
    }
}
