//! What is counted of a stream, and where the crate `metrics` is told of it.

mod counting;
mod kinds;
#[cfg(not(feature = "metrics"))]
mod off;
#[cfg(feature = "metrics")]
mod reporting;

pub(super) use counting::{Counters, Fetched};
#[cfg(not(feature = "metrics"))]
pub(super) use off::show;
#[cfg(feature = "metrics")]
pub(super) use reporting::show;
