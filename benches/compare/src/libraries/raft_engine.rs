//! raft-engine, a log store for many raft groups.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use ::raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize};

use super::NO_QUEUE;
use super::raft_entry::Entry;
use crate::Outcome;
use crate::rows::Row;
use crate::store::{About, Message, Purpose, Seen, Store, Way};
use crate::workload::BATCH_COUNT;

pub(crate) const WAY: Way = Way {
    name: "raft-engine",
    library: "raft-engine",
    about,
    open,
};

/// The largest number of threads that publish.
const GROUPS: usize = 64;
/// The group of the first thread. Groups and indexes begin at 1.
const FIRST_GROUP: u64 = 1;

fn about(row: Row) -> About {
    match row {
        Row::One | Row::Many | Row::ManyLarge => {
            About::Can("`write(_, false)`: pwrite, in the page cache; indexes kept in memory")
        }
        Row::Durable => About::Can("`write(_, true)`: fdatasync"),
        Row::Durable16 | Row::Durable64 => About::Can(
            "`write(_, true)`: fdatasync, shared by threads; each thread writes a raft group of its \
             own, because indexes of one have to come in order",
        ),
        Row::Consume | Row::Offset => About::Can("verifies the checksum of each block that it reads"),
        Row::Scan => About::Lacks("only ranges of indexes, see consume"),
        Row::Key => About::Lacks("no lookup by key; the key-value pairs of a group stay in memory whole"),
        Row::Open => About::Can("reads all files, to have all indexes in memory"),
        Row::Queue => About::Lacks(NO_QUEUE),
    }
}

fn open(dir: &Path, _purpose: Purpose) -> Outcome<Box<dyn Store>> {
    let config = Config {
        dir: dir
            .to_str()
            .ok_or("the directory's name is not UTF-8")?
            .to_owned(),
        // As in its example. Nobody else here compresses.
        batch_compression_threshold: ReadableSize::kb(0),
        ..Config::default()
    };
    let engine = Engine::open(config)?;
    let next = (0..GROUPS as u64).map(|group| {
        let last = engine.last_index(FIRST_GROUP + group);
        AtomicU64::new(last.unwrap_or(0) + 1)
    });
    let next = next.collect();
    Ok(Box::new(RaftEngine {
        engine,
        next,
        batch: LogBatch::default(),
        entries: Vec::new(),
    }))
}

struct RaftEngine {
    engine: Engine,
    /// The next index of each group.
    next: Vec<AtomicU64>,
    batch: LogBatch,
    entries: Vec<Entry>,
}

/// How raft-engine finds an entry's index.
#[derive(Debug)]
struct Extension;

impl MessageExt for Extension {
    type Entry = Entry;

    fn index(entry: &Entry) -> u64 {
        entry.index
    }
}

impl Store for RaftEngine {
    fn publish_one(&mut self, message: Message<'_>) -> Outcome {
        self.publish_many(std::slice::from_ref(&message))
    }

    fn publish_many(&mut self, batch: &[Message<'_>]) -> Outcome {
        let next = self.next[0].get_mut();
        self.entries.clear();
        for message in batch {
            self.entries.push(Entry::of(*next, message.key, message.value));
            *next += 1;
        }
        self.batch.add_entries::<Extension>(FIRST_GROUP, &self.entries)?;
        self.engine.write(&mut self.batch, false)?;
        Ok(())
    }

    fn publish_durably(&self, thread: u64, message: Message<'_>) -> Outcome {
        let index = self.next[usize::try_from(thread)?].fetch_add(1, Ordering::Relaxed);
        let entry = Entry::of(index, message.key, message.value);
        let mut batch = LogBatch::default();
        batch.add_entries::<Extension>(FIRST_GROUP + thread, &[entry])?;
        self.engine.write(&mut batch, true)?;
        Ok(())
    }

    fn consume(&mut self, seen: &mut Seen) -> Outcome {
        for (group, next) in (FIRST_GROUP..).zip(&self.next) {
            let end = next.load(Ordering::Relaxed);
            for first in (1..end).step_by(BATCH_COUNT) {
                let until = end.min(first + BATCH_COUNT as u64);
                self.entries.clear();
                self.engine
                    .fetch_entries_to::<Extension>(group, first, until, None, &mut self.entries)?;
                for entry in &self.entries {
                    seen.next(&entry.context, &entry.data)?;
                }
            }
        }
        Ok(())
    }

    fn get(&mut self, number: u64, seen: &Seen) -> Outcome {
        let entry = self.engine.get_entry::<Extension>(FIRST_GROUP, number + 1)?;
        let entry = entry.ok_or("an entry is missing")?;
        seen.same(number, &entry.context, &entry.data)
    }

    fn close(self: Box<Self>) -> Outcome {
        drop(self);
        Ok(())
    }
}
