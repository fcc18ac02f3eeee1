use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// How long to wait before something that has failed is tried again: a random time up to a bound
/// that doubles with each failure in a row ("full jitter"). So those that have failed together do
/// not come back together.
///
/// ```
/// use std::time::Duration;
/// use duramen::Backoff;
///
/// let backoff = Backoff::new().first(Duration::from_millis(10)).max(Duration::from_secs(1));
/// assert!(backoff.bound(0) == Duration::from_millis(10));
/// assert!(backoff.bound(3) == Duration::from_millis(80));
/// assert!(backoff.bound(30) == Duration::from_secs(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Backoff {
    first: Duration,
    max: Duration,
}

impl Backoff {
    /// From 100 ms doubling to one minute.
    pub const fn new() -> Backoff {
        Backoff {
            first: Duration::from_millis(100),
            max: Duration::from_secs(60),
        }
    }

    /// The bound after the first failure. Default: 100 ms.
    pub const fn first(mut self, first: Duration) -> Backoff {
        self.first = first;
        self
    }

    /// The bound that is not exceeded. Default: one minute.
    pub const fn max(mut self, max: Duration) -> Backoff {
        self.max = max;
        self
    }

    /// The longest wait after so many failures in a row before this one.
    #[must_use]
    pub fn bound(&self, failures_before: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures_before).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.max)
    }

    /// How long to wait this time.
    #[must_use]
    pub fn delay(&self, failures_before: u32) -> Duration {
        // Each state that the standard library makes is seeded anew.
        let random = RandomState::new().build_hasher().finish();
        let nanos = u64::try_from(self.bound(failures_before).as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(match nanos.checked_add(1) {
            Some(count) => random % count,
            None => random,
        })
    }
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wait_is_longer_than_its_bound() {
        let backoff = Backoff::new().max(Duration::from_secs(1));
        for failures in [0, 1, 4, 31, 32, u32::MAX] {
            let waits: Vec<_> = (0..100).map(|_| backoff.delay(failures)).collect();
            assert!(waits.iter().all(|wait| *wait <= backoff.bound(failures)));
            assert!(waits.iter().any(|wait| *wait != waits[0]), "they differ");
        }
        assert_eq!(Backoff::new().first(Duration::ZERO).delay(9), Duration::ZERO);
        let longest = Backoff::new().first(Duration::MAX).max(Duration::MAX);
        assert_eq!(longest.bound(40), Duration::MAX);
        let _ = longest.delay(40);
    }
}
