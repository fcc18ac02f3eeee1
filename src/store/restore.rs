use std::path::Path;

use super::opening::Owner;
use super::options::StoreOptions;
use super::report::StoreBackupReport;
use crate::Result;

/// Makes a store in `dst`, a directory that is missing or empty, from the backup in `backup`. The
/// streams keep their ids. The logs of the new store begin lives of their own, because they will
/// give the same offsets to other messages than those of the store that was backed up.
///
/// If this fails or is interrupted, `dst` is known as unfinished: opening it fails with
/// [`Error::Unfinished`](crate::Error::Unfinished) until something is restored to it again, which
/// begins from the start.
///
/// All messages that are copied are verified. Nobody can open the backup for writing meanwhile.
/// Only those of the `options` matter that say how files are read.
///
/// # Durability
///
/// When the call returns, the new store is on stable storage.
///
/// # Errors
///
/// [`Error::Invalid`](crate::Error::Invalid) if `dst` holds a store or other things, or is in the
/// directory of the backup; [`Error::Unfinished`](crate::Error::Unfinished) if one of the two is a
/// backup that was interrupted; [`Error::Locked`](crate::Error::Locked) if one of the two is open
/// for writing; [`Error::Corrupt`](crate::Error::Corrupt) if the backup is damaged; those of
/// [`Store::open`](super::Store::open) for reading only.
///
/// ```
/// use duramen::store::{self, Partitioner, StoreOptions, StreamConfig};
/// use duramen::{NewMessage, PublishOptions};
///
/// # fn main() -> duramen::Result<()> {
/// # let scratch = tempfile::tempdir().unwrap();
/// # let [dir, copy, again] = ["store", "copy", "again"].map(|name| scratch.path().join(name));
/// let options = StoreOptions::new();
/// let store = options.clone().create_dirs(true).open(&dir)?;
/// store.create("orders", &StreamConfig::new())?;
/// let order = NewMessage::value(b"two books");
/// store.stream("orders")?.publish(order, &Partitioner::Key, &PublishOptions::new())?;
///
/// let report = store.backup(&copy)?;
/// assert_eq!(report.partitions[0].report.next_offset, 1);
/// store::restore(&copy, &again, &options)?;
/// assert!(store::check(&again, &options)?.is_clean());
/// # Ok(())
/// # }
/// ```
pub fn restore(
    backup: impl AsRef<Path>,
    dst: impl AsRef<Path>,
    options: &StoreOptions,
) -> Result<StoreBackupReport> {
    let log = options.log.clone().recover(false);
    let options = options.clone().log(log).read_only(true);
    let backup = Owner::open(backup.as_ref(), &options)?;
    let report = backup.copy(dst.as_ref(), true)?;
    backup.close()?;
    Ok(report)
}
