//! The bell of a log: its writer hangs it up, and readers in other processes listen to it.

use super::files::Directory;
use crate::Result;
use crate::format::BELL_NAME;
use crate::sys::{BELL_LEN, Bell, Open};

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
        let made = file.reserve(0, BELL_LEN).and_then(|()| file.bell());
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
            self.health.changes().listen_to(self.find_bell().ok());
        }
    }

    fn find_bell(&self) -> Result<Bell> {
        self.dir.open(BELL_NAME, Open::Write)?.bell()
    }

    /// Listens no more, because the log is closed.
    pub(crate) fn stop_listening(&self) {
        self.health.changes().listen_to(None);
    }
}
