use std::time::Duration;

/// The time on the system's monotonic clock, as of its last tick: up to about 10 milliseconds ago.
/// Reading it takes a few nanoseconds, a fraction of what [`std::time::Instant`] takes.
#[inline]
pub(crate) fn coarse_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}
