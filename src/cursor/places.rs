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

impl<'a> Places<'a> {
    /// Where cursors are that are all on stable storage.
    pub(super) fn synced(cursors: &'a BTreeMap<Name, Stored>) -> Places<'a> {
        Places {
            synced: cursors,
            now: cursors,
        }
    }

    /// Where the cursors of a partition are, and where they would be again if all went that is not
    /// on stable storage.
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
        let [synced, now] = [self.synced, self.now].map(|cursors| {
            let stream: Box<str> = stream.into();
            let is_here = move |name: &Name| name.stream == stream && name.partition == partition;
            let after = cursors.range(first.clone()..);
            let here = after.take_while(move |(name, _)| is_here(name));
            here.filter(move |(_, stored)| stored.stream_id == stream_id)
        });
        synced.chain(now).map(|(_, stored)| stored.position)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LifeId, MemoryLog, NewMessage, Result, Timestamp};

    const STREAM: StreamId = StreamId::from_bytes([7; 16]);

    fn position(life: u8, offset: u64) -> Position {
        Position {
            life: LifeId::from_bytes([life; 16]),
            offset,
        }
    }

    fn cursors<const N: usize>(of: [(&str, u32, Position); N]) -> BTreeMap<Name, Stored> {
        let cursors = of.map(|(id, partition, position)| {
            let name = Name {
                stream: "s".into(),
                partition,
                id: id.into(),
            };
            let stored = Stored {
                stream_id: STREAM,
                position,
                version: 1,
                updated: Timestamp::from_micros(0),
            };
            (name, stored)
        });
        cursors.into()
    }

    #[test]
    fn a_power_cut_may_bring_back_cursors_that_moved_or_went_since_the_sync() {
        let before = [
            ("moved", 1, position(1, 10)),
            ("gone", 1, position(2, 30)),
            ("elsewhere", 2, position(1, 5)),
        ];
        let after = [("moved", 1, position(2, 20)), ("new", 1, position(2, 40))];
        let (synced, now) = (cursors(before), cursors(after));
        let places = Places {
            synced: &synced,
            now: &now,
        };
        let found: Vec<_> = places.of("s", STREAM, 1).collect();
        let expected = [position(2, 30), position(1, 10), position(2, 20), position(2, 40)];
        assert_eq!(found, expected);
        assert_eq!(lowest::<MemoryLog>(&found, None), Some(10));
        let other = StreamId::from_bytes([8; 16]);
        assert_eq!(
            places.of("s", other, 1).count() + places.of("t", STREAM, 1).count(),
            0
        );
    }

    #[test]
    fn nothing_is_known_to_be_read_in_a_life_that_never_was() -> Result<()> {
        let log = MemoryLog::new();
        log.publish(&[NewMessage::value(b"value")])?;
        let here = log.position()?.at(1);
        assert_eq!(lowest(&[here], Some(&log)), Some(1));
        assert_eq!(lowest(&[here, position(9, 1)], Some(&log)), Some(0));
        assert_eq!(lowest(&[], Some(&log)), None);
        Ok(())
    }
}
