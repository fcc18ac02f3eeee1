//! fjall: one keyspace by offset, one from keys to offsets, written as one batch.

use std::path::Path;

use duramen::NewMessage;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::Outcome;
use crate::peer::{Durable, Kind, Peer, Visit, decode, encoded};

pub(crate) const KIND: Kind = Kind {
    name: "fjall",
    rows: &["W1", "W2", "W2k", "W3", "W4", "W4b", "W5", "W6", "W7", "W9"],
    open,
};

struct Fjall {
    database: Database,
    messages: Keyspace,
    keys: Keyspace,
    durable: Durable,
}

fn open(dir: &Path, durable: Durable) -> Outcome<Box<dyn Peer>> {
    let database = Database::builder(dir).open()?;
    let messages = database.keyspace("messages", KeyspaceCreateOptions::default)?;
    let keys = database.keyspace("keys", KeyspaceCreateOptions::default)?;
    Ok(Box::new(Fjall {
        database,
        messages,
        keys,
        durable,
    }))
}

impl Peer for Fjall {
    fn publish(&self, first: u64, messages: &[NewMessage<'_>]) -> Outcome {
        let mut batch = self.database.batch();
        for (message, number) in messages.iter().zip(first..) {
            batch.insert(&self.messages, number.to_be_bytes(), encoded(message));
            batch.insert(&self.keys, message.key.unwrap_or_default(), number.to_be_bytes());
        }
        batch.commit()?;
        if self.durable == Durable::AtOnce {
            self.database.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }

    fn scan(&self, visit: Visit<'_>) -> Outcome {
        for entry in self.messages.iter() {
            decode(&entry.value()?, visit)?;
        }
        Ok(())
    }

    fn get(&self, number: u64, visit: Visit<'_>) -> Outcome {
        let value = self
            .messages
            .get(number.to_be_bytes())?
            .ok_or("a message was not found")?;
        decode(&value, visit)
    }

    fn get_by_key(&self, key: &[u8], visit: Visit<'_>) -> Outcome {
        let number = self.keys.get(key)?.ok_or("a key was not found")?;
        let value = self.messages.get(number)?.ok_or("a message was not found")?;
        decode(&value, visit)
    }

    fn close(self: Box<Self>) -> Outcome {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}
