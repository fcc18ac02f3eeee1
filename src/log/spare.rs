//! Space that is set aside for removing messages when the disk is full.
//!
//! Rewriting a segment needs space for what is kept of it before the old one can go. A log of more than one segment
//! keeps a file of zeros for that, as large as a segment but at most 1 MiB: so on a full disk one can still delete, a
//! segment at a time, in segments of which no more is kept than that. Trimming needs no space.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::shared::Shared;
use crate::format::SPARE_NAME;
use crate::segment::create_anew;
use crate::sys::{Open, found};
use crate::{Error, Result};

const SPARE_LEN_MAX: u64 = 1 << 20;

/// Whether the disk, or the user's share of it, is full.
pub(super) fn is_out_of_space(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if matches!(
        source.kind(),
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
    ))
}

impl Shared {
    /// Sees to it that there is spare space: on the background thread, or here where there is none.
    pub(super) fn make_spare_soon(self: &Arc<Shared>) {
        if self.has_spare.load(Ordering::Relaxed) || self.view.load().parts.len() < 2 {
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

    fn make_spare(&self) -> Result<()> {
        let path = self.place.dir.join(SPARE_NAME);
        let file = match found(self.place.storage.open(&path, Open::Write))? {
            Some(file) => file,
            None => create_anew(&self.place, &path)?,
        };
        // What is there may be of a smaller rollover size, or of somebody who was killed before it was all reserved;
        // its length says how much was.
        let (len, wanted) = (file.len()?, self.options.rollover.min(SPARE_LEN_MAX));
        if let Err(error) = file.reserve(len, wanted) {
            if len == 0 {
                let _ = self.place.storage.remove(&path);
            }
            return Err(error);
        }
        self.has_spare.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Gives the spare space back, and what is prepared for the next segment; says whether there was any.
    pub(super) fn give_back_spare(&self) -> bool {
        let prepared = self.prepared.lock().take();
        let was_prepared = prepared.is_some();
        if let Some(prepared) = prepared {
            prepared.discard(&self.place);
        }
        self.has_spare.store(false, Ordering::Relaxed);
        let removed = self.place.storage.remove(&self.place.dir.join(SPARE_NAME));
        removed.is_ok() || was_prepared
    }
}
