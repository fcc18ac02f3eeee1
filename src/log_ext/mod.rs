//! L6: convenience methods for any [`Log`](crate::Log).

mod extension;
mod iter;
mod latest;
mod reverse;

pub use extension::LogExt;
pub use iter::Iter;
pub use reverse::ReverseIter;
