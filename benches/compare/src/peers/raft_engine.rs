//! raft-engine: entries of a group by consecutive index, and group commit. Without compression, to store the same
//! bytes.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use duramen::NewMessage;
use protobuf::well_known_types::BytesValue;
use raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize};

use crate::Outcome;
use crate::peer::{Durable, Kind, Peer, Visit, decode, encode};

pub(crate) const KIND: Kind = Kind {
    name: "raft-engine",
    rows: &["W1", "W2", "W2k", "W3", "W4", "W4b", "W5", "W6", "W9"],
    open,
};

struct RaftEngine {
    engine: Engine,
    durable: Durable,
    next_group: AtomicU64,
}

/// An entry's index is in its first eight bytes.
#[derive(Clone, Debug)]
struct Indexed;

impl MessageExt for Indexed {
    type Entry = BytesValue;

    fn index(entry: &BytesValue) -> u64 {
        entry
            .value
            .first_chunk()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

fn open(dir: &Path, durable: Durable) -> Outcome<Box<dyn Peer>> {
    let config = Config {
        dir: dir
            .to_str()
            .ok_or("the directory's name is not UTF-8")?
            .to_owned(),
        batch_compression_threshold: ReadableSize(0),
        ..Config::default()
    };
    let next_group = AtomicU64::new(GROUP + 1);
    Ok(Box::new(RaftEngine {
        engine: Engine::open(config)?,
        durable,
        next_group,
    }))
}

const GROUP: u64 = 1;

thread_local! {
    /// Indexes in a group must be consecutive, so each publishing thread of the durable rows has a group of its own.
    static OWN: std::cell::Cell<(u64, u64)> = const { std::cell::Cell::new((0, 0)) };
}

impl RaftEngine {
    /// The group to append to, and the index that the first of `count` messages gets.
    fn place(&self, first: u64, count: u64) -> (u64, u64) {
        if self.durable == Durable::Later {
            return (GROUP, first + 1);
        }
        let (group, next) = match OWN.get() {
            (0, _) => (self.next_group.fetch_add(1, Ordering::Relaxed), 1),
            own => own,
        };
        OWN.set((group, next + count));
        (group, next)
    }
}

impl Peer for RaftEngine {
    fn publish(&self, first: u64, messages: &[NewMessage<'_>]) -> Outcome {
        let (group, index) = self.place(first, messages.len() as u64);
        let entries: Vec<BytesValue> = messages
            .iter()
            .zip(index..)
            .map(|(message, index)| {
                let mut entry = BytesValue::new();
                entry.value.reserve(8 + 160);
                entry.value.extend_from_slice(&index.to_le_bytes());
                encode(message, &mut entry.value);
                entry
            })
            .collect();
        let mut batch = LogBatch::with_capacity(1);
        batch.add_entries::<Indexed>(group, &entries)?;
        self.engine.write(&mut batch, self.durable == Durable::AtOnce)?;
        Ok(())
    }

    fn scan(&self, visit: Visit<'_>) -> Outcome {
        let Some(last) = self.engine.last_index(GROUP) else {
            return Ok(());
        };
        let mut entries = Vec::with_capacity(64);
        for first in (1..=last).step_by(64) {
            entries.clear();
            self.engine.fetch_entries_to::<Indexed>(
                GROUP,
                first,
                (last + 1).min(first + 64),
                None,
                &mut entries,
            )?;
            for entry in &entries {
                decode(&entry.value[8..], visit)?;
            }
        }
        Ok(())
    }

    fn get(&self, number: u64, visit: Visit<'_>) -> Outcome {
        let entry = self
            .engine
            .get_entry::<Indexed>(GROUP, number + 1)?
            .ok_or("a message was not found")?;
        decode(&entry.value[8..], visit)
    }

    fn close(self: Box<Self>) -> Outcome {
        Ok(self.engine.sync()?)
    }
}
