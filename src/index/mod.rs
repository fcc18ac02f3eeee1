//! L3: from an offset, a time or a key to a position in one segment.
//!
//! The segment that is appended to has an [`ActiveIndex`] in memory, a sealed one a file that
//! [`IndexBuilder`] makes and [`SealedIndex`] searches in place. For keys both give candidates
//! only: records whose key may have the hash asked for. None is missing, but the caller compares
//! the key itself.

mod active;
mod build;
mod chains;
mod chunks;
mod controls;
mod hash;
mod hints;
mod run;
mod sealed;
mod sealed_times;
mod search;
#[cfg(test)]
mod tests;
mod verify;

pub(crate) use active::ActiveIndex;
pub(crate) use build::IndexBuilder;
pub(crate) use chains::ChainWalk;
pub(crate) use hash::key_hash;
pub(crate) use hints::SegmentHints;
pub(crate) use run::{KeyRunFile, newest_of_each, run_entry};
pub(crate) use sealed::{Find, SealedIndex, SlotWalk};
