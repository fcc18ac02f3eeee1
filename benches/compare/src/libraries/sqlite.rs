//! `SQLite` as a log: one table, in WAL mode.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, params};

use super::{sqlite_queue, with_indexes, without_indexes};
use crate::Outcome;
use crate::rows::Row;
use crate::store::{About, Message, Purpose, Seen, Store, Way};
use crate::workload::{BATCH_COUNT, ensure};

pub(crate) const PLAIN: Way = Way {
    name: "SQLite",
    library: "rusqlite",
    about: |row| without_indexes(row, about),
    open: |dir, purpose| open(dir, purpose, false),
};

pub(crate) const INDEXED: Way = Way {
    name: "SQLite, both indexes",
    library: "rusqlite",
    about: |row| with_indexes(row, about),
    open: |dir, purpose| open(dir, purpose, true),
};

fn about(row: Row) -> About {
    About::Can(match row {
        Row::One | Row::Many | Row::ManyLarge => {
            "`synchronous=NORMAL`: in the page cache; syncs when it checkpoints"
        }
        Row::Durable => "`synchronous=FULL`: fsync of the WAL in each transaction",
        Row::Durable16 | Row::Durable64 => {
            "`synchronous=FULL`: fsync of the WAL in each transaction; threads share a connection in a \
             mutex, as there is one writer at a time"
        }
        Row::Consume | Row::Scan | Row::Offset | Row::Key | Row::Open => "verifies no checksum",
        Row::Queue => {
            "`synchronous=NORMAL`: a transaction for each lease and one for each outcome, in the page \
             cache; syncs when it checkpoints"
        }
    })
}

const INSERT: &str = "INSERT INTO log (key, value) VALUES (?1, ?2)";
const INSERT_INDEXED: &str = "INSERT INTO log (key, value, time) VALUES (?1, ?2, ?3)";

fn open(dir: &Path, purpose: Purpose, indexed: bool) -> Outcome<Box<dyn Store>> {
    let connection = Connection::open(dir.join("log.sqlite"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let synchronous = if purpose.durable { "FULL" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    if purpose.queue {
        return sqlite_queue::open(connection);
    }
    connection.execute_batch(if indexed {
        "CREATE TABLE IF NOT EXISTS log (offset INTEGER PRIMARY KEY, key BLOB NOT NULL, \
         value BLOB NOT NULL, time INTEGER NOT NULL);
         CREATE INDEX IF NOT EXISTS log_key ON log (key, offset);
         CREATE INDEX IF NOT EXISTS log_time ON log (time, offset);"
    } else {
        "CREATE TABLE IF NOT EXISTS log (offset INTEGER PRIMARY KEY, key BLOB NOT NULL, \
         value BLOB NOT NULL);"
    })?;
    Ok(Box::new(Sqlite {
        connection: Mutex::new(connection),
        indexed,
    }))
}

/// Offsets begin at 1.
#[derive(Debug)]
struct Sqlite {
    connection: Mutex<Connection>,
    indexed: bool,
}

fn insert(connection: &Connection, indexed: bool, message: &Message<'_>) -> Outcome {
    let Message { time, key, value } = message;
    if indexed {
        let mut insert = connection.prepare_cached(INSERT_INDEXED)?;
        insert.execute(params![key, value, time])?;
    } else {
        let mut insert = connection.prepare_cached(INSERT)?;
        insert.execute(params![key, value])?;
    }
    Ok(())
}

impl Sqlite {
    fn connection(&mut self) -> &Connection {
        self.connection.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Sqlite {
    fn publish_one(&mut self, message: Message<'_>) -> Outcome {
        let indexed = self.indexed;
        insert(self.connection(), indexed, &message)
    }

    fn publish_many(&mut self, batch: &[Message<'_>]) -> Outcome {
        let indexed = self.indexed;
        let transaction = self.connection().unchecked_transaction()?;
        for message in batch {
            insert(&transaction, indexed, message)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn publish_durably(&self, _thread: u64, message: Message<'_>) -> Outcome {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        insert(&connection, self.indexed, &message)
    }

    fn consume(&mut self, seen: &mut Seen) -> Outcome {
        let connection = self.connection();
        let mut select = connection
            .prepare_cached("SELECT key, value FROM log WHERE offset > ?1 ORDER BY offset LIMIT ?2")?;
        loop {
            let last = seen.count();
            let limits = [last.cast_signed(), i64::try_from(BATCH_COUNT)?];
            let mut rows = select.query(limits)?;
            while let Some(row) = rows.next()? {
                seen.next(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?)?;
            }
            if seen.count() == last {
                return Ok(());
            }
        }
    }

    fn scan(&mut self, seen: &mut Seen) -> Outcome {
        let connection = self.connection();
        let mut select = connection.prepare_cached("SELECT key, value FROM log ORDER BY offset")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            seen.next(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?)?;
        }
        Ok(())
    }

    fn get(&mut self, number: u64, seen: &Seen) -> Outcome {
        let connection = self.connection();
        let mut select = connection.prepare_cached("SELECT key, value FROM log WHERE offset = ?1")?;
        let mut rows = select.query([number.cast_signed() + 1])?;
        let row = rows.next()?.ok_or("a message is missing")?;
        seen.same(number, row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?)
    }

    fn get_by_key(&mut self, key: &[u8], number: u64, seen: &Seen) -> Outcome {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT offset, key, value FROM log WHERE key = ?1 ORDER BY offset DESC LIMIT 1",
        )?;
        let mut rows = select.query([key])?;
        let row = rows.next()?.ok_or("a key is missing")?;
        ensure(
            row.get::<_, i64>(0)? == number.cast_signed() + 1,
            "not the last message with its key",
        )?;
        seen.same(number, row.get_ref(1)?.as_blob()?, row.get_ref(2)?.as_blob()?)
    }

    fn close(self: Box<Self>) -> Outcome {
        let connection = self
            .connection
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        connection.close().map_err(|(_, error)| error)?;
        Ok(())
    }
}
