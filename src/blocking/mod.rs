//! L6: waiting for messages of any [`Log`](crate::Log).

mod awaited;
mod cursor;
mod follow;
mod handle;
mod log;
mod stop;
#[cfg(feature = "stream")]
mod stream;
#[cfg(feature = "stream")]
mod turns;

pub use awaited::Awaited;
pub(crate) use cursor::{poisoned, start_if_trimmed};
pub use follow::Follow;
pub use handle::BlockingLog;
pub(crate) use handle::WeakLog;
pub use stop::StopHandle;
#[cfg(feature = "stream")]
pub use stream::LogStream;
#[cfg(feature = "stream")]
pub(crate) use turns::{Tailing, Turns};
