//! Compaction: removing messages that later messages with the same key made superfluous.
//!
//! | function | removes |
//! |---|---|
//! | [`updates`] | superseded messages: those with a later message of the same key |
//! | [`deletes`] | tombstones that cover nothing: no earlier message of their key is left |
//! | [`compact`](compact()) | both, in this order |
//! | [`delete_multi`] | the messages it is given |
//!
//! The messages that stay keep their offsets and their order. Messages without a key are never
//! removed. [`Settings`] say how old a message must be to be removed, and bound the memory used.
//!
//! The log needs a key index. Other threads may publish, read and even compact at the same time.
//! The age of messages counts from publishing, where the log can tell. By default, tombstones stay
//! for 24 hours: a reader that has seen a value and misses its tombstone keeps the value for ever.
//!
//! # Pace
//!
//! Each compaction has a sibling `.._with` that takes a function `pace` and calls it after each
//! batch of messages read and after each segment changed. `pace` may sleep to slow the work down,
//! show the [`Progress`], or end the work by returning
//! [`ControlFlow::Break`](std::ops::ControlFlow::Break); messages not yet removed then stay. See
//! [`compact_with`] for an example.
//!
//! # Durability
//!
//! When a function returns, the messages it removed are gone from storage. A crash during the call
//! leaves some of them in place. No crash removes a superseded message together with the one that
//! supersedes it, or brings back a message that a tombstone covered.
//!
//! # Errors
//!
//! [`NoIndex`](crate::Error::NoIndex) without a key index; otherwise as
//! [`Log::consume`](crate::Log::consume) and [`Log::delete`](crate::Log::delete). Messages removed
//! before the error stay removed.
//!
//! ```
//! use std::time::Duration;
//!
//! use duramen::{Log, MemoryLog, NewMessage, Start, compact};
//!
//! let log = MemoryLog::new();
//! let tombstone = NewMessage::tombstone(b"user-8");
//! log.publish(&[
//!     NewMessage::new(b"user-7", b"created"),
//!     NewMessage::new(b"user-8", b"created"),
//!     NewMessage::new(b"user-7", b"renamed"),
//!     tombstone,
//! ])?;
//!
//! let settings = compact::Settings::new();
//! assert_eq!(compact::compact(&log, &settings)?.messages, 2);
//! let any_age = settings.older_than(Duration::ZERO);
//! assert_eq!(compact::compact(&log, &any_age)?.messages, 1); // the tombstone
//! let left = log.consume(Start::Oldest, 10)?.messages;
//! assert_eq!((left.len(), left[0].offset), (1, 2));
//! # Ok::<(), duramen::Error>(())
//! ```

mod multi;
mod rounds;
mod settings;
mod superfluous;

#[cfg(test)]
mod tests;

pub use multi::delete_multi;
pub use settings::{Progress, Settings};
pub use superfluous::{compact, compact_with, deletes, deletes_with, updates, updates_with};
