use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::Timestamp;

/// The wall clock that a log reads, set with [`Options::clock`](crate::Options::clock).
///
/// A log asks its clock for
///
/// - the time of a message that is published without one (one reading for a whole batch),
/// - the time at which a segment is begun, which is stored with it,
/// - the age of messages, when it applies [`Retention::max_age`](crate::Retention::max_age).
///
/// The log asks under the lock of its appender, so a clock must not use the log, nor wait for
/// anybody who does.
///
/// The clock may step back; nothing in a log relies on it going forward. Timeouts and intervals,
/// such as that of [`Durability::Interval`](crate::Durability::Interval), go by the system's
/// monotonic clock. The functions of [`trim`](crate::trim) and [`mod@crate::compact`] take any log
/// and go by the system's wall clock.
pub trait Clock: Send + Sync + Debug {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The system's wall clock: [`Timestamp::now`].
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until it is set, for tests.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use duramen::{Log, ManualClock, MemoryLog, NewMessage, Options, Retention, Start, Timestamp};
///
/// # fn main() -> duramen::Result<()> {
/// let hour = Duration::from_secs(3600);
/// let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
/// let options = Options::new().retention(Retention::new().max_age(hour)).clock(clock.clone());
/// let log = MemoryLog::with_options(&options);
/// log.publish(&[NewMessage::value(b"event")])?;
/// assert_eq!(log.get(Start::Newest)?.time, Timestamp::from_micros(0));
///
/// clock.advance(2 * hour);
/// assert_eq!(log.apply_retention(false)?.count, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub const fn new(now: Timestamp) -> ManualClock {
        ManualClock(AtomicI64::new(now.as_micros()))
    }

    /// Sets the clock, forward or back.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::Relaxed);
    }

    /// Moves the clock forward. It stops at [`Timestamp::MAX`].
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        let advance = |now: i64| Some(now.saturating_add(by));
        // The update never refuses, so there is no error.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, advance);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_still_until_it_is_set() {
        let clock = ManualClock::new(Timestamp::from_micros(7));
        assert_eq!(clock.now(), Timestamp::from_micros(7));
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), Timestamp::from_micros(1_000_007));
        clock.set(Timestamp::from_micros(-1));
        assert_eq!(clock.now(), Timestamp::from_micros(-1));
        clock.advance(Duration::MAX);
        assert_eq!(
            clock.now(),
            Timestamp::MAX.saturating_sub(Duration::from_micros(1))
        );
    }

    #[test]
    fn the_system_clock_shows_the_wall_clock_time() {
        let before = Timestamp::now().saturating_sub(Duration::from_secs(60));
        let now = SystemClock.now();
        assert!(before <= now && now.saturating_sub(Duration::from_secs(60)) <= Timestamp::now());
    }
}
