//! What tells that a log may go on with other messages than somebody has seen.

use crate::Result;
use crate::format::Meta;
use crate::sys::{Dir, FileId, LOCK_NAME, Open, UNKNOWN_BOOT, found};
use crate::types::LifeId;

/// Where this process uses a log: in which boot of the machine, and beside which `LOCK` file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home {
    pub(crate) boot: [u8; 16],
    /// All zeros if there is no such file, which only a reader meets.
    pub(crate) lock: FileId,
    /// Whether a sync has failed since the lives were last judged.
    has_sync_failed: bool,
}

impl Home {
    pub(crate) fn of(dir: &Dir) -> Result<Home> {
        let lock = dir.identity_of(LOCK_NAME)?;
        let has_sync_failed = lock.is_some() && dir.len_of(LOCK_NAME)? > 0;
        Ok(Home {
            boot: dir.boot_id(),
            lock: lock.unwrap_or_default(),
            has_sync_failed,
        })
    }

    /// Whether the metadata is that of a log in another directory, of which this one is a copy.
    pub(crate) fn is_copy(&self, meta: &Meta) -> bool {
        meta.lock != self.lock || self.lock == FileId::default()
    }

    /// Whether the log was written to last in this boot.
    fn is_this_boot(&self, meta: &Meta) -> bool {
        meta.boot == self.boot && self.boot != UNKNOWN_BOOT
    }

    /// Whether readers of a log that was not closed see only what is proven to be durable. After a
    /// power cut or a failed sync, what is there is all that there will be, proven or not.
    pub(crate) fn shows_only_durable(&self, meta: &Meta) -> bool {
        meta.visible_is_durable && self.is_this_boot(meta) && !self.has_sync_failed
    }

    /// Whether messages that were visible may be gone from a log that was not closed.
    pub(crate) fn may_have_lost(&self, meta: &Meta) -> bool {
        !meta.visible_is_durable && (!self.is_this_boot(meta) || self.has_sync_failed)
    }

    /// Says that a life begins here.
    pub(crate) fn begin_life(&self, meta: &mut Meta, id: LifeId, begin: u64) {
        meta.lives.begin(id, begin);
        meta.lock = self.lock;
    }

    /// Says that the log is written to in this boot.
    pub(crate) fn note_boot(&self, meta: &mut Meta) {
        meta.boot = self.boot;
    }

    /// Takes back that a sync has failed, once the metadata says which life goes on.
    pub(crate) fn forgive(&self, dir: &Dir) -> Result<()> {
        if self.has_sync_failed {
            dir.open(LOCK_NAME, Open::Write)?.set_len(0)?;
        }
        Ok(())
    }
}

/// Leaves word, in the length of the `LOCK` file, that a sync has failed: the system may drop what
/// was visible although it goes on running. That needs no space, and no later sync. Whether it
/// worked does not matter to the caller, who has failed already.
pub(super) fn note_failed_sync(dir: &Dir) {
    if let Ok(Some(file)) = found(dir.open(LOCK_NAME, Open::Write)) {
        let _ = file.set_len(1);
    }
}
