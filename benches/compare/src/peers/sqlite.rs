//! SQLite as a log: WAL mode, one table with indexes on key and time, a transaction a publish.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use duramen::{NewMessage, Timestamp};
use rusqlite::{Connection, params};

use crate::Outcome;
use crate::peer::{Durable, Kind, Peer, Visit};

pub(crate) const KIND: Kind = Kind {
    name: "SQLite",
    rows: &["W1", "W2", "W2k", "W3", "W4", "W4b", "W5", "W6", "W7", "W9"],
    open,
};

struct Sqlite(Mutex<Connection>);

fn open(dir: &Path, durable: Durable) -> Outcome<Box<dyn Peer>> {
    let connection = Connection::open(dir.join("log.sqlite"))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // NORMAL syncs at checkpoints only, FULL at each commit.
    connection.pragma_update(
        None,
        "synchronous",
        if durable == Durable::AtOnce {
            "full"
        } else {
            "normal"
        },
    )?;
    connection.execute_batch(
        "create table if not exists messages(offset integer primary key, time integer, key blob, value blob);
         create index if not exists by_key on messages(key, offset);
         create index if not exists by_time on messages(time);",
    )?;
    Ok(Box::new(Sqlite(Mutex::new(connection))))
}

impl Peer for Sqlite {
    fn publish(&self, first: u64, messages: &[NewMessage<'_>]) -> Outcome {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached("insert into messages values (?, ?, ?, ?)")?;
            for (message, number) in messages.iter().zip(first..) {
                let time = message.time.map_or(0, Timestamp::as_micros);
                insert.execute(params![number.cast_signed(), time, message.key, message.value])?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn scan(&self, visit: Visit<'_>) -> Outcome {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut select = connection.prepare_cached("select key, value from messages order by offset")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            visit(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?)?;
        }
        Ok(())
    }

    fn get(&self, number: u64, visit: Visit<'_>) -> Outcome {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut select = connection.prepare_cached("select key, value from messages where offset = ?")?;
        let mut rows = select.query([number.cast_signed()])?;
        let row = rows.next()?.ok_or("a message was not found")?;
        visit(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?)
    }

    fn get_by_key(&self, key: &[u8], visit: Visit<'_>) -> Outcome {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut select = connection
            .prepare_cached("select key, value from messages where key = ? order by offset desc limit 1")?;
        let mut rows = select.query([key])?;
        let row = rows.next()?.ok_or("a key was not found")?;
        visit(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?)
    }

    fn close(self: Box<Self>) -> Outcome {
        let connection = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        connection.close().map_err(|(_, error)| error.into())
    }
}
