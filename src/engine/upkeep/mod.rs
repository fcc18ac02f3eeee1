//! What is done ahead of publishers and behind them.

mod scheduler;
mod seal;

pub(crate) use scheduler::Background;
