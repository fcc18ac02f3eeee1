//! Typed logs and codecs.

mod codecs;
mod golden;
mod log;
mod throughput;
