//! How much space a segment reserves.

use crate::format::{SEGMENT_HEADER_LEN, SEGMENT_LEN_MAX};

/// Space is reserved in multiples of this.
pub(super) const PAGE: u64 = 4096;
/// What a new segment starts with, so that thousands of small logs cost little.
pub(super) const RESERVE_FIRST: u64 = 16 << 10;

/// A segment's capacity for this rollover size and the framed bytes that it has to hold in any
/// case.
pub(crate) fn capacity_for(rollover: u64, needed: u64) -> u64 {
    rollover
        .max(SEGMENT_HEADER_LEN + needed)
        .saturating_add(PAGE)
        .next_multiple_of(PAGE)
        .min(SEGMENT_LEN_MAX)
}

/// What a new segment reserves before it is used.
pub(crate) fn first_reserve(needed: u64) -> u64 {
    RESERVE_FIRST.max(SEGMENT_HEADER_LEN + needed)
}
