//! The work queues of a store's streams.

use std::sync::Arc;

use super::catalog::options_of_queue;
use super::config::StreamConfig;
use super::floors::queue_opened;
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
    /// In a store that is open for reading only, the handle is for [`stat`](Queue::stat) and
    /// [`peek`](Queue::peek), and is in no worker's way. It shows what the state said when it was
    /// opened; what workers have then, it takes for messages that are to be given out. The group
    /// must be there. Its dead letters are not looked at.
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
    /// dead letters; [`NoLog`](Error::NoLog) for a group that is not there, in a store that is open
    /// for reading only; [`Invalid`](Error::Invalid) for a group whose name does not have from 1 to
    /// 100 bytes, and for dead letters that go to the stream itself.
    pub fn queue(&self, stream: &str, group: &str, options: QueueOptions) -> Result<Queue<PartitionLog>> {
        if !(1..=GROUP_LEN_MAX).contains(&group.len()) {
            return Err(Error::Invalid("the name of a group has from 1 to 100 bytes"));
        }
        options.check()?;
        let source = self.stream(stream)?;
        let logs = partitions(&source)?;
        let read_only = self.inner.options.read_only;
        let letters = match &options.dead_letter {
            None => Vec::new(),
            Some(_) if read_only => Vec::new(),
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
        let (id, name) = (source.id()?, hexadecimal(group));
        let dir = if read_only {
            self.inner.layout.find_queue(id, &name)?
        } else {
            let dir = self.inner.layout.make_queue(id, &name)?;
            source.entry()?.queues.opens(&name);
            dir
        };
        let how = options_of_queue(own, options.durability).read_only(read_only);
        let log = how.open_in(&dir)?;
        let sources = Sources {
            logs,
            letters,
            stream: stream.to_owned(),
            group: group.to_owned(),
            read_only,
        };
        let queue = Queue::over(sources, log, Arc::clone(&own.environment.clock), options)?;
        if !read_only {
            queue_opened(source.entry()?, &name, queue.floors())?;
        }
        Ok(queue)
    }

    /// The groups that have a [`queue`](Store::queue) of a stream, in the byte order of their
    /// names.
    ///
    /// # Errors
    ///
    /// Those of [`stream`](Store::stream), and of listing directories.
    pub fn queues(&self, stream: &str) -> Result<Vec<String>> {
        let id = self.stream(stream)?.id()?;
        let found = self.inner.layout.queues_of(id)?;
        let mut groups: Vec<_> = found.iter().filter_map(|name| group_of(name)).collect();
        groups.sort_unstable();
        Ok(groups)
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

/// The group whose directory has this name.
fn group_of(name: &str) -> Option<String> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    };
    let bytes = name.as_bytes().chunks(2).map(byte).collect::<Option<_>>()?;
    String::from_utf8(bytes).ok()
}
