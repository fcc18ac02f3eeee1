//! What a check does between two segments of a log that is open here.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

use crate::{FileLog, Result};

/// A log that is checked through its own handle.
pub(super) struct OwnLog<'a> {
    log: &'a FileLog,
    /// Bytes per second.
    pace: Option<u64>,
    begun: Instant,
    /// How many bytes were read so far.
    read: Cell<u64>,
}

impl OwnLog<'_> {
    /// The log of this handle, to be read at `pace` bytes per second, which is not 0.
    pub(super) fn new(log: &FileLog, pace: Option<u64>) -> OwnLog<'_> {
        OwnLog {
            log,
            pace,
            begun: Instant::now(),
            read: Cell::new(0),
        }
    }

    /// Counts what was read.
    pub(super) fn note(&self, bytes: u64) {
        self.read.set(self.read.get().saturating_add(bytes));
    }

    /// Waits until what was read is no more than the pace allows. Fails if the log is closed.
    pub(super) fn rest(&self) -> Result<()> {
        /// How often to look whether the log is closed.
        const LOOK_EACH: Duration = Duration::from_millis(50);
        loop {
            self.log.check_open()?;
            let due = self
                .pace
                .map_or(Duration::ZERO, |pace| time_for(self.read.get(), pace));
            let left = due.saturating_sub(self.begun.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(LOOK_EACH));
        }
    }

    /// Whether the segment with this base is still of the log.
    pub(super) fn has_segment(&self, base: u64) -> Result<bool> {
        self.log.has_segment(base)
    }
}

/// How long reading so many bytes takes at `pace` bytes per second, which is not 0.
fn time_for(bytes: u64, pace: u64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(pace);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_for_any_number_of_bytes_is_told() {
        assert_eq!(time_for(500, 1000), Duration::from_millis(500));
        assert_eq!(time_for(0, 1), Duration::ZERO);
        assert_eq!(time_for(u64::MAX, 1), Duration::from_nanos(u64::MAX));
        assert_eq!(time_for(u64::MAX, u64::MAX), Duration::from_secs(1));
    }
}
