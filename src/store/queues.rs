//! The work queues of a store's streams.

use std::sync::Arc;

use super::catalog::options_of_queue;
use super::config::StreamConfig;
use super::handle::Store;
use super::partition_log::PartitionLog;
use super::stream::Stream;
use crate::queue::{DeadLetter, Queue, QueueOptions, Sources};
use crate::{Error, Result};

/// A group's name has at most so many bytes, because its directory has twice as many.
const GROUP_LEN_MAX: usize = 100;

impl Store {
    /// Opens the work queue of a group: its workers share the messages of all partitions of a
    /// stream. What becomes of them is kept in the store, and goes with the stream. Several groups
    /// get all messages each.
    ///
    /// One handle has the queue open, with clones for more workers. [Close](Queue::close) it, or
    /// drop it, before the store is opened again.
    ///
    /// ```
    /// use std::time::Duration;
    /// use duramen::queue::QueueOptions;
    /// use duramen::store::{Partitioner, StoreOptions, StreamConfig};
    /// use duramen::{NewMessage, PublishOptions};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// # let home = tempfile::tempdir().unwrap();
    /// # let dir = home.path().join("store");
    /// let store = StoreOptions::new().create_dirs(true).open(&dir)?;
    /// store.create("jobs", &StreamConfig::new())?;
    /// let jobs = store.stream("jobs")?;
    /// jobs.publish(NewMessage::value(b"resize"), &Partitioner::Key, &PublishOptions::new())?;
    ///
    /// let how = QueueOptions::new().attempts_max(3).dead_letter("jobs.dead");
    /// let queue = store.queue("jobs", "workers", how)?;
    /// let job = queue.next(Some(Duration::ZERO))?.expect("a job");
    /// job.bury("nobody knows how")?;
    /// assert_eq!(store.stream("jobs.dead")?.partition(0)?.next_offset()?, 1);
    /// # use duramen::Log;
    /// queue.close()?;
    /// store.close()
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Queue::open`], of [`stream`](Store::stream), and of [`create`](Store::create) for
    /// dead letters; [`ReadOnly`](Error::ReadOnly); [`Invalid`](Error::Invalid) for a group whose
    /// name does not have from 1 to 100 bytes, and for dead letters that go to the stream itself.
    pub fn queue(&self, stream: &str, group: &str, options: QueueOptions) -> Result<Queue<PartitionLog>> {
        if !(1..=GROUP_LEN_MAX).contains(&group.len()) {
            return Err(Error::Invalid("the name of a group has from 1 to 100 bytes"));
        }
        self.inner.check_writable()?;
        let source = self.stream(stream)?;
        let logs = partitions(&source)?;
        let letters = match &options.dead_letter {
            None => Vec::new(),
            Some(DeadLetter::Log(log)) => vec![Arc::clone(log)],
            Some(DeadLetter::Stream(name)) if name == stream => {
                return Err(Error::Invalid("a stream cannot take its own dead letters"));
            }
            Some(DeadLetter::Stream(name)) => {
                let letters = partitions(&self.stream_or_new(name)?)?;
                letters.into_iter().map(|log| Arc::new(log) as _).collect()
            }
        };
        let own = &self.inner.options.log;
        let directory = hexadecimal(group);
        let dir = self.inner.layout.make_queue(source.id()?, &directory)?;
        let log = options_of_queue(own, options.durability).open_in(&dir)?;
        let sources = Sources {
            logs,
            letters,
            stream: stream.to_owned(),
            group: group.to_owned(),
        };
        let queue = Queue::over(sources, log, Arc::clone(&own.environment.clock), options)?;
        self.inner
            .queue_opened(source.entry()?, directory, queue.floors())?;
        Ok(queue)
    }

    /// A stream, which is made as the defaults say if there is none.
    fn stream_or_new(&self, name: &str) -> Result<Stream> {
        match self.create(name, &StreamConfig::new()) {
            Ok(_) | Err(Error::StreamExists { .. }) => self.stream(name),
            Err(error) => Err(error),
        }
    }
}

fn partitions(stream: &Stream) -> Result<Vec<PartitionLog>> {
    let numbers = 0..stream.partitions()?;
    numbers.map(|number| stream.partition(number)).collect()
}

/// The name of a group's directory.
fn hexadecimal(group: &str) -> String {
    let digits = group.bytes().map(|byte| format!("{byte:02x}"));
    digits.collect()
}
