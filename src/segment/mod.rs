//! L4: one segment: written, read, walked, sealed.

mod active;
mod copy_buffer;
mod key_run;
mod read;
mod rewrite;
mod salvage;
mod sealed;
mod segment_ref;
mod walk;

pub(crate) use active::{
    Active, Prepared, SyncProgress, Visible, capacity_for, copy_over, copy_range_of, first_reserve,
};
pub(crate) use copy_buffer::CopyBuffer;
pub(crate) use key_run::{FAN, KeyRun, damaged_runs, runs_among};
pub(crate) use read::{Fault, READ_LEN_MAX};
pub(crate) use rewrite::Rewriter;
pub(crate) use salvage::{Gap, Good, Salvage, salvage};
pub(crate) use sealed::{IndexBuild, IndexState, Seal, Sealed, SegmentEnd};
pub(crate) use segment_ref::{Held, Opened, SegmentRef};
#[cfg(feature = "fuzzing")]
pub(crate) use walk::Walk;
pub(crate) use walk::{Entry, Extent, Stop};
