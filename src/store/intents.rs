//! What was to be published to several partitions at once, and is not settled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};

use crate::types::StreamId;
use crate::{FileLog, Log, Result};

/// The intents of a store.
#[derive(Debug, Default)]
pub(super) struct Intents {
    /// The log, once it is needed.
    pub(super) log: Mutex<Option<Arc<FileLog>>>,
    was_used: AtomicBool,
    /// Those that are not settled, by their offsets.
    unsettled: Mutex<BTreeMap<u64, Intent>>,
    /// Held from before an intent is appended until it is noted; held alone to see all that there
    /// are. Else one that is on stable storage and not noted might be trimmed with those behind it.
    pub(super) noting: RwLock<()>,
    /// Held while intents are settled.
    pub(super) settling: Mutex<()>,
    /// Held by whoever publishes atomically; held alone by who needs all to be settled.
    pub(super) publishing: RwLock<()>,
    pub(super) touched: Touched,
}

/// A partition of a stream.
pub(super) type Place = (StreamId, u32);

/// What a backup that is under way may have copied too early: the partitions that were changed
/// since together with others.
#[derive(Debug, Default)]
pub(super) struct Touched(Mutex<Vec<Weak<TouchedSince>>>);

/// The partitions that were touched since somebody has looked last.
#[derive(Debug, Default)]
pub(super) struct TouchedSince(Mutex<BTreeSet<Place>>);

impl Touched {
    /// Notes partitions that were changed, for all who watch.
    pub(super) fn note(&self, places: &[Place]) {
        for watching in self.0.lock().iter().filter_map(Weak::upgrade) {
            watching.0.lock().extend(places);
        }
    }

    /// Watches from now on.
    pub(super) fn watch(&self) -> Arc<TouchedSince> {
        let new = Arc::new(TouchedSince::default());
        let mut watching = self.0.lock();
        watching.retain(|watching| watching.strong_count() > 0);
        watching.push(Arc::downgrade(&new));
        new
    }
}

impl TouchedSince {
    /// The partitions that were touched since this was called last.
    pub(super) fn take(&self) -> BTreeSet<Place> {
        std::mem::take(&mut self.0.lock())
    }
}

#[derive(Clone, Debug)]
pub(super) struct Intent {
    /// The offset behind its messages.
    pub(super) end: u64,
    pub(super) parts: Vec<Planned>,
}

/// Where a part is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) id: StreamId,
    pub(super) number: u32,
    /// The offset at which it begins.
    pub(super) start: u64,
    pub(super) count: u32,
    pub(super) is_done: bool,
}

impl Planned {
    pub(super) const LEN: usize = 32;

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.id.to_bytes());
        out.extend(self.number.to_le_bytes());
        out.extend(self.count.to_le_bytes());
        out.extend(self.start.to_le_bytes());
    }

    /// The parts that the first message of an intent lists; `None` if it is damaged.
    pub(super) fn all(bytes: &[u8]) -> Option<Vec<Planned>> {
        let (parts, rest) = bytes.as_chunks::<{ Planned::LEN }>();
        let plan = |bytes: &[u8; Planned::LEN]| {
            Some(Planned {
                id: StreamId::from_bytes(bytes[..16].try_into().ok()?),
                number: u32::from_le_bytes(bytes[16..20].try_into().ok()?),
                count: u32::from_le_bytes(bytes[20..24].try_into().ok()?),
                start: u64::from_le_bytes(bytes[24..].try_into().ok()?),
                is_done: false,
            })
        };
        let parts: Option<Vec<_>> = parts.iter().map(plan).collect();
        parts.filter(|parts| rest.is_empty() && !parts.is_empty())
    }
}

impl Intents {
    /// Notes that the log is used.
    pub(super) fn is_used(&self) {
        self.was_used.store(true, Ordering::Release);
    }

    /// Whether the log was ever used.
    pub(super) fn was_used(&self) -> bool {
        self.was_used.load(Ordering::Acquire)
    }

    /// Whether any waits to be settled.
    pub(super) fn is_any(&self) -> bool {
        !self.unsettled.lock().is_empty()
    }

    /// How many wait to be settled.
    pub(super) fn count(&self) -> usize {
        self.unsettled.lock().len()
    }

    /// Those below an offset are settled.
    pub(super) fn settled(&self, below: u64) {
        self.unsettled.lock().retain(|at, _| *at >= below);
    }

    /// Takes note of an intent.
    pub(super) fn note(&self, at: u64, intent: Intent) {
        self.unsettled.lock().insert(at, intent);
    }

    /// Whether no intent at this offset is known.
    pub(super) fn is_unknown(&self, at: u64) -> bool {
        !self.unsettled.lock().contains_key(&at)
    }

    /// The partitions of all that are not settled.
    pub(super) fn places(&self) -> BTreeSet<Place> {
        let unsettled = self.unsettled.lock();
        let parts = unsettled.values().flat_map(|intent| &intent.parts);
        parts.map(|part| (part.id, part.number)).collect()
    }

    /// Marks a part as done.
    pub(super) fn done(&self, at: u64, part: usize) {
        if let Some(intent) = self.unsettled.lock().get_mut(&at) {
            intent.parts[part].is_done = true;
        }
    }

    /// The intents at the front whose parts are all done.
    pub(super) fn finished(&self) -> Vec<Intent> {
        let unsettled = self.unsettled.lock();
        let is_done = |intent: &&Intent| intent.parts.iter().all(|part| part.is_done);
        unsettled.values().take_while(is_done).cloned().collect()
    }

    /// Marks the parts for streams that are gone as done.
    pub(super) fn forget(&self, is_gone: impl Fn(StreamId) -> bool) {
        let mut unsettled = self.unsettled.lock();
        let parts = unsettled.values_mut().flat_map(|intent| &mut intent.parts);
        parts
            .filter(|part| !part.is_done && is_gone(part.id))
            .for_each(|part| part.is_done = true);
    }

    /// The parts that a partition has, or lacks, in order.
    pub(super) fn parts_of(&self, id: StreamId, number: u32) -> Vec<(u64, usize)> {
        let unsettled = self.unsettled.lock();
        let all = unsettled.iter().flat_map(|(at, intent)| {
            let parts = intent.parts.iter().enumerate();
            let own = parts.filter(|(_, part)| part.id == id && part.number == number);
            own.map(|(index, _)| (*at, index))
        });
        all.collect()
    }

    pub(super) fn close(&self) -> Result<()> {
        let log = self.log.lock().take();
        log.map_or(Ok(()), |log| log.close())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let part = |number| Planned {
            id: StreamId::from_bytes([7; 16]),
            number,
            start: 1 << 40,
            count: 3,
            is_done: false,
        };
        let mut bytes = Vec::new();
        for part in [part(0), part(9)] {
            part.put(&mut bytes);
        }
        assert_eq!(Planned::all(&bytes), Some(vec![part(0), part(9)]));
        for wrong in [&bytes[..31], &bytes[..33], &[]] {
            assert_eq!(Planned::all(wrong), None);
        }
    }
}
