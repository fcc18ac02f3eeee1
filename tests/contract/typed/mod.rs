//! Typed logs and codecs.

mod allocations;
mod codecs;
mod golden;
mod log;
mod throughput;
