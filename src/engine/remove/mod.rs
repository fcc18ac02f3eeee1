//! Removing messages: trimming, deleting, merging.

mod delete;
mod merge;
mod spare;
mod trim;

pub(crate) use delete::{Source, copy};
