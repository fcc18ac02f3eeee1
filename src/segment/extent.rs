//! What a walk through a segment finds.

use std::path::Path;

use crate::directory::corrupt;
use crate::format::IndexDefect;
use crate::index::IndexBuilder;
use crate::{Corruption, Error};

/// One record that a walk has visited and verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) offset: u64,
    pub(crate) position: u32,
    pub(crate) time: i64,
    /// The hash of the key, for a message that has one, if the walk hashes keys.
    pub(crate) key_hash: Option<u32>,
    /// Whether the record is not a message.
    pub(crate) is_control: bool,
}

impl Entry {
    /// Enters the record in the index of a segment.
    pub(crate) fn enter(&self, builder: &mut IndexBuilder) -> Result<(), IndexDefect> {
        if self.is_control {
            builder.push_control(self.offset, self.position)
        } else {
            builder.push(self.offset, self.position, self.time, self.key_hash)
        }
    }
}

/// How far a segment is intact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The end of the last complete batch.
    pub(crate) end: u64,
    /// The offset after the last message.
    pub(crate) next_offset: u64,
    /// The checksum of the last frame, or of the segment's header.
    pub(crate) last_checksum: u32,
    /// The highest durable frontier that an intact frame carries; 0 if not even the earlier
    /// segments are known to be durable.
    pub(crate) frontier: u64,
    /// Why the walk ended.
    pub(crate) stop: WalkEnd,
}

/// Why a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WalkEnd {
    /// It reached its limit, exactly behind a batch.
    Limit,
    /// It met a marker: the log was durable up to here and nothing was added since.
    Marker,
    /// It met something that is not an intact batch.
    Defect {
        position: u64,
        offset: u64,
        kind: Corruption,
    },
}

impl WalkEnd {
    /// The error for the segment in this file, if the walk ended at a defect.
    pub(crate) fn defect(self, path: &Path) -> Option<Error> {
        match self {
            WalkEnd::Defect {
                position,
                offset,
                kind,
            } => Some(corrupt(path, position, Some(offset), kind)),
            WalkEnd::Limit | WalkEnd::Marker => None,
        }
    }
}
