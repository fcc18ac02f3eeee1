//! The libraries that are compared, one file each.

mod commitlog;
mod duramen;
mod fjall;
mod mrecordlog;
mod okaywal;
mod raft_engine;
mod raft_entry;
mod redb;
mod sqlite;
mod sqlite_queue;
mod walrus;

use crate::rows::Row;
use crate::store::{About, Way};

/// Everything that takes part, in the order of the report.
pub(crate) const WAYS: [Way; 14] = [
    duramen::PLAIN,
    duramen::INDEXED,
    raft_engine::WAY,
    okaywal::WAY,
    mrecordlog::WAY,
    mrecordlog::BUFFERED,
    commitlog::WAY,
    walrus::WAY,
    sqlite::PLAIN,
    sqlite::INDEXED,
    fjall::PLAIN,
    fjall::INDEXED,
    redb::PLAIN,
    redb::INDEXED,
];

/// A database without indexes, which has no lookup by key.
fn without_indexes(row: Row, about: fn(Row) -> About) -> About {
    if row == Row::Key {
        About::Skipped
    } else {
        about(row)
    }
}

/// A database with indexes, which reads as without them.
fn with_indexes(row: Row, about: fn(Row) -> About) -> About {
    match row {
        Row::Consume | Row::Scan | Row::Offset | Row::Open | Row::Queue => About::Skipped,
        _ => about(row),
    }
}

/// Variables of the environment of every child process; without a value, the store's directory.
pub(crate) const ENVIRONMENT: [(&str, Option<&str>); 2] = walrus::ENVIRONMENT;

const NO_KEYS: &str = "no lookup by key";
const NO_QUEUE: &str = "no work queue";
