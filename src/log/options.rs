use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use parking_lot::Mutex;

#[cfg(feature = "fault")]
use super::ManualClock;
use super::{
    Aging, Changes, Clock, Durability, Event, Listener, Retention, RetentionFloor, SystemClock, Tally,
    TimestampPolicy,
};
use crate::MappedFiles;
#[cfg(feature = "fault")]
use crate::Timestamp;
use crate::scheduler::Scheduler;

/// How to open a log: a builder like [`std::fs::OpenOptions`] whose setters take it by value.
///
/// A log may be opened with different options each time. Turning an index on builds it from the
/// messages, and turning it off removes it. Neither loses messages. An index that is not named is
/// as the directory has it. All other options hold for the handle: where one is not named, it has
/// its default.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches that do not depend on each other"
)]
#[must_use]
pub struct Options {
    pub(crate) create_dirs: bool,
    pub(crate) read_only: bool,
    /// `None`: as the directory has it.
    pub(crate) key_index: Option<bool>,
    pub(crate) time_index: Option<bool>,
    pub(crate) durability: Durability,
    pub(crate) rollover: u64,
    pub(crate) check: bool,
    pub(crate) recover: bool,
    pub(crate) segments_mapped_max: usize,
    pub(crate) background: bool,
    pub(crate) admission: Admission,
    pub(crate) environment: Environment,
}

/// Which messages the log takes and keeps, and with which times.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Admission {
    pub(crate) retention: Retention,
    pub(crate) require_token: bool,
    pub(crate) timestamps: TimestampPolicy,
}

/// What retention shares with others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Retaining {
    /// Up to where all who need the log's messages have read them, if anybody says.
    pub(crate) floor: Option<RetentionFloor>,
    /// What is known of the age of the log's messages, where that outlasts the handle.
    pub(crate) aging: Option<Arc<Mutex<Aging>>>,
}

/// What surrounds a log: who else uses it, parts of the system that a test may replace, and who is
/// told what happens.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    /// How long to wait for others who have the log open.
    pub(crate) lock_timeout: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) listener: Listener,
    /// Of the log's files, no more than these are mapped.
    pub(crate) mapped_files: MappedFiles,
    /// Gives the log its turns in the background. None: that which all logs of the process share.
    pub(crate) scheduler: Option<Scheduler>,
    /// Who is told of the log's changes besides those who wait at its own handle.
    pub(crate) changes: Option<Arc<Changes>>,
    pub(crate) retaining: Retaining,
    /// The number of the metadata that this process has last brought to stable storage, where that
    /// outlasts the handle; 0 if that is none or not known.
    pub(crate) durable_metadata: Option<Arc<AtomicU64>>,
    /// Whether the names that lead to the log's directory are known to be durable.
    pub(crate) is_path_durable: bool,
    /// Whether the log is opened for a moment only, for nothing that readers wait for. This handle
    /// does not wake them, and does with as few changes to the directory as it can.
    pub(crate) is_brief: bool,
    /// Counts what happens to the log, where that outlasts the handle.
    pub(crate) tally: Option<Arc<dyn Tally>>,
    #[cfg(feature = "fault")]
    pub(crate) disk: Option<crate::fault::SimDisk>,
}

impl Options {
    /// The default of [`rollover`](Options::rollover): 64 MiB.
    pub const ROLLOVER_DEFAULT: u64 = 64 << 20;
    /// The smallest and largest [`rollover`](Options::rollover): 1 KiB and 2 GiB.
    pub const ROLLOVER_RANGE: std::ops::RangeInclusive<u64> = 1 << 10..=2 << 30;

    /// The default options. Each setter names its default.
    pub fn new() -> Options {
        Options {
            create_dirs: false,
            read_only: false,
            key_index: None,
            time_index: None,
            durability: Durability::default(),
            rollover: Options::ROLLOVER_DEFAULT,
            check: false,
            recover: false,
            segments_mapped_max: 4096,
            background: true,
            admission: Admission::default(),
            environment: Environment {
                lock_timeout: Duration::ZERO,
                clock: Arc::new(SystemClock),
                listener: Listener::default(),
                mapped_files: MappedFiles::All,
                scheduler: None,
                changes: None,
                retaining: Retaining::default(),
                durable_metadata: None,
                is_path_durable: false,
                is_brief: false,
                tally: None,
                #[cfg(feature = "fault")]
                disk: None,
            },
        }
    }

    /// Create the directory and its parents if they are missing. Default: false; opening a missing
    /// directory fails with [`Error::NoLog`](crate::Error::NoLog).
    pub fn create_dirs(mut self, create_dirs: bool) -> Options {
        self.create_dirs = create_dirs;
        self
    }

