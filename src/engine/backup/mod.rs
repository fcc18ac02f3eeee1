//! Copying a log while it is written to.

mod come_to;
mod compare;
mod condition;
mod copy;
mod moment;
mod place;
mod target;

pub(super) use condition::accept_for_new;
pub(super) use copy::{copy, copy_until, mark, refuse};
pub(super) use moment::Source;
pub(super) use place::{begin_anew, metadata_in};
pub(crate) use target::To;
