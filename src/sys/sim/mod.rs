//! A file system in memory that records every operation, can lose unsynced changes, and fails on
//! command.
//!
//! | file | what |
//! |---|---|
//! | `content` | the bytes of one file |
//! | `image` | files and directories at one moment |
//! | `op`, `apply` | the recorded operations, in order, and what they change |
//! | `syncs` | the syncs that do nothing, and who asked for each sync |
//! | `fault` | the calls that fail, and their errors |
//! | `machine` | one running system: what processes see, the log of operations, locks |
//! | `dir`, `handle` | the directories, files, mappings and locks of processes |
//! | `shared` | a machine that several threads use, and the visits around their calls |
//! | `disk`, `storage` | the disk for tests, and its [`Storage`](super::Storage) for the engine |
//! | `pending` | the recorded changes that a power cut may lose |
//! | `units` | the pieces of these changes that survive independently |
//! | `crash` | the states that a disk may have after a power cut |

mod apply;
mod content;
mod crash;
mod dir;
mod disk;
mod fault;
mod handle;
mod image;
mod machine;
mod op;
mod pending;
mod random;
mod shared;
mod storage;
mod syncs;
#[cfg(test)]
mod tests;
mod units;

pub use crash::CrashPlan;
pub(super) use dir::SimDir;
pub use disk::SimDisk;
pub use fault::{Errno, Fault, Lie};
pub(super) use handle::{SimFile, SimLock, SimMap};
pub use op::Call;
pub use syncs::SyncPlace;
