use std::path::Path;
use std::sync::atomic::AtomicU64;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, SharedString, Unit};

use crate::Job;

/// What a recorder has given one log for its metrics. Made once, because to look a metric up costs
/// more than to publish a message.
#[derive(Debug)]
pub(super) struct Handles {
    pub(super) published: Published,
    pub(super) durability: Durability,
    pub(super) removed: Removed,
    pub(super) recovered: Recovered,
    pub(super) failed: Failed,
    pub(super) state: State,
    pub(super) rollovers: Counter,
    pub(super) seals: Counter,
    pub(super) open_duration: Histogram,
}

#[derive(Debug)]
pub(super) struct Published {
    pub(super) batches: Counter,
    pub(super) messages: Counter,
    pub(super) bytes: Counter,
}

#[derive(Debug)]
pub(super) struct Durability {
    pub(super) sync_duration: Histogram,
    pub(super) publish_wait: Histogram,
    pub(super) sync_failures: Counter,
    pub(super) late_syncs: Counter,
}

#[derive(Debug)]
pub(super) struct Removed {
    pub(super) by_retention: RemovedBy,
    pub(super) by_trim: RemovedBy,
    pub(super) by_delete: RemovedBy,
    pub(super) retention_waits: Counter,
}

/// What was removed for one cause.
#[derive(Debug)]
pub(super) struct RemovedBy {
    pub(super) messages: Counter,
    pub(super) bytes: Counter,
}

#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) all: Counter,
    pub(super) lossy: Counter,
    pub(super) cut_bytes: Counter,
}

#[derive(Debug)]
pub(super) struct Failed {
    pub(super) jobs: [(Job, Counter); Job::ALL.len()],
    pub(super) poisonings: Counter,
}

/// What the log is like now.
#[derive(Debug)]
pub(super) struct State {
    pub(super) writable: Gauge,
    pub(super) start_offset: Gauge,
    pub(super) next_offset: Gauge,
    pub(super) synced_offset: Gauge,
    pub(super) segments: Gauge,
    pub(super) size: Gauge,
    /// See [`Listed`](super::Listed).
    pub(super) left_behind: AtomicU64,
}

impl Handles {
    /// Describes all metrics to the recorder that is installed now, and takes the handles of those
    /// of the log in `dir`.
    pub(super) fn of(dir: &Path) -> Handles {
        metrics::with_recorder(|recorder| {
            Registry {
                recorder,
                log: dir.display().to_string().into(),
            }
            .handles()
        })
    }
}

/// Where the metrics of one log are registered.
struct Registry<'a> {
    recorder: &'a dyn Recorder,
    /// The value of the label `log`.
    log: SharedString,
}

/// A label beside `log`.
type Extra = Option<(&'static str, &'static str)>;

static METADATA: Metadata<'static> = Metadata::new("duramen", Level::INFO, Some(module_path!()));

