//! A log in memory with a queue beside it, and a clock that stands still.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use duramen::queue::{Job, Queue, QueueOptions};
use duramen::{Error, Log, ManualClock, MemoryLog, NewMessage, Options, Result, Start, Timestamp};
use tempfile::TempDir;

pub(super) type MemoryQueue = Queue<Arc<MemoryLog>>;

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) struct Bench {
    home: TempDir,
    pub(super) clock: Arc<ManualClock>,
    pub(super) log: Arc<MemoryLog>,
    pub(super) dead: Arc<MemoryLog>,
}

impl Bench {
    /// A log of so many messages: their numbers.
    pub(super) fn new(count: u64) -> Bench {
        let bench = Bench {
            home: tempfile::tempdir().expect("a directory"),
            clock: Arc::new(ManualClock::new(Timestamp::from_micros(1_000_000_000))),
            log: Arc::default(),
            dead: Arc::default(),
        };
        (0..count).for_each(|number| bench.publish(&number.to_string()));
        bench
    }

    /// Publishes a message with this value.
    pub(super) fn publish(&self, value: &str) {
        let message = NewMessage::value(value.as_bytes());
        self.log.publish(&[message]).expect("published");
    }

    /// Publishes a message with this key; its value is the same.
    pub(super) fn publish_key(&self, key: &str) {
        let message = NewMessage::new(key.as_bytes(), key.as_bytes());
        self.log.publish(&[message]).expect("published");
    }

    pub(super) fn dir(&self) -> PathBuf {
        self.home.path().join("queue")
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(super) fn options(&self) -> QueueOptions {
        QueueOptions::new().log(Options::new().clock(self.clock.clone()))
    }

    pub(super) fn open(&self) -> MemoryQueue {
        self.open_with(self.options())
    }

    pub(super) fn open_with(&self, options: QueueOptions) -> MemoryQueue {
        Queue::open(Arc::clone(&self.log), self.dir(), options).expect("opened")
    }

    /// A queue with dead letters.
    pub(super) fn open_with_letters(&self) -> MemoryQueue {
        self.open_with(
            self.options()
                .dead_letter_log(Arc::clone(&self.dead))
                .name("jobs"),
        )
    }

    pub(super) fn fail_to_open(&self) -> Error {
        Queue::open(Arc::clone(&self.log), self.dir(), self.options()).expect_err("an error")
    }

    /// The values of the letters.
    pub(super) fn letters(&self) -> Vec<String> {
        values(&*self.dead)
    }
}

/// The values in a log.
pub(super) fn values(log: &impl Log) -> Vec<String> {
    let batch = log.consume(Start::Oldest, 1000).expect("messages");
    batch
        .iter()
        .map(|message| text(message.value.as_deref()))
        .collect()
}

pub(super) fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8(bytes.unwrap_or_default().to_vec()).expect("a text")
}

/// The next job, if there is one now.
pub(super) fn poll<L: Log>(queue: &Queue<L>) -> Option<Job<L>> {
    queue.next(Some(Duration::ZERO)).expect("a look")
}

/// The next job, which is there.
pub(super) fn job<L: Log>(queue: &Queue<L>) -> Job<L> {
    poll(queue).expect("a job")
}

/// The offsets of all jobs that there are now. All are done.
pub(super) fn drain<L: Log>(queue: &Queue<L>) -> Vec<u64> {
    let mut offsets = Vec::new();
    while let Some(job) = poll(queue) {
        offsets.push(job.offset);
        job.done().expect("done");
    }
    offsets
}

pub(super) fn is_lost(result: &Result<()>) -> bool {
    matches!(result, Err(Error::LeaseLost { .. }))
}
