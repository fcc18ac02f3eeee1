//! L7: cursors, which read any [`Log`](crate::Log) through a filter and wait at its end.

mod closer;
mod reading;

pub use closer::CursorCloser;
pub use reading::Cursor;
