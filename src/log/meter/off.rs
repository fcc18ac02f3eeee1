use std::path::Path;
use std::time::Duration;

use super::{Cause, Listed, Timed};
use crate::{Event, Result};

/// Counts nothing.
#[derive(Debug, Default)]
pub(crate) struct Meter {}

#[expect(clippy::unused_self, reason = "the other one counts")]
impl Meter {
    pub(crate) fn of(_: &Path) -> Meter {
        Meter {}
    }

    #[inline]
    pub(crate) fn is_counting(&self) -> bool {
        false
    }

    pub(crate) fn opened(&self, _: u64, _: u64) {}

    #[inline]
    pub(crate) fn published(&self, _: usize, _: u64, _: (u64, u32)) {}

    #[inline]
    pub(crate) fn time<T>(&self, _: Timed, work: impl FnOnce() -> Result<T>) -> Result<T> {
        work()
    }

    pub(crate) fn took(&self, _: Timed, _: Duration) {}

    pub(crate) fn synced_to(&self, _: impl Fn() -> u64) {}

    pub(crate) fn listed(&self, _: impl Fn() -> (Listed, u64)) {}

    pub(crate) fn removed(&self, _: Cause, _: u64, _: u64) {}

    pub(crate) fn happened(&self, _: &Event) {}

    pub(crate) fn poisoned(&self) {}

    pub(crate) fn closed(&self) {}
}
