//! Removing by key what later messages made superfluous, and deleting many messages at a pace.
//!
//! | function | removes |
//! |---|---|
//! | [`updates`] | messages that a later one of the same key supersedes |
//! | [`deletes`] | tombstones before which there is no message of their key any more |
//! | [`compact`](compact()) | both, in this order |
//! | [`delete_multi`] | the messages it is given |
//!
//! What stays keeps its offset and its order. Messages without a key are never touched. [`Settings`] say how old a
//! message has to be to be removed, and bound the memory that is used; each function has a sibling `.._with` that calls
//! a function of the caller's in between, to slow the work down, to show how far it is, or to end it.
//!
//! The log needs a key index. Publishing, reading, and even another compaction may go on meanwhile.
//!
//! ```
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
//! let deleted = compact::compact(&log, &compact::Settings::new())?;
//! assert_eq!(deleted.messages, 3);
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
