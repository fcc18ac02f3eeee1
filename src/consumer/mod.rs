//! L7: consumers, which hand the messages of any [`Log`](crate::Log) to a handler, and go on where
//! the handler says.

mod handler;
mod permits;
mod runner;
mod settings;
mod stopper;
mod stored;
mod typed;

pub use handler::{BoxError, Handler};
pub use permits::Permits;
pub use settings::{Consumer, OnTrimmed};
pub use stopper::Stopper;
pub use stored::StoredHandler;
pub use typed::{TConsumer, THandler};
