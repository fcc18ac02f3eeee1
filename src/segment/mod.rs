//! L4: one segment: written, read, walked, sealed.

mod absent_index;
mod active;
mod copy;
mod copy_buffer;
mod ending;
mod extent;
mod gather;
mod index_build;
mod key_run;
mod prepared;
mod read;
mod read_fault;
mod reserve;
mod rewrite;
mod salvage;
mod sealed;
mod segment_ref;
mod sync_progress;
mod tail;
#[cfg(test)]
mod tests;
mod told;
mod visible;
mod walk;
mod walk_progress;
mod way;

pub(crate) use absent_index::AbsentIndex;
pub(crate) use active::Active;
pub(crate) use copy::{copy_over, copy_range_of};
pub(crate) use copy_buffer::CopyBuffer;
pub(crate) use ending::{Ending, Seal, Testimony, Witness, end_of};
pub(crate) use extent::{Entry, Extent, WalkEnd};
pub(crate) use gather::{Gather, Owned, Records};
pub(crate) use index_build::{IndexBuild, store_index};
pub(crate) use key_run::{FAN, KeyRun, damaged_runs, runs_among};
pub(crate) use prepared::Prepared;
pub(crate) use read::READ_LEN_MAX;
pub(crate) use read_fault::ReadFault;
pub(crate) use reserve::{FirstReserve, capacity_for};
pub(crate) use rewrite::Rewriter;
pub(crate) use salvage::{Gap, Good, Salvage, salvage};
pub(crate) use sealed::{INDEX_LEN_MIN, IndexState, Mapped, Sealed, SegmentEnd};
pub(crate) use segment_ref::{Budget, Held, LetGo, SegmentRef, SegmentSnapshot};
pub(crate) use sync_progress::SyncProgress;
pub(crate) use tail::Tail;
pub(crate) use told::Told;
pub(crate) use visible::Visible;
#[cfg(feature = "fuzzing")]
pub(crate) use walk::Walk;

pub(crate) use way::{Growth, Way};
