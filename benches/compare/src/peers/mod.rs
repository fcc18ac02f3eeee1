//! One file a library.

mod commitlog;
mod duramen;
mod fjall;
mod mrecordlog;
mod okaywal;
mod raft_engine;
mod redb;
mod sqlite;
pub(crate) mod walrus;

use crate::peer::Kind;

/// All there are, in the order of the table's columns.
pub(crate) const ALL: [Kind; 9] = [
    duramen::KIND,
    okaywal::KIND,
    commitlog::KIND,
    walrus::KIND,
    raft_engine::KIND,
    mrecordlog::KIND,
    fjall::KIND,
    redb::KIND,
    sqlite::KIND,
];
