//! Work queues over any [`Log`](crate::Log): each message is done by one of several workers.

mod burying;
mod floors;
mod group;
mod handle;
mod inner;
mod job;
mod journal;
mod letters;
mod opening;
mod options;
mod ranges;
mod record;
mod slot;
mod stat;
mod state;
mod task;
mod typed;
mod waiting;
mod window;

pub(crate) use floors::Floors;
pub(crate) use handle::Sources;
pub(crate) use journal::ROLLOVER;
pub(crate) use options::DeadLetter;

pub use handle::Queue;
pub use job::Job;
pub use options::QueueOptions;
pub use stat::{QueueStat, QueuedPartition};
pub use task::NextJob;
pub use typed::{TJob, TQueue};

#[cfg(test)]
mod tests;
