//! The command line, from outside: the built binary, its output byte for byte, and its exit codes.

mod backup;
mod bench;
mod check;
mod compact;
mod conditions;
mod consume;
mod control;
mod delete;
mod dump;
mod follow;
mod formats;
mod generations;
mod get;
mod harness;
mod history;
mod limits;
mod nonblocking;
mod producer;
mod publish;
mod recover;
mod signals;
mod stat;
mod threads;
mod trim;
mod units;
mod usage;