    /// Open for reading only, also while a writer has the log open, here or in another process.
    /// Default: false.
    ///
    /// Such a handle takes no lock, so it is in nobody's way. It needs no permission to write, and
    /// writes nothing but a word of the file `bell`. Each call looks first what the writer has
    /// changed: it shows all that is visible, and with [`EachPublish`](Durability::EachPublish) all
    /// that is durable. It goes on when the writer rolls over, trims, deletes, compacts, closes the
    /// log or dies, and when another one opens it. If nothing has changed, a look costs some
    /// 2 microseconds.
    ///
    /// Who waits for messages ([`BlockingLog`](crate::BlockingLog)) is woken by the writer, also in
    /// another process, if the system is Linux, all files of the log are mapped
    /// ([`mapped_files`](Options::mapped_files)) and this process may write to the file `bell` in
    /// the log's directory. It is woken every 5 ms at most, so it gets messages that come faster
    /// several at a time. If it cannot be woken, it looks again after 1 to 20 ms.
    ///
    /// Between two calls the handle keeps open what it has open. So the space of a segment that was
    /// trimmed is free when its readers have made their next call, [`gc`](crate::Log::gc) for
    /// instance, or are closed.
    ///
    /// If messages that the handle has shown are lost, by a recovery that has to drop some, each
    /// later call fails with [`EpochChanged`](crate::Error::EpochChanged).
    ///
    /// A log that was not closed is read up to its last complete batch; with `EachPublish`, if it
    /// was written to in this boot of the machine, up to the last one that is known to be durable.
    /// On a full disk, the last messages that were acknowledged before the process died may be
    /// hidden; the next writer shows them.
    pub fn read_only(mut self, read_only: bool) -> Options {
        self.read_only = read_only;
        self
    }

    /// Keep a key index, which finds messages by their key. Default: as the log was opened for
    /// writing last; a new log has none.
    ///
    /// The log's metadata says so durably once opening it for writing has returned.
    ///
    /// If the log has messages and no such index, each segment of it is read once. A writer does
    /// that in the background, and goes on in its next life if it is closed before; a lookup reads
    /// the segments that it needs at once. A log that is open for reading only keeps what it builds
    /// in memory, so each such handle builds it anew. Closing does not wait for the rest.
    pub fn key_index(mut self, key_index: bool) -> Options {
        self.key_index = Some(key_index);
        self
    }

    /// Keep a time index, which finds messages by their time. Default: as the log was opened for
    /// writing last; a new log has none. For a log that has none yet, see
    /// [`key_index`](Options::key_index).
    pub fn time_index(mut self, time_index: bool) -> Options {
        self.time_index = Some(time_index);
        self
    }

    /// When messages become durable. Default: [`Durability::Os`].
    pub fn durability(mut self, durability: Durability) -> Options {
        self.durability = durability;
        self
    }

    /// The size in bytes at which a segment is sealed and a new one begun, within
    /// [`ROLLOVER_RANGE`](Options::ROLLOVER_RANGE). Default:
    /// [`ROLLOVER_DEFAULT`](Options::ROLLOVER_DEFAULT).
    ///
    /// A batch never spans two segments. A batch larger than this size gets a larger segment of its
    /// own.
    pub fn rollover(mut self, bytes: u64) -> Options {
        self.rollover = bytes;
        self
    }

    /// Verify every record of the active segment while opening, and fail with
    /// [`Error::Corrupt`](crate::Error::Corrupt) at the first damaged one. Default: false. Reading
    /// a record always verifies it, whatever this option says.
    pub fn check(mut self, check: bool) -> Options {
        self.check = check;
        self
    }

    /// While opening, cut the log at the first damaged record of the active segment instead of
    /// failing. Default: false. The part cut off is kept in the subfolder `quarantine`, and the
    /// epoch is increased.
    ///
    /// If segments before the first one are missing, there is no record to cut at and opening
    /// fails. [`recover`](crate::recover) makes such a log usable.
    pub fn recover(mut self, recover: bool) -> Options {
        self.recover = recover;
        self
    }

    /// How many sealed segments may be mapped into memory at a time, at least 1. Each takes
    /// two mappings, or four if it is read in order. Default: 4,096.
    ///
    /// Where nothing is mapped ([`mapped_files`](Options::mapped_files)), it is how many may be
    /// open. Each takes two descriptors, and all together at most a quarter of those that the
    /// process may have.
    pub fn segments_mapped_max(mut self, segments: usize) -> Options {
        self.segments_mapped_max = segments;
        self
    }

