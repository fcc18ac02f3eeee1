//! Copying a log while it is written to.

mod compare;
mod condition;
mod copy;
mod moment;
mod told;

pub(super) use copy::{copy, copy_until};
pub(super) use moment::Source;
