//! L5: the trait [`Log`] and its implementations over files and in memory.

mod background;
mod backup;
mod changes;
mod commit;
mod contract;
mod delete;
mod durability;
mod failure;
mod file_log;
mod memory;
mod merge;
mod meta_store;
mod open;
mod options;
mod reader;
mod recovery;
mod retention;
mod runs;
mod scan;
mod seal;
mod shared;
mod spare;
mod trim;
mod view;
mod write;

pub(crate) use meta_store::{Copies, MetaStore};
pub(crate) use open::{is_front_missing, segment_bases, settle_unfinished, sort_out};
pub(crate) use runs::damaged_runs;

pub use changes::{Changes, Watch};
pub use contract::Log;
pub use durability::Durability;
pub use file_log::FileLog;
pub use memory::MemoryLog;
pub use options::Options;
pub use retention::Retention;
pub use scan::{MessageRef, Scan};
