//! A stream.

use std::sync::{Arc, OnceLock};

use super::access::Access;
use super::config::StreamConfig;
use super::cursors::of_store;
use super::entry::{Entry, Partition};
use super::follow::StreamFollow;
use super::info::StreamInfo;
use super::inner::info;
use super::metrics::Metrics;
use super::opening::Owner;
use super::partition_log::PartitionLog;
use super::partitioner::{Partitioner, Partitions, of_key};
use crate::types::StreamId;
use crate::{Ack, Cursors, Error, NewMessage, PublishOptions, Result, Start};

/// A stream of a [`Store`](super::Store): partitions, each of them a log.
///
/// Cheap to clone. A handle stays with its stream: once that was deleted, every call fails with
/// [`StreamDeleting`](crate::Error::StreamDeleting), and then with
/// [`NoStream`](crate::Error::NoStream), also if another stream has the name by then.
#[derive(Clone, Debug)]
pub struct Stream {
    inner: Arc<Owner>,
    /// The name as the store has it.
    name: Arc<str>,
    /// How much of the name the handle of the store hides.
    scope_len: usize,
    /// Not there yet if publishing is to make the stream.
    entry: OnceLock<Arc<Entry>>,
}

impl Stream {
    pub(super) fn new(inner: &Arc<Owner>, name: &str, scope_len: usize, entry: Option<Arc<Entry>>) -> Stream {
        let stream = Stream {
            inner: Arc::clone(inner),
            name: name.into(),
            scope_len,
            entry: OnceLock::new(),
        };
        if let Some(entry) = entry {
            let _ = stream.entry.set(entry);
        }
        stream
    }

