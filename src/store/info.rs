//! What a store tells of its streams.

use crate::Timestamp;
use crate::types::StreamId;

/// A stream, as [`Store::list`](super::Store::list) and others describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamInfo {
    /// The name.
    pub name: String,
    /// The id.
    pub id: StreamId,
    /// The number of partitions.
    pub partitions: u32,
    /// When the stream was made.
    pub created: Timestamp,
    /// When the stream was deleted, if it is being removed.
    pub deleted_at: Option<Timestamp>,
    /// The partitions that are sealed.
    pub sealed: Vec<u32>,
    /// The partitions that are paused.
    pub paused: Vec<u32>,
}

/// What [`Store::ensure`](super::Store::ensure) has done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ensured {
    /// The stream was made.
    Created(StreamInfo),
    /// The stream was there, with another configuration.
    Updated(StreamInfo),
    /// The stream was there, with this configuration.
    Unchanged(StreamInfo),
}

/// Which streams [`Store::list`](super::Store::list) returns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ListOptions {
    pub(super) prefix: String,
    pub(super) start_after: String,
    pub(super) limit: usize,
}

impl ListOptions {
    /// The first 1,000.
    pub fn new() -> ListOptions {
        ListOptions {
            prefix: String::new(),
            start_after: String::new(),
            limit: 1000,
        }
    }

    /// Those whose names begin so. Default: all.
    pub fn prefix(mut self, prefix: impl Into<String>) -> ListOptions {
        self.prefix = prefix.into();
        self
    }

    /// Those that come after this name, in the order of bytes. Default: from the first one on.
    pub fn start_after(mut self, name: impl Into<String>) -> ListOptions {
        self.start_after = name.into();
        self
    }

    /// So many at most, from 1 to 1,000. Default: 1,000.
    pub fn limit(mut self, limit: usize) -> ListOptions {
        self.limit = limit;
        self
    }
}

impl Default for ListOptions {
    fn default() -> ListOptions {
        ListOptions::new()
    }
}

/// A part of a longer list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// This part.
    pub items: Vec<T>,
    /// Whether there is more behind it.
    pub has_more: bool,
}
