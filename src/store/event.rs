//! An event of a store.

use crate::Timestamp;
use crate::types::StreamId;

/// Something that has happened to a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamEvent {
    /// The offset of the event: go on at the next one.
    pub offset: u64,
    /// When it happened.
    pub time: Timestamp,
    /// The name of the stream.
    pub stream: String,
    /// The id of the stream.
    pub id: StreamId,
    /// What has happened.
    pub kind: StreamEventKind,
    /// The partitions that it has happened to; none if it concerns the whole stream.
    pub partitions: Vec<u32>,
}

/// What has happened to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamEventKind {
    /// It was made.
    Created,
    /// It got another configuration.
    Reconfigured,
    /// It was deleted, and is being removed.
    Deleted,
    /// It was removed. Its name is free.
    Purged,
    /// Partitions were sealed.
    Sealed,
    /// Partitions were unsealed.
    Unsealed,
    /// Partitions were paused.
    Paused,
    /// Partitions were resumed.
    Resumed,
    /// Messages of a partition were removed that somebody has yet to read, because they were too
    /// far behind: see [`RetentionConfig::keep_unread`](super::RetentionConfig::keep_unread).
    Overrun,
}

impl StreamEventKind {
    const ALL: [StreamEventKind; 9] = [
        StreamEventKind::Created,
        StreamEventKind::Reconfigured,
        StreamEventKind::Deleted,
        StreamEventKind::Purged,
        StreamEventKind::Sealed,
        StreamEventKind::Unsealed,
        StreamEventKind::Paused,
        StreamEventKind::Resumed,
        StreamEventKind::Overrun,
    ];

    /// The name, such as `created`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            StreamEventKind::Created => "created",
            StreamEventKind::Reconfigured => "reconfigured",
            StreamEventKind::Deleted => "deleted",
            StreamEventKind::Purged => "purged",
            StreamEventKind::Sealed => "sealed",
            StreamEventKind::Unsealed => "unsealed",
            StreamEventKind::Paused => "paused",
            StreamEventKind::Resumed => "resumed",
            StreamEventKind::Overrun => "overrun",
        }
    }

    /// The kind of this name.
    pub(super) fn of_name(name: &[u8]) -> Option<StreamEventKind> {
        let mut all = StreamEventKind::ALL.into_iter();
        all.find(|kind| kind.name().as_bytes() == name)
    }
}
