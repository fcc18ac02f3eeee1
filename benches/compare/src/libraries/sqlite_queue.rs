//! A work queue as `SQLite` is used for one: a table of jobs, in WAL mode.
//!
//! A job whose lease is over is waiting. One that was never given out has a lease that was always
//! over. So one index leads to the next job of both kinds, and the oldest comes first.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::duramen::Timestamp;
use rusqlite::{Connection, params};

use crate::Outcome;
use crate::store::{Message, Seen, Store};
use crate::workload::ensure;

/// As duramen's default.
const LEASE: Duration = Duration::from_secs(30);

const TABLE: &str = "CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY, \
     lease_until INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, \
     key BLOB NOT NULL, value BLOB NOT NULL);
     CREATE INDEX IF NOT EXISTS jobs_waiting ON jobs (lease_until, id);";

const INSERT: &str = "INSERT INTO jobs (key, value) VALUES (?1, ?2)";

const LEASE_NEXT: &str = "UPDATE jobs SET lease_until = ?2, attempts = attempts + 1 \
     WHERE id = (SELECT id FROM jobs WHERE lease_until <= ?1 ORDER BY lease_until, id LIMIT 1) \
     RETURNING id, attempts, key, value";

/// Unless somebody else has the job meanwhile.
const SETTLE: &str = "DELETE FROM jobs WHERE id = ?1 AND attempts = ?2";

pub(super) fn open(connection: Connection) -> Outcome<Box<dyn Store>> {
    connection.execute_batch(TABLE)?;
    Ok(Box::new(SqliteQueue(Mutex::new(connection))))
}

#[derive(Debug)]
struct SqliteQueue(Mutex<Connection>);

impl SqliteQueue {
    fn connection(&mut self) -> &Connection {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for SqliteQueue {
    fn publish_many(&mut self, batch: &[Message<'_>]) -> Outcome {
        let transaction = self.connection().unchecked_transaction()?;
        for message in batch {
            let mut insert = transaction.prepare_cached(INSERT)?;
            insert.execute(params![message.key, message.value])?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn work(&mut self, seen: &mut Seen) -> Outcome<bool> {
        let now = Timestamp::now();
        let until = now.as_micros() + i64::try_from(LEASE.as_micros())?;
        let connection = self.connection();
        let mut lease = connection.prepare_cached(LEASE_NEXT)?;
        let mut rows = lease.query([now.as_micros(), until])?;
        let Some(row) = rows.next()? else {
            return Ok(false);
        };
        let job: (i64, i64) = (row.get(0)?, row.get(1)?);
        seen.next(row.get_ref(2)?.as_blob()?, row.get_ref(3)?.as_blob()?)?;
        // The transaction ends with the statement.
        ensure(rows.next()?.is_none(), "more than one job was given out")?;
        drop(rows);
        let mut settle = connection.prepare_cached(SETTLE)?;
        ensure(settle.execute(job)? == 1, "the job was not settled")?;
        Ok(true)
    }

    fn close(self: Box<Self>) -> Outcome {
        let connection = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        connection.close().map_err(|(_, error)| error)?;
        Ok(())
    }
}
