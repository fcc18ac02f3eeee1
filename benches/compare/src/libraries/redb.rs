//! redb as a log: a table from offsets to messages, and with indexes two more.

use std::path::Path;

use ::redb::{Database, Durability, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::{NO_QUEUE, with_indexes, without_indexes};
use crate::Outcome;
use crate::rows::Row;
use crate::store::{About, Message, Seen, Store, Way};
use crate::workload::{BATCH_COUNT, ensure};

pub(crate) const PLAIN: Way = Way {
    name: "redb",
    library: "redb",
    about: |row| without_indexes(row, about),
    open: |dir, _| open(dir, false),
};

pub(crate) const INDEXED: Way = Way {
    name: "redb, both indexes",
    library: "redb",
    about: |row| with_indexes(row, about),
    open: |dir, _| open(dir, true),
};

fn about(row: Row) -> About {
    About::Can(match row {
        Row::One | Row::Many | Row::ManyLarge => {
            "NOT EQUAL: `Durability::None` keeps all since the last durable commit in the process, \
             lost when it dies"
        }
        Row::Durable | Row::Durable16 | Row::Durable64 => {
            "`Durability::Immediate`: fdatasync in each transaction; not shared by threads"
        }
        Row::Consume | Row::Scan | Row::Offset | Row::Key | Row::Open => {
            "a read transaction for each call; verifies no checksum, except after a crash"
        }
        Row::Queue => return About::Lacks(NO_QUEUE),
    })
}

/// From the offset to the key and the value.
const LOG: TableDefinition<'_, u64, (&[u8], &[u8])> = TableDefinition::new("log");
/// From the key to the offset of the last message with it.
const KEYS: TableDefinition<'_, &[u8], u64> = TableDefinition::new("keys");
/// From time and offset to nothing.
const TIMES: TableDefinition<'_, (i64, u64), ()> = TableDefinition::new("times");

fn open(dir: &Path, indexed: bool) -> Outcome<Box<dyn Store>> {
    let path = dir.join("log.redb");
    let is_new = !path.exists();
    let database = Database::create(path)?;
    if is_new {
        let create = database.begin_write()?;
        create.open_table(LOG)?;
        create.open_table(KEYS)?;
        create.open_table(TIMES)?;
        create.commit()?;
    }
    Ok(Box::new(Redb { database, indexed }))
}

struct Redb {
    database: Database,
    indexed: bool,
}

impl Redb {
    fn publish(&self, batch: &[Message<'_>], durability: Durability) -> Outcome {
        let mut write = self.database.begin_write()?;
        write.set_durability(durability)?;
        {
            let mut log = write.open_table(LOG)?;
            let first = match log.last()? {
                Some((last, _)) => last.value() + 1,
                None => 0,
            };
            for (message, offset) in batch.iter().zip(first..) {
                log.insert(offset, (message.key, message.value))?;
            }
            if self.indexed {
                let mut keys = write.open_table(KEYS)?;
                let mut times = write.open_table(TIMES)?;
                for (message, offset) in batch.iter().zip(first..) {
                    keys.insert(message.key, offset)?;
                    times.insert((message.time, offset), ())?;
                }
            }
        }
        write.commit()?;
        Ok(())
    }
}

impl Store for Redb {
    fn publish_one(&mut self, message: Message<'_>) -> Outcome {
        self.publish(std::slice::from_ref(&message), Durability::None)
    }

    fn publish_many(&mut self, batch: &[Message<'_>]) -> Outcome {
        self.publish(batch, Durability::None)
    }

    fn publish_durably(&self, _thread: u64, message: Message<'_>) -> Outcome {
        self.publish(std::slice::from_ref(&message), Durability::Immediate)
    }

    fn consume(&mut self, seen: &mut Seen) -> Outcome {
        loop {
            let next = seen.count();
            let log = self.database.begin_read()?.open_table(LOG)?;
            for entry in log.range(next..next + BATCH_COUNT as u64)? {
                let (_, message) = entry?;
                let (key, value) = message.value();
                seen.next(key, value)?;
            }
            if seen.count() == next {
                return Ok(());
            }
        }
    }

    fn scan(&mut self, seen: &mut Seen) -> Outcome {
        let log = self.database.begin_read()?.open_table(LOG)?;
        for entry in log.iter()? {
            let (_, message) = entry?;
            let (key, value) = message.value();
            seen.next(key, value)?;
        }
        Ok(())
    }

    fn get(&mut self, number: u64, seen: &Seen) -> Outcome {
        let log = self.database.begin_read()?.open_table(LOG)?;
        let message = log.get(number)?.ok_or("a message is missing")?;
        let (key, value) = message.value();
        seen.same(number, key, value)
    }

    fn get_by_key(&mut self, key: &[u8], number: u64, seen: &Seen) -> Outcome {
        let read = self.database.begin_read()?;
        let found = read.open_table(KEYS)?.get(key)?.ok_or("a key is missing")?;
        ensure(found.value() == number, "not the last message with its key")?;
        let message = read.open_table(LOG)?.get(number)?.ok_or("a message is missing")?;
        let (key, value) = message.value();
        seen.same(number, key, value)
    }

    fn close(self: Box<Self>) -> Outcome {
        // A durable commit, for what was published without.
        self.database.begin_write()?.commit()?;
        Ok(())
    }
}
