//! How a store is opened.

use std::time::Duration;

use super::config::StreamConfig;
use crate::Options;
use crate::sys::open_files_max;

/// How to open a [`Store`](super::Store).
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches that do not depend on each other"
)]
#[must_use]
pub struct StoreOptions {
    pub(super) create_dirs: bool,
    pub(super) read_only: bool,
    pub(super) create_on_publish: bool,
    pub(super) create_on_read: bool,
    pub(super) open_max: usize,
    pub(super) idle_after: Duration,
    pub(super) defaults: StreamConfig,
    pub(super) log: Options,
}

impl StoreOptions {
    /// The default options. Each setter names its default.
    pub fn new() -> StoreOptions {
        StoreOptions {
            create_dirs: false,
            read_only: false,
            create_on_publish: false,
            create_on_read: false,
            open_max: open_max_default(),
            idle_after: Duration::from_secs(30),
            defaults: StreamConfig::new(),
            log: Options::new(),
        }
    }

    /// Create the directory and its parents if they are missing. Default: false; opening a missing
    /// directory fails with [`Error::NoLog`](crate::Error::NoLog).
    pub fn create_dirs(mut self, create_dirs: bool) -> StoreOptions {
        self.create_dirs = create_dirs;
        self
    }

    /// Open for reading only, also while a writer has the store open: see
    /// [`Options::read_only`]. Default: false. Streams that the writer makes and deletes appear and
    /// go. A partition that no writer has used yet fails with
    /// [`Error::NoLog`](crate::Error::NoLog).
    pub fn read_only(mut self, read_only: bool) -> StoreOptions {
        self.read_only = read_only;
        self
    }

    /// Make a stream, as the defaults say, when somebody publishes to a name that has none.
    /// Default: false.
    pub fn create_on_publish(mut self, create: bool) -> StoreOptions {
        self.create_on_publish = create;
        self
    }

    /// Make a stream, as the defaults say, when somebody asks for a name that has none. Default:
    /// false.
    pub fn create_on_read(mut self, create: bool) -> StoreOptions {
        self.create_on_read = create;
        self
    }

    /// How many partitions may be open at a time, at least 1. Default: an eighth of the descriptors
    /// that the process may have, at most 1,024. When there are more, those are closed that were
    /// not used for longest. They are opened again when they are used.
    pub fn open_max(mut self, partitions: usize) -> StoreOptions {
        self.open_max = partitions.max(1);
        self
    }

    /// Close a partition that nobody has used, or waited for, for so long. Default: 30 seconds.
    /// A closed one has no descriptor and no mapping. Needs the
    /// [background](Options::background).
    pub fn idle_after(mut self, idle: Duration) -> StoreOptions {
        self.idle_after = idle;
        self
    }

    /// The configuration of streams that name no other. Default: nothing is named. It is baked into
    /// a stream when that is made or reconfigured.
    pub fn defaults(mut self, defaults: StreamConfig) -> StoreOptions {
        self.defaults = defaults;
        self
    }

    /// The options by which the partitions' logs are opened, for what no [`StreamConfig`] names:
    /// the clock, the listener, the rollover, mapped files and so on. Default: [`Options::new`].
    pub fn log(mut self, options: Options) -> StoreOptions {
        self.log = options;
        self
    }
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions::new()
    }
}

fn open_max_default() -> usize {
    const MOST: usize = 1024;
    (open_files_max() / 8).clamp(1, MOST)
}
