//! Space that is set aside for removing messages when the disk is full.
//!
//! Rewriting a segment needs space for what is kept of it before the old one can go. A log of more than one segment
//! keeps a file of zeros for that, as large as a segment but at most 1 MiB: so on a full disk one can still delete, a
//! segment at a time, in segments of which no more is kept than that. Trimming needs no space.
//!
//! Once the space was given back, and until a rollover finds as much again, no index and no key run is written and no
//! space taken ahead of need: that would use it up.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::directory::create_anew;
use crate::engine::shared::Shared;
use crate::format::SPARE_NAME;
use crate::sys::{Open, found};
use crate::{Error, Result};

const SPARE_LEN_MAX: u64 = 1 << 20;

/// Whether the disk, or the user's share of it, is full.
pub(crate) fn is_out_of_space(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if matches!(
        source.kind(),
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
    ))
}

impl Shared {
    /// Sees to it that there is spare space: on the background thread, or here where there is none.
    pub(crate) fn make_spare_soon(self: &Arc<Shared>) {
        if self.has_spare.load(Ordering::Relaxed) || self.list.load().segments.len() < 2 {
            return;
        }
        // Without it everything works as long as the disk is not full; the next rollover tries again.
        let is_taken = self.in_background(|shared| {
            let _ = shared.make_spare();
        });
        if !is_taken && self.background.is_none() {
            let _ = self.make_spare();
        }
    }

    fn make_spare(self: &Arc<Shared>) -> Result<()> {
        // Who removes something may need that very space.
        let Some(_no_removal) = self.removal.try_lock() else {
            return Ok(());
        };
        let path = self.directory.path.join(SPARE_NAME);
        let file = match found(self.directory.storage.open(&path, Open::Write))? {
            Some(file) => file,
            None => create_anew(&self.directory, &path)?,
        };
        // What is there may be of a smaller rollover size, or of somebody who was killed before it was all reserved;
        // its length says how much was.
        let (len, wanted) = (file.len()?, self.options.rollover.min(SPARE_LEN_MAX));
        if let Err(error) = file.reserve(len, wanted) {
            if len == 0 {
                let _ = self.directory.storage.remove(&path);
            }
            return Err(error);
        }
        self.has_spare.store(true, Ordering::Relaxed);
        if self.is_space_short.swap(false, Ordering::Relaxed) {
            for (segment, seal) in self.unsealed() {
                if self.background.is_some() {
                    self.seal_later(&segment, seal);
                } else {
                    // It was synced when it was left behind.
                    let _ = self.seal(&segment, seal);
                }
            }
        }
        Ok(())
    }

    /// Gives the spare space back, and what is prepared for the next segment.
    pub(crate) fn give_back_spare(&self) {
        self.is_space_short.store(true, Ordering::Relaxed);
        if let Some(prepared) = self.prepared.lock().take() {
            prepared.discard(&self.directory);
        }
        self.has_spare.store(false, Ordering::Relaxed);
        // If it cannot be removed there was none, or there is no space to be had.
        let _ = self
            .directory
            .storage
            .remove(&self.directory.path.join(SPARE_NAME));
    }

    /// Whether what nobody waits for should take no space.
    pub(crate) fn is_space_short(&self) -> bool {
        self.is_space_short.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::Options;
    use crate::{Log as _, NewMessage};

    fn count(dir: &Path, kind: &str) -> usize {
        let names = std::fs::read_dir(dir).expect("listed");
        let paths = names.map(|entry| entry.expect("listed").path());
        paths
            .filter(|path| path.extension().is_some_and(|extension| extension == kind))
            .count()
    }

    /// Goal: what is given back on a full disk is not used up by what can wait. Method: segments begun while something
    /// is being removed get neither indexes nor key runs, and get them when there is spare space again.
    #[test]
    fn indexes_wait_while_space_is_short() {
        let dir = tempfile::tempdir().expect("a folder");
        let options = Options::new().key_index(true).rollover(1024).background(false);
        let log = options.open(dir.path()).expect("a log");
        let publish = |times: u32| {
            for number in 0..times {
                let key = number.to_le_bytes();
                log.publish(&[NewMessage::new(&key, b"value")])
                    .expect("published");
            }
        };
        publish(100);
        let before = count(dir.path(), "idx");
        assert!(before > 0 && dir.path().join(SPARE_NAME).exists());
        {
            let _removing = log.shared.removal.lock();
            log.shared.give_back_spare();
            publish(1000);
            assert_eq!((count(dir.path(), "idx"), count(dir.path(), "keys")), (before, 0));
            assert!(!dir.path().join(SPARE_NAME).exists());
        }
        publish(50);
        assert!(dir.path().join(SPARE_NAME).exists());
        assert_eq!(count(dir.path(), "idx") + 1, count(dir.path(), "log"));
        assert!(count(dir.path(), "keys") > 0);
        log.close().expect("closed");
    }

    /// Goal: a deletion on a full disk is not refused because of space that is about to be given back. Method: a job on
    /// another thread that has all the space, and a while later gives it back.
    #[cfg(feature = "fault")]
    #[test]
    fn a_deletion_waits_for_a_job_that_has_the_space() {
        let disk = crate::fault::SimDisk::new(1);
        let options = Options::new().create_dirs(true).storage(&disk).background(false);
        let log = options.open(Path::new("/log")).expect("a log");
        for _ in 0..100 {
            log.publish(&[NewMessage::value(&[7; 500])]).expect("published");
        }
        let (tell, told) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let _job = log.shared.job.lock();
                disk.set_space(Some(disk.used_space()));
                tell.send(()).expect("sent");
                thread::sleep(Duration::from_millis(50));
                disk.set_space(None);
            });
            told.recv().expect("told");
            let deleted = log.delete(&[3, 50].into()).expect("deleted");
            assert_eq!(deleted.messages, 2);
        });
    }
}
