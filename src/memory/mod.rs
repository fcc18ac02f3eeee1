//! A log in memory.

mod handle;
mod state;

pub use handle::MemoryLog;
