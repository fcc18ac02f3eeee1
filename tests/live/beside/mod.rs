//! Read-only handles beside a writer: they are in nobody's way, and show what the writer shows.

mod histories;
#[cfg(feature = "fault")]
mod points;
mod readers;
