//! Copying a log while it is written to.

mod come_to;
mod compare;
mod condition;
mod copy;
mod moment;
mod target;

pub(super) use copy::{copy, copy_until, mark, refuse};
pub(super) use moment::Source;
pub(crate) use target::To;
