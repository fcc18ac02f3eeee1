//! L5: the trait [`Log`] and its implementations over files and in memory.

mod background;
mod changes;
mod commit;
mod contract;
mod durability;
mod file_log;
mod memory;
mod meta_store;
mod open;
mod options;
mod reader;
mod recovery;
mod remove;
mod scan;
mod seal;
mod shared;
mod view;
mod write;

pub(crate) use meta_store::Copies;
pub(crate) use open::{is_front_missing, segment_bases};

pub use changes::{Changes, Watch};
pub use contract::Log;
pub use durability::Durability;
pub use file_log::FileLog;
pub use memory::MemoryLog;
pub use options::Options;
pub use scan::{MessageRef, Scan};
