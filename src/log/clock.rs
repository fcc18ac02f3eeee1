use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Timestamp;

/// The clocks that a log reads, set with [`Options::clock`](crate::Options::clock).
///
/// A log asks its clock for
///
/// - the time of a message that is published without one, of a control record, and what a
///   [policy](crate::TimestampPolicy) takes or caps times by (one reading for a whole batch),
/// - the time at which a segment is begun, which is stored with it,
/// - the age of messages, when it applies [`Retention::max_age`](crate::Retention::max_age).
///
/// The log asks under the lock of its appender, so a clock must not use the log, nor wait for
/// anybody who does.
///
/// The wall clock may step, back and ahead, and may be wrong for a while.
/// [`Retention::max_age`](crate::Retention::max_age) says what that means for it; nothing else in a
/// log relies on its going forward. Timeouts and intervals, such as that of
/// [`Durability::Interval`](crate::Durability::Interval), go by the system's monotonic clock. The
/// functions of [`trim`](crate::trim) take any log and go by the system's wall clock, and so do
/// those of [`mod@crate::compact`] for a log that cannot tell the
/// [age](crate::Log::offset_by_age) of its messages.
pub trait Clock: Send + Sync + Debug {
    /// The time now, by the wall clock.
    fn now(&self) -> Timestamp;

    /// The time now by a clock that never steps, for retention by age. By default this is
    /// [`Instant::now`].
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

/// The system's wall clock: [`Timestamp::now`].
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until it is told otherwise, for tests.
///
/// [`advance`](ManualClock::advance) is time that passes, [`set`](ManualClock::set) is a step of
/// the wall clock alone.
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
pub struct ManualClock {
    now: AtomicI64,
    created: Instant,
    /// Microseconds for which the clock was advanced.
    passed: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> ManualClock {
        ManualClock {
            now: AtomicI64::new(now.as_micros()),
            created: Instant::now(),
            passed: AtomicU64::new(0),
        }
    }

    /// Sets the wall clock, forward or back. No time passes on the monotonic clock.
    pub fn set(&self, now: Timestamp) {
        self.now.store(now.as_micros(), Ordering::Relaxed);
    }

    /// Lets time pass: moves the wall clock, which stops at [`Timestamp::MAX`], and the monotonic
    /// clock.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        let advance = |now: i64| Some(now.saturating_add(by));
        // The updates never refuse, so there is no error.
        let _ = self
            .now
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, advance);
        let pass = |passed: u64| Some(passed.saturating_add(by.unsigned_abs()));
        let _ = self
            .passed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, pass);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Instant {
        let passed = Duration::from_micros(self.passed.load(Ordering::Relaxed));
        self.created.checked_add(passed).unwrap_or(self.created)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_still_until_it_is_set() {
        let clock = ManualClock::new(Timestamp::from_micros(7));
        assert_eq!(clock.now(), Timestamp::from_micros(7));
        let begun = clock.monotonic();
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), Timestamp::from_micros(1_000_007));
        clock.set(Timestamp::from_micros(-1));
        assert_eq!(clock.monotonic() - begun, Duration::from_secs(1));
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
