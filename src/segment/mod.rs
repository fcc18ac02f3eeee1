//! L4: one segment: written, read, walked, sealed.

mod active;
mod part;
mod place;
mod quarantine;
mod read;
mod rewrite;
mod salvage;
mod sealed;
mod walk;
mod window;

pub(crate) use active::{
    Active, Prepared, SEGMENT_LEN_MAX, Visible, capacity_for, copy_over, copy_range_of, create_anew,
    first_reserve,
};
pub(crate) use part::{Held, Opened, Part};
pub(crate) use place::{Place, corrupt, header_error, offset_bound};
pub(crate) use read::{Fault, READ_LEN_MAX};
pub(crate) use rewrite::Rewriter;
pub(crate) use salvage::{Gap, Good, Salvage, salvage};
pub(crate) use sealed::{IndexState, Seal, Segment, SegmentEnd, write_index};
#[cfg(feature = "fuzzing")]
pub(crate) use walk::Walk;
pub(crate) use walk::{Entry, Extent, Stop};
pub(crate) use window::Window;
