use std::sync::Arc;

use parking_lot::Mutex;

use super::files::Directory;
use super::home::Home;
use super::metadata::MetaStore;
use crate::Result;
use crate::format::Meta;

/// The metadata of an open log. It is written by one thread at a time.
///
/// A failed sync of the metadata poisons the log. After any other error the log is as before.
#[derive(Debug)]
pub(crate) struct LiveMetadata {
    directory: Arc<Directory>,
    store: Mutex<MetaStore>,
    home: Home,
}

impl LiveMetadata {
    pub(crate) fn new(directory: &Arc<Directory>, store: MetaStore, home: Home) -> LiveMetadata {
        LiveMetadata {
            directory: Arc::clone(directory),
            store: Mutex::new(store),
            home,
        }
    }

    /// The metadata as it is now. Waits for a write that is under way.
    pub(crate) fn current(&self) -> Meta {
        self.store.lock().current().clone()
    }

    /// One thing that the metadata says now. Waits for a write that is under way.
    pub(crate) fn get<T>(&self, get: impl FnOnce(&Meta) -> T) -> T {
        get(self.store.lock().current())
    }

    /// Takes over what another handle has written.
    pub(crate) fn learn(&self, meta: Meta) {
        self.store.lock().learn(meta);
    }

    /// Whether both copies have every change that was to be in both.
    pub(crate) fn is_in_both(&self) -> bool {
        self.store.lock().is_in_both()
    }

    /// Has both copies say that there may be offsets without a message, if they do not yet.
    pub(crate) fn note_gaps(&self) -> Result<()> {
        let is_noted = {
            let store = self.store.lock();
            store.current().has_gaps && store.is_in_both()
        };
        if is_noted {
            return Ok(());
        }
        self.write_both(|meta| meta.has_gaps = true)
    }

    /// Writes one copy, durably; see [`MetaStore::write`].
    pub(crate) fn write(&self, change: impl FnOnce(&mut Meta)) -> Result<()> {
        let written = self.store.lock().write(|meta| {
            change(meta);
            self.home.note_boot(meta);
        });
        self.directory.health.poison_on_failed_sync(written)
    }

    /// Writes both copies, durably; see [`MetaStore::write_both`].
    pub(crate) fn write_both(&self, change: impl FnOnce(&mut Meta)) -> Result<()> {
        let written = self.store.lock().write_both(|meta| {
            change(meta);
            self.home.note_boot(meta);
        });
        self.directory.health.poison_on_failed_sync(written)
    }
}
