//! A log in memory, for tests of applications.

mod handle;
mod publish;
mod state;

pub use handle::MemoryLog;
