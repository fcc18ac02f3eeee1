//! How much space a segment reserves.

use crate::format::{SEGMENT_HEADER_LEN, SEGMENT_LEN_MAX};

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

/// Bytes that a new segment reserves before it is used.
pub(crate) fn first_reserve(needed: u64) -> u64 {
    RESERVE_FIRST.max(SEGMENT_HEADER_LEN + needed)
}
