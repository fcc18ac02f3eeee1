//! Waking readers in other processes; what it takes is in the module of the system.

/// By this, a log's writer wakes readers in other processes, where the system has a way.
pub(crate) use super::os::Bell;

/// Bytes of a bell's file.
pub(crate) const BELL_LEN: u64 = 4096;
