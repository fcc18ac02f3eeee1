//! redb: one table by offset, one from keys to offsets, a transaction a publish. Without a sync it keeps commits in
//! memory, where they die with the process: W1 and W2 are left out, as that is another durability.

use std::path::Path;

use duramen::NewMessage;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use crate::Outcome;
use crate::peer::{Durable, Kind, Peer, Visit, decode, encoded};

pub(crate) const KIND: Kind = Kind {
    name: "redb",
    rows: &["W3", "W4", "W4b", "W5", "W6", "W7", "W9"],
    open,
};

const MESSAGES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("messages");
const KEYS: TableDefinition<'_, &[u8], u64> = TableDefinition::new("keys");

struct Redb {
    database: Database,
    durable: Durable,
}

fn open(dir: &Path, durable: Durable) -> Outcome<Box<dyn Peer>> {
    let database = Database::create(dir.join("log.redb"))?;
    Ok(Box::new(Redb { database, durable }))
}

impl Peer for Redb {
    fn publish(&self, first: u64, messages: &[NewMessage<'_>]) -> Outcome {
        let mut transaction = self.database.begin_write()?;
        if self.durable == Durable::Later {
            transaction.set_durability(redb::Durability::None)?;
        }
        {
            let mut by_offset = transaction.open_table(MESSAGES)?;
            let mut by_key = transaction.open_table(KEYS)?;
            for (message, number) in messages.iter().zip(first..) {
                by_offset.insert(number, encoded(message).as_slice())?;
                by_key.insert(message.key.unwrap_or_default(), number)?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn scan(&self, visit: Visit<'_>) -> Outcome {
        let transaction = self.database.begin_read()?;
        for entry in transaction.open_table(MESSAGES)?.iter()? {
            decode(entry?.1.value(), visit)?;
        }
        Ok(())
    }

    fn get(&self, number: u64, visit: Visit<'_>) -> Outcome {
        let table = self.database.begin_read()?.open_table(MESSAGES)?;
        let value = table.get(number)?.ok_or("a message was not found")?;
        decode(value.value(), visit)
    }

    fn get_by_key(&self, key: &[u8], visit: Visit<'_>) -> Outcome {
        let transaction = self.database.begin_read()?;
        let number = transaction
            .open_table(KEYS)?
            .get(key)?
            .ok_or("a key was not found")?
            .value();
        let table = transaction.open_table(MESSAGES)?;
        let value = table.get(number)?.ok_or("a message was not found")?;
        decode(value.value(), visit)
    }

    fn close(self: Box<Self>) -> Outcome {
        // An empty durable commit brings the earlier ones to the disk.
        self.database.begin_write()?.commit()?;
        Ok(())
    }
}