    /// The name of the stream.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.get(self.scope_len..).unwrap_or_default()
    }

    /// The id of the stream.
    ///
    /// # Errors
    ///
    /// [`NoStream`](crate::Error::NoStream) if nobody has published to it, and so made it, yet.
    pub fn id(&self) -> Result<StreamId> {
        Ok(self.entry()?.id)
    }

    /// The number of partitions.
    ///
    /// # Errors
    ///
    /// As [`id`](Stream::id).
    pub fn partitions(&self) -> Result<u32> {
        Ok(self.entry()?.partition_count())
    }

    /// Describes the stream.
    ///
    /// # Errors
    ///
    /// As [`id`](Stream::id).
    pub fn info(&self) -> Result<StreamInfo> {
        self.inner.look()?;
        Ok(StreamInfo {
            name: self.name().to_owned(),
            ..info(self.entry()?)
        })
    }

    /// The configuration. Every setting is named that has a value.
    ///
    /// # Errors
    ///
    /// As [`id`](Stream::id).
    pub fn config(&self) -> Result<StreamConfig> {
        self.inner.look()?;
        Ok(self.entry()?.record.lock().config.clone())
    }

    /// A partition. No file is touched before it is used.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::Error::Invalid) if the stream has no such partition;
    /// [`StreamDeleting`](crate::Error::StreamDeleting); [`NoStream`](crate::Error::NoStream).
    pub fn partition(&self, number: u32) -> Result<PartitionLog> {
        let entry = self.live()?;
        PartitionLog::new(&self.inner, entry, number)
    }

    /// Publishes a message to the partition that `to` chooses; returns that, and where the message
    /// is. Durable as the stream's [`Durability`](crate::Durability) says.
    ///
    /// A partition that is paused is resumed. With
    /// [`create_on_publish`](super::StoreOptions::create_on_publish), a stream that is not there is
    /// made.
    ///
    /// # Errors
    ///
    /// Those of [`Log::append`](crate::Log::append); [`Invalid`](crate::Error::Invalid) if there is
    /// no such partition; [`StreamDeleting`](crate::Error::StreamDeleting);
    /// [`NoStream`](crate::Error::NoStream).
    pub fn publish(
        &self,
        message: NewMessage<'_>,
        to: &Partitioner,
        how: &PublishOptions<'_>,
    ) -> Result<(u32, Ack)> {
        let entry = self.made()?;
        let partition = choose(entry, &message, to)?;
        let access = Access::new(&self.inner, entry, partition);
        let ack = access.publish(&[message], how)?;
        Ok((partition.number, ack))
    }

    /// The partition that `to` chooses for a message. This is for publishing several messages to
    /// each partition at once: choose one for every message, then publish batches to the
    /// [partitions](Stream::partition). [`RoundRobin`](Partitioner::RoundRobin) moves on with each
    /// call.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::Error::Invalid) if there is no such partition;
    /// [`StreamDeleting`](crate::Error::StreamDeleting); [`NoStream`](crate::Error::NoStream).
    pub fn choose(&self, message: &NewMessage<'_>, to: &Partitioner) -> Result<u32> {
        Ok(choose(self.live()?, message, to)?.number)
    }

    /// Iterates over the messages of these partitions from `from` on: first the existing ones, then
    /// new ones, waiting for each. In each partition they come in offset order, and none comes
    /// twice. Partitions take turns, or come [by time](StreamFollow::by_time).
    ///
    /// `from` is resolved for each partition when this is called; to go on where another one was,
    /// read its [`next_offsets`](StreamFollow::next_offsets), and give them to
    /// [`follow_from`](Stream::follow_from). What ends a [`Follow`](crate::Follow) of a partition
    /// ends that partition here: if it is sealed, once it is read; if it is paused, after one
    /// error. Once all have ended, `None` is returned. A partition that is waited for stays open.
    ///
    /// ```
    /// use duramen::store::{Partitioner, Partitions, StoreOptions, StreamConfig};
    /// use duramen::{NewMessage, PublishOptions, Start};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let dir = dir.path().join("store");
    /// let store = StoreOptions::new().create_dirs(true).open(&dir)?;
    /// store.create("jobs", &StreamConfig::new().partitions(2))?;
    /// let jobs = store.stream("jobs")?;
    /// for job in ["a", "b", "c"] {
    ///     let job = NewMessage::value(job.as_bytes());
    ///     jobs.publish(job, &Partitioner::RoundRobin, &PublishOptions::new())?;
    /// }
    /// let three = jobs.follow(Start::Oldest, &Partitions::All)?.take(3);
    /// let partitions = three.map(|job| Ok(job?.partition));
    /// assert_eq!(partitions.collect::<duramen::Result<Vec<_>>>()?, [0, 1, 0]);
    /// store.close()
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`partition`](Stream::partition). What reading a partition fails with, the iterator
    /// returns.
    pub fn follow(&self, from: Start, partitions: &Partitions) -> Result<StreamFollow> {
        let numbers = self.live()?.numbers(partitions)?;
        self.follow_from(numbers.iter().map(|number| (number, from)))
    }

    /// As [`follow`](Stream::follow), from a place of its own in each partition.
    ///
    /// # Errors
    ///
    /// As [`follow`](Stream::follow).
    pub fn follow_from(&self, places: impl IntoIterator<Item = (u32, Start)>) -> Result<StreamFollow> {
        let logs = places
            .into_iter()
            .map(|(number, from)| Ok((self.partition(number)?, from)));
        Ok(StreamFollow::new(logs.collect::<Result<_>>()?))
    }

    /// Seals partitions: nothing more is published to them. Readers get what is there, and then
    /// learn that nothing follows. It is on stable storage when this returns.
    ///
    /// # Errors
    ///
    /// Those of [`Log::append`](crate::Log::append) and of [`partition`](Stream::partition).
    pub fn seal(&self, partitions: &Partitions) -> Result<()> {
        self.inner.seal(self.live()?, partitions)
    }

    /// Opens sealed partitions for publishing again. It is on stable storage when this returns.
    ///
    /// # Errors
    ///
    /// As [`seal`](Stream::seal).
    pub fn unseal(&self, partitions: &Partitions) -> Result<()> {
        self.inner.unseal(self.live()?, partitions)
    }

    /// Pauses partitions: they are closed, and reading fails with
    /// [`Paused`](crate::Error::Paused) until somebody publishes to them or
    /// [resumes](Stream::resume) them. With `resume_all`, a publish to one of the stream's paused
    /// partitions resumes all of them. That outlasts the process: it is on stable storage when this
    /// returns.
    ///
    /// # Errors
    ///
    /// As [`seal`](Stream::seal).
    pub fn pause(&self, partitions: &Partitions, resume_all: bool) -> Result<()> {
        self.inner.pause(self.live()?, partitions, resume_all)
    }

    /// Resumes paused partitions.
    ///
    /// # Errors
    ///
    /// As [`seal`](Stream::seal).
    pub fn resume(&self, partitions: &Partitions) -> Result<()> {
        let entry = self.live()?;
        let numbers = entry.numbers(partitions)?;
        self.inner.resume(entry, &numbers)
    }

    /// Brings everything that was published to the stream to stable storage.
    ///
    /// # Errors
    ///
    /// Those of [`Log::sync`](crate::Log::sync) and of [`partition`](Stream::partition).
    pub fn sync(&self) -> Result<()> {
        self.inner.sync_stream(self.live()?)
    }

    /// What has happened to the stream since the store was opened, and what it has.
    ///
    /// The counters of a stream that is not there are 0. Those of one that was deleted stay as they
    /// are. Partitions that are open are looked at, and none is opened. In a fork of the process,
    /// everything is 0.
    ///
    /// ```
    /// use duramen::store::{Partitioner, StoreOptions, StreamConfig};
    /// use duramen::{NewMessage, PublishOptions};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let dir = dir.path().join("store");
    /// let store = StoreOptions::new().create_dirs(true).open(&dir)?;
    /// store.create("orders", &StreamConfig::new())?;
    /// let orders = store.stream("orders")?;
    /// let order = NewMessage::value(b"two books");
    /// orders.publish(order, &Partitioner::Key, &PublishOptions::new())?;
    ///
    /// let metrics = orders.metrics();
    /// assert_eq!((metrics.appends, metrics.records, metrics.metered_in), (1, 1, 17));
    /// assert_eq!((metrics.messages, metrics.open_partitions), (1, 1));
    /// store.close()
    /// # }
    /// ```
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let known = || self.inner.known(&self.name);
        let entry = self.entry.get().cloned().or_else(known);
        entry.map_or_else(Metrics::default, |entry| self.inner.metrics_of(&entry))
    }

    /// The stream, if it is there.
    /// The stored cursors of the store that this stream is in.
    pub(super) fn cursors(&self) -> Cursors {
        let scope = self.name.get(..self.scope_len).unwrap_or_default();
        of_store(&self.inner, scope.into())
    }

    pub(super) fn entry(&self) -> Result<&Arc<Entry>> {
        if let Some(entry) = self.entry.get() {
            return Ok(entry);
        }
        let entry = self.inner.entry(&self.name)?;
        Ok(self.entry.get_or_init(|| entry))
    }

    /// The stream, if it is there and not deleted.
    fn live(&self) -> Result<&Arc<Entry>> {
        self.inner.look()?;
        let entry = self.entry()?;
        entry.check_live()?;
        Ok(entry)
    }

    /// The stream, for the handle `of` of a store to publish to.
    pub(super) fn entry_to_publish(&self, of: &Arc<Owner>) -> Result<Arc<Entry>> {
        if !Arc::ptr_eq(&self.inner, of) {
            return Err(Error::Invalid("the stream belongs to another store"));
        }
        self.made().map(Arc::clone)
    }

    fn made(&self) -> Result<&Arc<Entry>> {
        match self.entry.get() {
            Some(entry) => Ok(entry),
            None => self.make(),
        }
    }

    /// The stream, which is made if it is not there.
    fn make(&self) -> Result<&Arc<Entry>> {
        match self.entry() {
            Err(Error::NoStream { .. }) => {
                let entry = self.inner.find_or_make(&self.name)?;
                Ok(self.entry.get_or_init(|| entry))
            }
            found => found,
        }
    }
}

/// The partition that `to` chooses for a message.
fn choose<'a>(entry: &'a Entry, message: &NewMessage<'_>, to: &Partitioner) -> Result<&'a Arc<Partition>> {
    let count = entry.partition_count();
    entry.partition(match to {
        Partitioner::Key => of_key(message.key, count),
        Partitioner::RoundRobin => entry.next_in_turn(),
        Partitioner::To(number) => *number,
        Partitioner::Custom(choose) => choose(message, count),
    })
}
