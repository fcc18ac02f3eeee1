//! Appending batches, and making them durable.

mod appender;
mod group_commit;

pub(crate) use appender::{Appender, Plan};
pub(crate) use group_commit::Committer;
