//! Removing from the front of a log: by offset, age, number of messages and size.
//!
//! Each function finds the cut and hands it to [`Log::trim`](crate::Log::trim). The cut alone, for a dry run or to look
//! at first, is what the function `find_..` beside it returns; it changes nothing. Where nothing is to go, the cut is
//! the log's start offset.
//!
//! | by | what is kept | how the cut is found |
//! |---|---|---|
//! | [offset](by_offset) | from this offset on | it is given |
//! | [age](by_age) | from the first message young enough on | by a lookup in the time index, or by reading what goes |
//! | [count](by_count) | so many messages | by one lookup |
//! | [size](by_size) | so many bytes of messages | by reading what is kept |
//!
//! Messages are read in batches, and none of them is held: memory does not grow with the log. Publishing may go on
//! meanwhile, and what is published after the call began is kept.
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
