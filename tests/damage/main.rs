//! Logs whose files are damaged, and logs of older versions: what is read of them, and what recovery makes of them.

#[expect(dead_code, reason = "this program uses a part of it")]
#[path = "../common/mod.rs"]
mod common;

mod bitflips;
mod control;
mod golden;
mod recover;
mod short_batches;
#[path = "../common/verdict.rs"]
mod verdict;
