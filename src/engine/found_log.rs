use std::sync::Arc;

use super::append::Appender;
use super::beside::Seen;
use super::segments::SegmentList;
use crate::Event;
use crate::directory::{Directory, Home, MetaStore};
use crate::segment::{Active, Extent};

/// What opening found out: the state in which the log goes on.
pub(crate) struct FoundLog {
    pub(crate) directory: Arc<Directory>,
    pub(crate) list: SegmentList,
    pub(crate) appender: Appender,
    pub(crate) metadata: MetaStore,
    /// Everything below this offset is on stable storage.
    pub(crate) durable: u64,
    /// A file knows the producers' batches below this offset.
    pub(crate) producers_saved: u64,
    pub(crate) home: Home,
    /// A reader begins no life where messages may be gone, but must not take what is behind this
    /// offset for what was there. `u64::MAX` if nothing may be gone.
    pub(crate) common_until: u64,
    /// Segments that are not proven to be durable, oldest first.
    pub(crate) unsynced: Vec<(Arc<Active>, Extent)>,
    /// What a read-only handle has seen of the directory.
    pub(crate) seen: Option<Seen>,
    /// What recovery has done, if the log was not closed.
    pub(crate) recovered: Option<Event>,
}
