use std::path::Path;

use super::kinds::Kind;
use crate::store::metrics::Metrics;

/// Reports nothing.
#[derive(Debug, Default)]
pub(super) struct Report;

#[expect(clippy::unused_self, reason = "the other one reports")]
impl Report {
    #[inline]
    pub(super) fn begin(&self, _: &Path, _: &str) {}

    #[inline]
    pub(super) fn add(&self, _: Kind, _: u64) {}

    pub(super) fn show(&self, _: &Metrics) {}
}

pub(in crate::store) fn show(_: &Path, _: &Metrics) {}
