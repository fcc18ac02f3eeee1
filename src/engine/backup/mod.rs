//! Copying a log while it is written to.

mod copy;

pub(super) use copy::{copy, copy_until};
