//! fjall as a log: a keyspace from offsets to messages, and with indexes two more.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use ::fjall::config::CompressionPolicy;
use ::fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{NO_QUEUE, with_indexes, without_indexes};
use crate::Outcome;
use crate::rows::Row;
use crate::store::{About, Message, Seen, Store, Way};
use crate::workload::{BATCH_COUNT, ensure};

pub(crate) const PLAIN: Way = Way {
    name: "fjall",
    library: "fjall",
    about: |row| without_indexes(row, about),
    open: |dir, _| open(dir, false),
};

pub(crate) const INDEXED: Way = Way {
    name: "fjall, both indexes",
    library: "fjall",
    about: |row| with_indexes(row, about),
    open: |dir, _| open(dir, true),
};

fn about(row: Row) -> About {
    About::Can(match row {
        Row::One | Row::Many | Row::ManyLarge => "default: in the page cache",
        Row::Durable | Row::Durable16 | Row::Durable64 => {
            "a batch with `PersistMode::SyncData`: fdatasync; not shared by threads"
        }
        Row::Consume | Row::Scan | Row::Offset | Row::Key | Row::Open => {
            "verifies the checksum of a block when it loads it, not in its cache"
        }
        Row::Queue => return About::Lacks(NO_QUEUE),
    })
}

const CACHE_BYTES: u64 = 1 << 30;

fn open(dir: &Path, with_indexes: bool) -> Outcome<Box<dyn Store>> {
    // Its documentation recommends a fifth of the memory, or more if everything fits.
    let database = Database::builder(dir.join("fjall"))
        .cache_size(CACHE_BYTES)
        .open()?;
    // Nobody else here compresses.
    let options =
        || KeyspaceCreateOptions::default().data_block_compression_policy(CompressionPolicy::disabled());
    let log = database.keyspace("log", options)?;
    let indexes = with_indexes
        .then(|| {
            Ok::<_, ::fjall::Error>(Indexes {
                keys: database.keyspace("keys", options)?,
                times: database.keyspace("times", options)?,
            })
        })
        .transpose()?;
    let next = match log.last_key_value() {
        Some(last) => offset(&last.key()?)? + 1,
        None => 0,
    };
    Ok(Box::new(Fjall {
        database,
        log,
        indexes,
        next: AtomicU64::new(next),
    }))
}

struct Fjall {
    database: Database,
    /// From the offset, in order of bytes, to key and value.
    log: Keyspace,
    indexes: Option<Indexes>,
    next: AtomicU64,
}

struct Indexes {
    /// From the key to the offset of the last message with it.
    keys: Keyspace,
    /// From time and offset to nothing.
    times: Keyspace,
}

fn offset(bytes: &[u8]) -> Outcome<u64> {
    Ok(u64::from_be_bytes(bytes.try_into()?))
}

impl Fjall {
    fn publish(&self, batch: &[Message<'_>], durably: bool) -> Outcome {
        let first = self.next.fetch_add(batch.len() as u64, Ordering::Relaxed);
        let mut writes = self.database.batch();
        if durably {
            writes = writes.durability(Some(PersistMode::SyncData));
        }
        for (message, offset) in batch.iter().zip(first..) {
            let offset = offset.to_be_bytes();
            writes.insert(&self.log, offset, message.joined());
            if let Some(indexes) = &self.indexes {
                writes.insert(&indexes.keys, message.key, offset);
                let time = [message.time.to_be_bytes(), offset].concat();
                writes.insert(&indexes.times, time, []);
            }
        }
        writes.commit()?;
        Ok(())
    }
}

impl Store for Fjall {
    fn publish_one(&mut self, message: Message<'_>) -> Outcome {
        if self.indexes.is_some() {
            return self.publish(std::slice::from_ref(&message), false);
        }
        let next = self.next.get_mut();
        self.log.insert(next.to_be_bytes(), message.joined())?;
        *next += 1;
        Ok(())
    }

    fn publish_many(&mut self, batch: &[Message<'_>]) -> Outcome {
        self.publish(batch, false)
    }

    fn publish_durably(&self, _thread: u64, message: Message<'_>) -> Outcome {
        self.publish(std::slice::from_ref(&message), true)
    }

    fn consume(&mut self, seen: &mut Seen) -> Outcome {
        loop {
            let next = seen.count();
            let range = next.to_be_bytes()..(next + BATCH_COUNT as u64).to_be_bytes();
            for message in self.log.range(range) {
                seen.next_joined(&message.value()?)?;
            }
            if seen.count() == next {
                return Ok(());
            }
        }
    }

    fn scan(&mut self, seen: &mut Seen) -> Outcome {
        for message in self.log.iter() {
            seen.next_joined(&message.value()?)?;
        }
        Ok(())
    }

    fn get(&mut self, number: u64, seen: &Seen) -> Outcome {
        let message = self.log.get(number.to_be_bytes())?;
        seen.same_joined(number, &message.ok_or("a message is missing")?)
    }

    fn get_by_key(&mut self, key: &[u8], number: u64, seen: &Seen) -> Outcome {
        let indexes = self.indexes.as_ref().ok_or("no indexes")?;
        let found = offset(&indexes.keys.get(key)?.ok_or("a key is missing")?)?;
        ensure(found == number, "not the last message with its key")?;
        self.get(number, seen)
    }

    fn close(self: Box<Self>) -> Outcome {
        self.database.persist(PersistMode::SyncAll)?;
        Ok(())
    }
}
