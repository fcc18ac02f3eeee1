//! A store of streams: each row of its table, and what happens around it.

#[cfg(feature = "metrics")]
#[expect(dead_code, reason = "this program uses a part of it")]
#[path = "../common/numbers.rs"]
mod numbers;

#[expect(dead_code, reason = "this program uses a part of it")]
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/executor.rs"]
mod executor;

mod atomic;
mod care;
mod consuming;
mod copies;
mod copies_under_load;
mod create_and_ensure;
mod delete;
mod events;
mod follow;
mod groups;
mod keeping;
mod lists;
mod metrics;
mod model;
mod names;
mod opening;
mod partitions;
mod pausing;
mod queue;
mod reconfigure;
mod sealing;
mod support;
