//! Who waits for a log to change, and how they are woken.

mod eventcount;
mod primitives;
mod watch;

pub use eventcount::Changes;
pub use watch::Watch;
