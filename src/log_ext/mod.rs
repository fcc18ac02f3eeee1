//! L6: what can be had of any [`Log`](crate::Log) for the asking.

mod extension;
mod iter;
mod latest;
mod reverse;

pub use extension::LogExt;
pub use iter::Iter;
pub use reverse::ReverseIter;
