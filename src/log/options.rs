use std::sync::Arc;

use super::{Clock, Durability, Retention, SystemClock};

/// How a log is opened: a builder like [`std::fs::OpenOptions`], with by-value setters.
///
/// Options may change between opens. Turning an index on builds it from the messages, turning it off drops it;
/// neither loses data.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches that do not depend on each other"
)]
#[must_use]
pub struct Options {
    pub(crate) create_dirs: bool,
    pub(crate) read_only: bool,
    pub(crate) key_index: bool,
    pub(crate) time_index: bool,
    pub(crate) durability: Durability,
    pub(crate) rollover: u64,
    pub(crate) check: bool,
    pub(crate) recover: bool,
    pub(crate) segments_mapped_max: usize,
    pub(crate) background: bool,
    pub(crate) retention: Retention,
    pub(crate) environment: Environment,
}

/// What a log uses of the system it runs on, where a test may put something else in its place.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    pub(crate) clock: Arc<dyn Clock>,
    #[cfg(feature = "fault")]
    pub(crate) disk: Option<crate::fault::SimDisk>,
}

impl Options {
    /// Bytes after which a segment is sealed, unless set otherwise: 64 MiB.
    pub const ROLLOVER_DEFAULT: u64 = 64 << 20;
    /// The smallest and largest [`rollover`](Options::rollover): 1 KiB and 2 GiB.
    pub const ROLLOVER_RANGE: std::ops::RangeInclusive<u64> = 1 << 10..=2 << 30;

    /// The defaults, which are given at the setters.
    pub fn new() -> Options {
        Options {
            create_dirs: false,
            read_only: false,
            key_index: false,
            time_index: false,
            durability: Durability::default(),
            rollover: Options::ROLLOVER_DEFAULT,
            check: false,
            recover: false,
            segments_mapped_max: 4096,
            background: true,
            retention: Retention::new(),
            environment: Environment {
                clock: Arc::new(SystemClock),
                #[cfg(feature = "fault")]
                disk: None,
            },
        }
    }

    /// Create the directory, and those above it, if they are missing. Default: false, a missing directory is
    /// [`Error::NoLog`](crate::Error::NoLog).
    pub fn create_dirs(mut self, create_dirs: bool) -> Options {
        self.create_dirs = create_dirs;
        self
    }

    /// Open for reading only, side by side with other readers; nothing on disk is changed, and no permission to
    /// write is needed. Default: false.
    ///
    /// A log that was not closed is read up to its last complete batch.
    pub fn read_only(mut self, read_only: bool) -> Options {
        self.read_only = read_only;
        self
    }

    /// Keep an index from keys to messages. Default: false.
    pub fn key_index(mut self, key_index: bool) -> Options {
        self.key_index = key_index;
        self
    }

    /// Keep an index from times to messages. Default: false.
    pub fn time_index(mut self, time_index: bool) -> Options {
        self.time_index = time_index;
        self
    }

    /// When messages become durable. Default: [`Durability::Os`].
    pub fn durability(mut self, durability: Durability) -> Options {
        self.durability = durability;
        self
    }

    /// Bytes after which a segment is sealed and a new one started, within
    /// [`ROLLOVER_RANGE`](Options::ROLLOVER_RANGE). Default: [`ROLLOVER_DEFAULT`](Options::ROLLOVER_DEFAULT).
    ///
    /// A batch never spans two segments; one that is larger gets a segment of its own size.
    pub fn rollover(mut self, bytes: u64) -> Options {
        self.rollover = bytes;
        self
    }

    /// Verify every record of the active segment while opening, and fail with
    /// [`Error::Corrupt`](crate::Error::Corrupt) at the first damaged one. Default: false; records are verified
    /// whenever they are read in any case.
    pub fn check(mut self, check: bool) -> Options {
        self.check = check;
        self
    }

    /// Cut the log at the first damaged record of the active segment while opening, instead of failing. Default:
    /// false. What is cut off is kept in the subfolder `quarantine`, and the epoch goes up.
    ///
    /// Where segments are missing in front of the first one there is no record to cut at: that stays an error, and
    /// [`recover`](crate::recover) makes the log usable.
    pub fn recover(mut self, recover: bool) -> Options {
        self.recover = recover;
        self
    }

    /// How many sealed segments may be mapped at a time, at least 1; each takes up to two mappings. Default: 4,096.
    pub fn segments_mapped_max(mut self, segments: usize) -> Options {
        self.segments_mapped_max = segments;
        self
    }

    /// Whether space is prepared, segments sealed and paced syncs made on a background thread (one for all logs of
    /// the process) or by the threads that publish. Default: true. Paced durability needs it.
    pub fn background(mut self, background: bool) -> Options {
        self.background = background;
        self
    }

    /// What the log keeps. Default: everything.
    pub fn retention(mut self, retention: Retention) -> Options {
        self.retention = retention;
        self
    }

    /// The wall clock that the log reads. Default: [`SystemClock`]. See [`Clock`] for what it is used
    /// for; a test may set a [`ManualClock`](crate::ManualClock).
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Options {
        self.environment.clock = clock;
        self
    }

    /// Keep the log on a simulated disk, which records every operation and fails on command.
    #[cfg(feature = "fault")]
    #[doc(hidden)]
    pub fn storage(mut self, disk: &crate::fault::SimDisk) -> Options {
        self.environment.disk = Some(disk.clone());
        self
    }
}

impl Default for Options {
    fn default() -> Options {
        Options::new()
    }
}
