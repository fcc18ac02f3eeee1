//! The check of a log that is open, through its own handle.

use super::check::{CheckReport, check_beside};
use super::own_log::OwnLog;
use crate::{Error, FileLog, Result};

impl FileLog {
    /// Checks this log as [`check`](crate::check()) does, while it is used: reads all segments, all
    /// indexes and both copies of the metadata, reports every problem, and changes nothing. Reading
    /// and publishing go on meanwhile; no lock is held.
    ///
    /// With a `pace`, in bytes per second, it takes as long as reading all segments takes at that
    /// rate, on average: after each segment it rests until the rate is right. Each is read at once.
    /// A log with problems is read again, as [`check`](crate::check()) says. Segments that are
    /// trimmed or merged meanwhile are left out.
    ///
    /// Closing the log ends the check within about 50 milliseconds and the reading of one segment.
    ///
    /// ```
    /// use duramen::{Log, NewMessage, Options};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// let log = Options::new().open(dir.path())?;
    /// log.publish(&[NewMessage::value(b"whole")])?;
    /// let report = log.check(Some(20_000_000))?;
    /// assert!(report.is_clean());
    /// assert_eq!(report.messages, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Closed`](Error::Closed), also if the log is closed meanwhile; [`Invalid`](Error::Invalid)
    /// for a pace of 0; [`Version`](Error::Version) if a file has a format version that this
    /// library does not read; [`Io`](Error::Io). Damage is no error; the report lists it.
    pub fn check(&self, pace: Option<u64>) -> Result<CheckReport> {
        if pace == Some(0) {
            return Err(Error::Invalid(
                "a check needs a pace of at least a byte per second",
            ));
        }
        self.check_open()?;
        let own = OwnLog::new(self, pace);
        let checked = check_beside(self.dir(), Some(&own));
        // Whatever fails once the log is closed, fails because of that.
        checked.or_else(|error| self.check_open().and(Err(error)))
    }
}
