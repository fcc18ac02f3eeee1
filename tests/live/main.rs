//! Logs that are used by many at once: published to, read, waited for, trimmed, copied.

#[expect(dead_code, reason = "this program uses a part of it")]
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/executor.rs"]
mod executor;
#[macro_use]
#[path = "../common/minimal.rs"]
mod minimal;
#[macro_use]
mod explored;
#[cfg(feature = "metrics")]
#[path = "../common/numbers.rs"]
mod numbers;

mod backup;
mod beside;
#[cfg(feature = "fault")]
mod beside_backups;
mod blocking;
mod clocks;
mod concurrency;
#[cfg(feature = "metrics")]
mod counted;
mod events;
mod fencing;
mod import;
mod indexes;
mod lives;
mod notifier;
mod online_check;
mod paced;
mod per_key;
mod producer;
mod random_backups;
mod remembered;
mod removal;
#[cfg(feature = "fault")]
mod reopened;
mod retention;
#[cfg(feature = "tracing")]
mod traced;
mod unfinished;
