//! What a log counts and measures through the crate `metrics`; nothing where the feature is off.

#[cfg(feature = "metrics")]
mod counting;
#[cfg(feature = "metrics")]
mod handles;
mod kinds;
#[cfg(not(feature = "metrics"))]
mod off;

#[cfg(feature = "metrics")]
pub(crate) use counting::Meter;
pub(crate) use kinds::{Cause, Listed, Timed};
#[cfg(not(feature = "metrics"))]
pub(crate) use off::Meter;
