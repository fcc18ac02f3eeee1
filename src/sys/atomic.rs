//! Raising and lowering a number that several threads change.
//!
//! `ThreadSanitizer` does not see what `fetch_max` and `fetch_min` release. For it, built with
//! `--cfg duramen_tsan`, the same is done with a compare-and-exchange.

use std::sync::atomic::{AtomicU64, Ordering};

/// Makes `number` at least `value`, and releases what the caller did before.
#[inline]
pub(crate) fn raise(number: &AtomicU64, value: u64) {
    change(number, value, AtomicU64::fetch_max, u64::max);
}

/// Makes `number` at most `value`, and releases what the caller did before.
#[inline]
pub(crate) fn lower(number: &AtomicU64, value: u64) {
    change(number, value, AtomicU64::fetch_min, u64::min);
}

type InOneStep = fn(&AtomicU64, u64, Ordering) -> u64;

#[inline]
fn change(number: &AtomicU64, value: u64, in_one_step: InOneStep, choose: fn(u64, u64) -> u64) {
    if cfg!(duramen_tsan) {
        // Always changed, so that it always releases.
        let changed = |old| Some(choose(old, value));
        let _ = number.fetch_update(Ordering::AcqRel, Ordering::Acquire, changed);
    } else {
        in_one_step(number, value, Ordering::AcqRel);
    }
}
