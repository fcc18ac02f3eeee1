//! Where the readers of a log are, for retention.

use std::collections::BTreeMap;

use super::name::Name;
use crate::types::StreamId;
use crate::{Error, Log, Position, Stored};

/// Where cursors are.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    pub(super) synced: &'a BTreeMap<Name, Stored>,
    pub(super) now: &'a BTreeMap<Name, Stored>,
}

impl Places<'_> {
    /// Where the cursors of a partition are, at least, even if all goes that is not on stable
    /// storage.
    pub(crate) fn of(
        &self,
        stream: &str,
        stream_id: StreamId,
        partition: u32,
    ) -> impl Iterator<Item = Position> {
        let first = Name {
            stream: stream.into(),
            partition,
            id: "".into(),
        };
        let stream: Box<str> = stream.into();
        let is_here = move |name: &Name| name.stream == stream && name.partition == partition;
        let here = self.now.range(first..).take_while(move |(name, _)| is_here(name));
        let here = here.filter(move |(_, stored)| stored.stream_id == stream_id);
        here.map(|(name, stored)| {
            let Position { life, offset } = stored.position;
            let synced = self.synced.get(name).map(|synced| synced.position);
            let synced = synced.filter(|synced| synced.life == life);
            stored
                .position
                .at(synced.map_or(offset, |synced| synced.offset.min(offset)))
        })
    }
}

/// The first offset of a log that somebody at one of these places has yet to read; `None` if there
/// is no place. Without the log, as if its life were that of the places.
pub(crate) fn lowest<L: Log + ?Sized>(places: &[Position], log: Option<&L>) -> Option<u64> {
    let offset = |place: &Position| match log.map(|log| log.resume(*place)) {
        None | Some(Ok(_)) => place.offset,
        Some(Err(Error::EpochChanged { parted_at, .. })) => place.offset.min(parted_at.unwrap_or(0)),
        // It cannot be told now.
        Some(Err(_)) => 0,
    };
    places.iter().map(offset).min()
}
