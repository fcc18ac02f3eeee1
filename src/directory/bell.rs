//! The bell of a log: its writer hangs it up, and readers in other processes listen to it.

use super::files::Directory;
use crate::Result;
use crate::format::BELL_NAME;
use crate::sys::{BELL_LEN, Bell, Open};

/// Where the file says which one it is, behind the words, and in how many bytes.
const ORIGINAL_AT: u64 = 8;
const ORIGINAL_LEN: usize = 24;

impl Directory {
    /// Has this handle, which has the log open for writing, wake readers in other processes. Where
    /// there is no way or no space for that, they look again after a while.
    pub(crate) fn hang_bell(&self) {
        if self.dir.has_bells()
            && let Ok(bell) = self.make_bell()
        {
            self.health.changes().ring_too(bell);
        }
    }

    fn make_bell(&self) -> Result<Bell> {
        let file = self.dir.create_anew(BELL_NAME)?;
        // Stores need blocks.
        let made = file
            .reserve(0, BELL_LEN)
            .and_then(|()| file.write_at(ORIGINAL_AT, &self.bell_itself()?))
            .and_then(|()| file.bell());
        if made.is_err() {
            let _ = self.dir.remove(BELL_NAME);
        }
        made
    }

    /// Removes the bell, because the log is closed. One that stays does no harm.
    pub(crate) fn take_bell_down(&self) {
        if self.health.changes().ring_no_more() {
            let _ = self.dir.remove(BELL_NAME);
        }
    }

    /// Has this handle, which only reads, listen to the writer's bell, if there is one and this
    /// process may write to it.
    pub(crate) fn listen_to_bell(&self) {
        if self.dir.has_bells() {
            self.health.changes().listen_to(self.find_bell().ok().flatten());
        }
    }

    fn find_bell(&self) -> Result<Option<Bell>> {
        let file = self.dir.open(BELL_NAME, Open::Write)?;
        let mut original = [0; ORIGINAL_LEN];
        file.read_at(ORIGINAL_AT, &mut original)?;
        // A copy may have no blocks of its own: on a full disk, a store would kill the process.
        if original == self.bell_itself()? {
            file.bell().map(Some)
        } else {
            Ok(None)
        }
    }

    /// What is written to the bell, so that a copy of the file can be told from it.
    fn bell_itself(&self) -> Result<[u8; ORIGINAL_LEN]> {
        let id = self.dir.identity_of(BELL_NAME)?.unwrap_or_default();
        let mut bytes = [0; ORIGINAL_LEN];
        for (to, number) in bytes.chunks_exact_mut(8).zip([id.device, id.inode, id.made]) {
            to.copy_from_slice(&number.to_le_bytes());
        }
        Ok(bytes)
    }

    /// Listens no more, because the log is closed.
    pub(crate) fn stop_listening(&self) {
        self.health.changes().listen_to(None);
    }
}
