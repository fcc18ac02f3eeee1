//! The command line, from outside: the built binary, its output byte for byte, and its exit codes.

mod bench;
mod check;
mod consume;
mod dump;
mod follow;
mod get;
mod harness;
mod history;
mod publish;
mod stat;
mod usage;