    /// Map no more than these of the log's files. Default: [`All`](MappedFiles::All). Never more
    /// are mapped than is safe on the file system that the directory is on: on btrfs, ZFS and
    /// bcachefs [`Sealed`](MappedFiles::Sealed), on NFS, SMB, 9P, virtiofs and FUSE
    /// [`Nothing`](MappedFiles::Nothing). [`Stats::mapped_files`](crate::Stats::mapped_files) says
    /// which are.
    ///
    /// Where calls take the place of mappings, everything is as safe, and slower. A mapping kills
    /// the process if the device goes away, or if somebody else shortens a file; a call fails. So
    /// this is also for devices that may go away, and for file systems that the library cannot
    /// recognise, such as one in user space below an overlay. It holds for the handle.
    pub fn mapped_files(mut self, at_most: MappedFiles) -> Options {
        self.environment.mapped_files = at_most;
        self
    }

    /// Prepare space, seal segments, make paced syncs and apply retention on a background thread.
    /// The logs of a process that are on the same file system share one; so a disk that hangs holds
    /// up no log elsewhere. Default: true. If false, the publishing threads do this work,
    /// [`retention`](Options::retention) is not applied by time, and [`Durability::Interval`] and
    /// [`Durability::Bytes`] cannot be used.
    pub fn background(mut self, background: bool) -> Options {
        self.background = background;
        self
    }

    /// Which messages the log keeps. Default: all of them.
    pub fn retention(mut self, retention: Retention) -> Options {
        self.admission.retention = retention;
        self
    }

    /// Up to where all who need the log's messages have read them. It counts where the
    /// [retention](Options::retention) is to [keep](Retention::keep_unread) what was not read.
    /// Default: at offset 0.
    pub fn retention_floor(mut self, floor: &RetentionFloor) -> Options {
        self.environment.retaining.floor = Some(floor.clone());
        self
    }

    /// While the log's token is not empty, refuse a publish without a token:
    /// [`Error::Fenced`](crate::Error::Fenced). One that sets a token itself is not refused:
    /// anybody may take over. This holds for the handle; set it at each opening. Default: false; a
    /// publish without a token is not checked.
    pub fn require_token(mut self, required: bool) -> Options {
        self.admission.require_token = required;
        self
    }

    /// Which times messages get. This holds for the handle; set it at each opening. Default:
    /// [`TimestampPolicy::AsGiven`].
    pub fn timestamps(mut self, policy: TimestampPolicy) -> Options {
        self.admission.timestamps = policy;
        self
    }

    /// How long opening for writing waits for the log while another writer has it open, before it
    /// fails with
    /// [`Error::Locked`](crate::Error::Locked). Default: zero, which fails at once.
    ///
    /// The log is tried again after short pauses, so whoever waits is not sure to be the next. This
    /// holds for [`recover`](crate::recover()), too. Reading never waits.
    pub fn lock_timeout(mut self, timeout: Duration) -> Options {
        self.environment.lock_timeout = timeout;
        self
    }

    /// Tell `listener` what happens in the background, with the directory of the log that it
    /// happens to. Default: nobody is told.
    ///
    /// What happens is told in its order, soon after it happened, and while no lock of the log is
    /// held: the listener may use the log, and also publish to it or close it. It is called on a
    /// thread that all logs of the process share for this, so it should return soon. With
    /// [`background`](Options::background) false, and for what is left when the log is closed, it
    /// is called on the thread that uses the log, before the call returns. What happens while 4,096
    /// events wait for a listener is not told.
    ///
    /// The log keeps the listener. One that needs the log should have a [`Weak`](std::sync::Weak)
    /// reference to it, or the log is never dropped.
    pub fn on_event(mut self, listener: impl Fn(&Path, &Event) + Send + Sync + 'static) -> Options {
        self.environment.listener = Listener::new(listener);
        self
    }

    /// The clocks of the log; see [`Clock`] for its uses. Default: [`SystemClock`]. A test may
    /// set a [`ManualClock`](crate::ManualClock).
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Options {
        self.environment.clock = clock;
        self
    }

    /// Keep the log on a simulated disk, which records every operation and injects faults. The
    /// clock stands still from now on, so that the same operations give the same bytes.
    #[cfg(feature = "fault")]
    #[doc(hidden)]
    pub fn storage(mut self, disk: &crate::fault::SimDisk) -> Options {
        const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
        self.environment.disk = Some(disk.clone());
        self.environment.clock = Arc::new(ManualClock::new(NOW));
        self
    }
}

impl Default for Options {
    fn default() -> Options {
        Options::new()
    }
}
