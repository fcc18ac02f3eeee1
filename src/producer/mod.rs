//! L6: sending messages one by one and publishing them in batches, to any [`Log`](crate::Log).

mod arena;
mod handle;
mod options;
mod outcome;
mod primitives;
mod queue;
mod ticket;
mod worker;

pub use handle::Producer;
pub use options::{AckMode, ProducerOptions};
pub use ticket::Ticket;
