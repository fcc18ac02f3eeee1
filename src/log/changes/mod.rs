//! Waiting for a log to change, and waking those who wait.

mod eventcount;
mod primitives;
mod ticker;
mod watch;

pub use eventcount::Changes;
pub use watch::Watch;
