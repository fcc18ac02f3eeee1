//! A file system in memory that records every operation, loses what was not synced, and fails on command.
//!
//! | file | what |
//! |---|---|
//! | `content` | the bytes of one file |
//! | `image` | files and directories at one moment |
//! | `op` | what was done, in order |
//! | `fault` | which call fails, and how |
//! | `machine` | one running system: what processes see, the log of operations, locks |
//! | `handle` | files, mappings and locks that processes hold |
//! | `disk`, `storage` | the handle that tests hold, and [`Storage`](super::Storage) for the engine |
//! | `pending` | what of the log of operations a power cut may lose |
//! | `units` | how that is cut into pieces that survive on their own |
//! | `crash` | the disks that may be found after a power cut |

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
#[cfg(test)]
mod tests;
mod units;

pub use crash::CrashPlan;
pub use disk::SimDisk;
pub use fault::{Errno, Fault, Lie};
pub(super) use handle::{SimFile, SimLock, SimMap};
pub use op::Call;
