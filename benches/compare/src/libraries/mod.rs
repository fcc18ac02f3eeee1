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
mod walrus;

use crate::store::Way;

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

/// Variables of the environment of every child process; without a value, the store's directory.
pub(crate) const ENVIRONMENT: [(&str, Option<&str>); 2] = walrus::ENVIRONMENT;

const NO_KEYS: &str = "no lookup by key";
