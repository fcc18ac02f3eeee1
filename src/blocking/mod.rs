//! L6: waiting for messages of any [`Log`](crate::Log).

mod cursor;
mod follow;
mod handle;
mod log;
#[cfg(feature = "stream")]
mod stream;

pub use follow::Follow;
pub use handle::BlockingLog;
#[cfg(feature = "stream")]
pub use stream::LogStream;
