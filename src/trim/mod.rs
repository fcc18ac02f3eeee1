//! Removing messages from the front of a log: by offset, age, count and size.
//!
//! Each function finds a cut, the offset of the first message to keep, and passes it to
//! [`Log::trim`](crate::Log::trim). Its sibling `find_..` returns the cut and changes nothing, for
//! a dry run. If no message is to be removed, the cut is the log's start offset.
//!
//! | by | keeps | how the cut is found |
//! |---|---|---|
//! | [offset](by_offset) | from this offset on | it is given |
//! | [age](by_age) | from the first message that is young enough | by the time index, or by reading |
//! | [count](by_count) | a number of the newest messages | by one lookup |
//! | [size](by_size) | the newest messages within a size | by reading them |
//!
//! Messages are read in batches and not held, so memory does not grow with the log. Other threads
//! may publish at the same time; messages published after the call began are kept.
//!
//! ```
//! use std::time::Duration;
//!
//! use duramen::{Log, MemoryLog, NewMessage, trim};
//!
//! let log = MemoryLog::new();
//! log.publish(&[NewMessage::value(b"event"); 100])?;
//!
//! trim::by_age(&log, Duration::from_secs(7 * 24 * 60 * 60))?; // all are younger than a week
//! let trimmed = trim::by_count(&log, 30)?;
//! assert_eq!((trimmed.count, log.start_offset()?), (70, 70));
//! # Ok::<(), duramen::Error>(())
//! ```

mod age;
mod count;
mod size;

#[cfg(test)]
mod tests;

pub use age::{by_age, find_by_age};
pub use count::{by_count, by_offset, find_by_count, find_by_offset};
pub use size::{by_size, find_by_size};