impl Registry<'_> {
    fn handles(&self) -> Handles {
        Handles {
            published: self.published(),
            durability: self.durability(),
            removed: self.removed(),
            recovered: self.recovered(),
            failed: self.failed(),
            state: self.state(),
            rollovers: self.count(
                "duramen_rollovers_total",
                "Segments left behind because they were full or old",
            ),
            seals: self.count(
                "duramen_seals_total",
                "Segments left behind that were synced, cut and given their index files",
            ),
            open_duration: self.seconds("duramen_open_duration_seconds", "Time that opening the log took"),
        }
    }

    fn published(&self) -> Published {
        Published {
            batches: self.count("duramen_published_batches_total", "Batches appended"),
            messages: self.count(
                "duramen_published_messages_total",
                "Messages appended, without control records",
            ),
            bytes: self.counter(
                "duramen_published_bytes_total",
                Unit::Bytes,
                "Bytes appended to segments, with the frames around messages",
                None,
            ),
        }
    }

    fn durability(&self) -> Durability {
        Durability {
            sync_duration: self.seconds(
                "duramen_sync_duration_seconds",
                "Time of each successful sync of everything that was written",
            ),
            publish_wait: self.seconds(
                "duramen_publish_wait_seconds",
                "Time that a publisher waited for stable storage",
            ),
            sync_failures: self.count(
                "duramen_sync_failures_total",
                "Failed syncs of everything that was written",
            ),
            late_syncs: self.count(
                "duramen_late_syncs_total",
                "Times that paced syncs have fallen behind their pace",
            ),
        }
    }

    fn removed(&self) -> Removed {
        let by = |cause| RemovedBy {
            messages: self.counter(
                "duramen_removed_messages_total",
                Unit::Count,
                "Messages removed",
                Some(("cause", cause)),
            ),
            bytes: self.counter(
                "duramen_removed_bytes_total",
                Unit::Bytes,
                "Bytes of files that removing messages has freed",
                Some(("cause", cause)),
            ),
        };
        Removed {
            by_retention: by("retention"),
            by_trim: by("trim"),
            by_delete: by("delete"),
            retention_waits: self.count(
                "duramen_retention_waits_total",
                "Times that retention by age was about to remove more than half of the log, and waited",
            ),
        }
    }

    fn recovered(&self) -> Recovered {
        Recovered {
            all: self.count(
                "duramen_recoveries_total",
                "Times that opening has recovered a log that was not closed",
            ),
            lossy: self.count(
                "duramen_lossy_recoveries_total",
                "Recoveries that have dropped messages that were on stable storage",
            ),
            cut_bytes: self.counter(
                "duramen_recovery_cut_bytes_total",
                Unit::Bytes,
                "Bytes behind the end of the log that recoveries have cut off",
                None,
            ),
        }
    }

    fn failed(&self) -> Failed {
        let counter = |job: Job| {
            self.counter(
                "duramen_job_failures_total",
                Unit::Count,
                "Work in the background that failed",
                Some(("job", job.name())),
            )
        };
        Failed {
            jobs: Job::ALL.map(|job| (job, counter(job))),
            poisonings: self.count(
                "duramen_poisonings_total",
                "Times that a failed write or sync has poisoned a handle",
            ),
        }
    }

    fn state(&self) -> State {
        let count = |name, description| self.gauge(name, Unit::Count, description);
        State {
            writable: count(
                "duramen_writable",
                "1 while the log is open and takes messages, 0 once it is poisoned or closed",
            ),
            start_offset: count("duramen_start_offset", "Offset that the log begins at"),
            next_offset: count("duramen_next_offset", "Offset that the next message gets"),
            synced_offset: count(
                "duramen_synced_offset",
                "Offset below which all messages are on stable storage",
            ),
            segments: count("duramen_segments", "Segments of the log"),
            size: self.gauge(
                "duramen_size_bytes",
                Unit::Bytes,
                "Bytes of the files of the segments, with their indexes, without reserved space",
            ),
            left_behind: AtomicU64::new(0),
        }
    }

    fn count(&self, name: &'static str, description: &'static str) -> Counter {
        self.counter(name, Unit::Count, description, None)
    }

    fn counter(&self, name: &'static str, unit: Unit, description: &'static str, extra: Extra) -> Counter {
        self.recorder
            .describe_counter(name.into(), Some(unit), description.into());
        self.recorder.register_counter(&self.key(name, extra), &METADATA)
    }

    fn gauge(&self, name: &'static str, unit: Unit, description: &'static str) -> Gauge {
        self.recorder
            .describe_gauge(name.into(), Some(unit), description.into());
        self.recorder.register_gauge(&self.key(name, None), &METADATA)
    }

    fn seconds(&self, name: &'static str, description: &'static str) -> Histogram {
        self.recorder
            .describe_histogram(name.into(), Some(Unit::Seconds), description.into());
        self.recorder.register_histogram(&self.key(name, None), &METADATA)
    }

    fn key(&self, name: &'static str, extra: Extra) -> Key {
        let mut labels = vec![Label::new("log", self.log.clone())];
        labels.extend(extra.map(|(key, value)| Label::from_static_parts(key, value)));
        Key::from_parts(name, labels)
    }
}
