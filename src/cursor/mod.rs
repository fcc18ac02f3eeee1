//! L7: cursors, which read any [`Log`](crate::Log) through a filter and wait at its end, and those
//! that are stored.

mod closer;
mod cursors;
mod kept;
mod name;
mod places;
mod reading;
mod single;
#[cfg(feature = "stream")]
mod stream;
mod typed;

pub use closer::CursorCloser;
pub use cursors::Cursors;
pub use reading::Cursor;
#[cfg(feature = "stream")]
pub use stream::CursorStream;
pub use typed::TCursor;

pub(crate) use cursors::Logs;
pub(crate) use kept::{Kept, KeptIn};
pub(crate) use places::{Places, lowest};
