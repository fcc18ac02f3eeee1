//! Copying a log while it is written to.

mod copy;
