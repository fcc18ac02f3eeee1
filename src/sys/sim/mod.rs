//! A file system in memory that records every operation, can lose unsynced changes, and fails on
//! command.
//!
//! | file | what |
//! |---|---|
//! | `content` | the bytes of one file |
//! | `image` | files and directories at one moment |
//! | `op` | the recorded operations, in order |
//! | `syncs` | the syncs that do nothing, and who asked for each sync |
//! | `fault` | the calls that fail, and their errors |
//! | `machine` | one running system: what processes see, the log of operations, locks |
//! | `handle` | the files, mappings and locks of processes |
//! | `disk`, `storage` | the disk for tests, and its [`Storage`](super::Storage) for the engine |
//! | `pending` | the recorded changes that a power cut may lose |
//! | `units` | the pieces of these changes that survive independently |
//! | `crash` | the states that a disk may have after a power cut |

mod content;
mod crash;
mod disk;
mod fault;
mod handle;
mod image;
mod machine;
mod op;
mod pending;
mod random;
mod storage;
mod syncs;
#[cfg(test)]
mod tests;
mod units;

pub use crash::CrashPlan;
pub use disk::SimDisk;
pub use fault::{Errno, Fault, Lie};
pub(super) use handle::{SimFile, SimLock, SimMap};
pub use op::Call;
pub use syncs::SyncPlace;
