use std::path::Path;

use crate::engine::To;
use crate::{BackupReport, Error, Log, Options, Result, Start};

/// Copies the log in `src` to the directory `dst`, as it is at one moment. Somebody may write to
/// the log meanwhile: then the segments of that moment are opened before the first is copied (of
/// more than 4,096, the oldest so many), which takes two to four mappings each, and keeps the space
/// of those that are removed until they are copied. [`Log::backup`](crate::Log::backup), which
/// describes the copy, opens them one by one, and is for whoever has the log open.
///
/// # Errors
///
/// Those of [`Options::open`] for reading only, and those of [`Log::backup`](crate::Log::backup).
///
/// ```
/// use duramen::{Log, NewMessage, Options, Start};
///
/// # fn main() -> duramen::Result<()> {
/// # let scratch = tempfile::tempdir().unwrap();
/// # let [dir, copy, until] = ["log", "copy", "until"].map(|name| scratch.path().join(name));
/// let log = Options::new().create_dirs(true).open(&dir)?;
/// log.publish(&[NewMessage::value(b"a"), NewMessage::value(b"b")])?;
/// log.close()?;
///
/// assert_eq!(duramen::backup(&dir, &copy)?.next_offset, 2);
/// assert_eq!(duramen::restore(&copy, &until, Start::At(1))?, 1);
/// assert_eq!(Options::new().open(&until)?.consume(Start::Oldest, 9)?.messages.len(), 1);
/// # Ok(())
/// # }
/// ```
pub fn backup(src: impl AsRef<Path>, dst: impl AsRef<Path>) -> Result<BackupReport> {
    let log = Options::new().read_only(true).open(src)?;
    let report = log.backup(dst.as_ref())?;
    log.close()?;
    Ok(report)
}

/// Makes a log in `dst`, a directory that is missing or holds no log, from the backup in `backup`.
/// Files there whose names are not the library's are left alone. The new log holds the messages
/// before the place at which reading from `until` would begin; [`Start::Newest`] takes all. Returns
/// the next offset of the new log.
///
/// If this fails or is interrupted, `dst` is known as unfinished: every call on it fails with
/// [`Error::Unfinished`] until something is restored to it again. The same restore then goes on
/// where it was, and another one takes its place.
///
/// All messages that are copied are verified. The new log begins a life of its own, because it
/// gives the offsets from `until` on to other messages.
///
/// # Errors
///
/// Those of [`Options::open`] for reading only; [`Error::Invalid`] if `dst` holds a log or files
/// of one; [`Error::Unfinished`] if it holds a backup that was interrupted;
/// [`Error::OffsetOutOfRange`] if `until` is an offset below the backup's start offset or above its
/// next offset; [`Error::NoIndex`] if `until` is a time and the backup has no time index;
/// [`Error::Corrupt`] if the backup is damaged.
pub fn restore(backup: impl AsRef<Path>, dst: impl AsRef<Path>, until: Start) -> Result<u64> {
    let log = Options::new().read_only(true).open(backup)?;
    let end = match until.settled(log.start_offset()?) {
        Start::Oldest => log.start_offset()?,
        Start::Newest => log.next_offset()?,
        Start::At(offset) => {
            let (start, next) = (log.start_offset()?, log.next_offset()?);
            if !(start..=next).contains(&offset) {
                return Err(Error::OffsetOutOfRange { offset, start, next });
            }
            offset
        }
        // The place where reading from `until` would begin.
        Start::Time(_) | Start::Last(_) | Start::AtOrOldest(_) => {
            let batch = log.consume(until, 1)?;
            batch
                .messages
                .first()
                .map_or(batch.next_offset, |first| first.offset)
        }
    };
    let report = log.copy_until(To::Path(dst.as_ref()), end)?;
    log.close()?;
    Ok(report.next_offset)
}
