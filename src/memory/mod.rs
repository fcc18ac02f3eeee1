//! A log in memory, for tests of applications.

mod handle;
mod publish;
mod retention;
mod state;

pub use handle::MemoryLog;
