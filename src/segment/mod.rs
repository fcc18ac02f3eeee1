//! L4: one segment: written, read, walked, sealed.

mod active;
mod copy_buffer;
mod read;
mod rewrite;
mod salvage;
mod sealed;
mod segment_ref;
mod walk;

pub(crate) use active::{Active, Prepared, Visible, capacity_for, copy_over, copy_range_of, first_reserve};
pub(crate) use copy_buffer::CopyBuffer;
pub(crate) use read::{Fault, READ_LEN_MAX};
pub(crate) use rewrite::Rewriter;
pub(crate) use salvage::{Gap, Good, Salvage, salvage};
pub(crate) use sealed::{IndexState, Seal, Sealed, SegmentEnd, write_index};
pub(crate) use segment_ref::{Held, Opened, SegmentRef};
#[cfg(feature = "fuzzing")]
pub(crate) use walk::Walk;
pub(crate) use walk::{Entry, Extent, Stop};
