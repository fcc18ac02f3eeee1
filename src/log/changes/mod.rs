//! Waiting for a log to change, and waking those who wait.

mod eventcount;
mod primitives;
mod ticker;
mod watch;

pub use eventcount::Changes;
pub(crate) use ticker::{wake_in, wake_no_more};
pub use watch::Watch;
