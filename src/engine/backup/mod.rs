//! Copying a log while it is written to.

mod come_to;
mod compare;
mod condition;
mod copy;
mod moment;

pub(super) use copy::{copy, copy_until};
pub(super) use moment::Source;
