//! The handle of a store.

use std::path::Path;
use std::sync::Arc;

use super::atomic::Part;
use super::config::{StreamConfig, StreamPatch};
use super::cursors::of_store;
use super::events::Events;
use super::info::{Ensured, ListOptions, Page, StreamInfo};
use super::inner::info;
use super::metrics::Metrics;
use super::name;
use super::opening::Owner;
use super::options::StoreOptions;
use super::report::StoreBackupReport;
use super::stream::Stream;
use crate::{Ack, Cursors, Error, NewMessage, Result, Start};

/// A directory of named, partitioned streams.
///
/// Cheap to clone. The store is closed when its last handle is dropped, those of its streams and
/// partitions included; errors are then lost, so call [`close`](Store::close) where they matter.
///
/// ```
/// use duramen::store::{Partitioner, Store, StoreOptions, StreamConfig};
/// use duramen::{Log, NewMessage, PublishOptions, Start};
///
/// # fn main() -> duramen::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # let dir = dir.path().join("store");
/// let store = StoreOptions::new().create_dirs(true).open(&dir)?;
/// store.create("orders", &StreamConfig::new().partitions(4))?;
///
/// let orders = store.stream("orders")?;
/// let order = NewMessage::new(b"user-7", b"two books");
/// let (partition, ack) = orders.publish(order, &Partitioner::Key, &PublishOptions::new())?;
///
/// let log = orders.partition(partition)?;
/// assert_eq!(log.get(Start::At(ack.start.offset))?.value.as_deref(), Some(&b"two books"[..]));
/// store.close()
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) inner: Arc<Owner>,
    /// Names are used with this in front of them.
    scope: Arc<str>,
}

impl StoreOptions {
    /// Opens the store in `dir`: see [`Store::open`].
    ///
    /// # Errors
    ///
    /// Those of [`Store::open`].
    pub fn open(&self, dir: impl AsRef<Path>) -> Result<Store> {
        Store::open(dir, self)
    }
}

impl Store {
    /// Opens the store in `dir`; creates it in an empty directory.
    ///
    /// Opening reads the catalog, so it takes longer the more streams there are, and not the more
    /// messages. It finishes what an earlier process has not: streams that were being deleted are
    /// removed. Directories among the streams that the catalog does not know are moved to the
    /// subfolder `quarantine`.
    ///
    /// # Errors
    ///
    /// [`NoLog`](crate::Error::NoLog) if the directory is missing, or, for reading only, no store;
    /// [`Locked`](crate::Error::Locked) if another handle has the store open for writing, and this
    /// one is to write too; [`Corrupt`](crate::Error::Corrupt) if the catalog is damaged or
    /// missing; [`Invalid`](crate::Error::Invalid) if there are other things in the directory;
    /// those of [`Options::open`](crate::Options::open).
    pub fn open(dir: impl AsRef<Path>, options: &StoreOptions) -> Result<Store> {
        Ok(Store {
            inner: Arc::new(Owner::open(dir.as_ref(), options)?),
            scope: "".into(),
        })
    }

    /// The same store, in which every name has `prefix` in front of it: such streams alone are
    /// seen, and without the prefix.
    #[must_use]
    pub fn scoped(&self, prefix: &str) -> Store {
        Store {
            inner: Arc::clone(&self.inner),
            scope: format!("{}{prefix}", self.scope).into(),
        }
    }

    /// Makes a stream. It is on stable storage when this returns.
    ///
    /// If there is a stream of this name, this fails, unless the configuration has a
    /// [`request_token`](StreamConfig::request_token) and the stream was made with an equal one.
    ///
    /// # Errors
    ///
    /// [`StreamExists`](crate::Error::StreamExists);
    /// [`StreamDeleting`](crate::Error::StreamDeleting); [`Invalid`](crate::Error::Invalid) for a
    /// name or configuration that is not allowed; those of
    /// [`Log::publish`](crate::Log::publish), after which the stream may be there or not.
    pub fn create(&self, name: &str, config: &StreamConfig) -> Result<StreamInfo> {
        let entry = self.inner.create(&self.full(name), config)?;
        Ok(self.scoped_info(info(&entry)))
    }

    /// Makes a stream, or gives the one of this name the whole configuration: what that does not
    /// name is as the store's defaults have it now.
    ///
    /// # Errors
    ///
    /// As [`create`](Store::create), but for `StreamExists`; [`Invalid`](crate::Error::Invalid) for
    /// another number of partitions.
    pub fn ensure(&self, name: &str, config: &StreamConfig) -> Result<Ensured> {
        Ok(match self.inner.ensure(&self.full(name), config)? {
            Ensured::Created(info) => Ensured::Created(self.scoped_info(info)),
            Ensured::Updated(info) => Ensured::Updated(self.scoped_info(info)),
            Ensured::Unchanged(info) => Ensured::Unchanged(self.scoped_info(info)),
        })
    }

    /// Changes the configuration of a stream; returns the one it has then. It is on stable storage
    /// when this returns, and in effect: partitions that are open are closed, and opened again when
    /// they are used.
    ///
    /// # Errors
    ///
    /// [`NoStream`](crate::Error::NoStream); otherwise as [`create`](Store::create).
    pub fn reconfigure(&self, name: &str, patch: &StreamPatch) -> Result<StreamConfig> {
        self.inner.reconfigure(&self.full(name), patch)
    }

    /// The configuration of a stream. Every setting is named that has a value.
    ///
    /// # Errors
    ///
    /// [`NoStream`](crate::Error::NoStream); [`StreamDeleting`](crate::Error::StreamDeleting).
    pub fn config(&self, name: &str) -> Result<StreamConfig> {
        let entry = self.inner.entry(&self.full(name))?;
        let config = entry.record.lock().config.clone();
        Ok(config)
    }

    /// Deletes a stream with all its messages. When this returns, that it is deleted is on stable
    /// storage, and every call on it fails with [`StreamDeleting`](crate::Error::StreamDeleting).
    /// Its files are removed in the background; then its name is free. Deleting one that is being
    /// removed does nothing.
    ///
    /// # Errors
    ///
    /// [`NoStream`](crate::Error::NoStream); those of [`Log::publish`](crate::Log::publish).
    pub fn delete(&self, name: &str) -> Result<()> {
        let done = self.inner.delete(&self.full(name));
        self.inner.keeper.tell_left();
        done
    }

    /// Lists streams in the byte order of their names, those that are being deleted included.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::Error::Invalid) for a limit out of range.
    pub fn list(&self, how: &ListOptions) -> Result<Page<StreamInfo>> {
        let page = self.inner.list(how, &self.scope)?;
        let items = page.items.into_iter().map(|info| self.scoped_info(info));
        Ok(Page {
            items: items.collect(),
            has_more: page.has_more,
        })
    }

    /// A stream. No file is touched before it is used.
    ///
    /// With [`create_on_read`](StoreOptions::create_on_read) one that is not there is made; with
    /// [`create_on_publish`](StoreOptions::create_on_publish) it is made when somebody publishes.
    ///
    /// # Errors
    ///
    /// [`NoStream`](crate::Error::NoStream); [`StreamDeleting`](crate::Error::StreamDeleting).
    pub fn stream(&self, name: &str) -> Result<Stream> {
        let full = self.full(name);
        name::check_not_reserved(&full)?;
        let entry = match self.inner.entry(&full) {
            Ok(entry) => Some(entry),
            Err(Error::NoStream { .. }) if self.inner.options.create_on_read => {
                Some(self.inner.find_or_make(&full)?)
            }
            Err(Error::NoStream { .. }) if self.inner.options.create_on_publish => None,
            Err(error) => return Err(error),
        };
        Ok(Stream::new(&self.inner, &full, self.scope.len(), entry))
    }

    /// What has happened to the streams, from `from` on. Store
    /// [`next_offset`](Events::next_offset) to go on there: then each event comes at least once.
    #[must_use]
    pub fn events(&self, from: Start) -> Events {
        Events::new(&self.inner, &self.scope, from)
    }

    /// The stored cursors of this store. In a [scoped](Store::scoped) one, those of its streams.
    ///
    /// They are in the stream `__cursors`, which is made when the first one is stored, as durable
    /// as the store's defaults say. They go with a backup of the store, and come back with it.
    #[must_use]
    pub fn cursors(&self) -> Cursors {
        of_store(&self.inner, Arc::clone(&self.scope))
    }

    /// Publishes to several partitions at once: all parts or none, also after a crash. Each part is
    /// a stream, a partition of it, and the messages for that; returns an ack for each. Nobody else
    /// publishes to these partitions meanwhile.
    ///
    /// When this returns, all parts are on stable storage together, whatever the streams'
    /// [`Durability`](crate::Durability). It costs a sync of the disk more than the parts. Readers
    /// may see one part a moment before another.
    ///
    /// # Errors
    ///
    /// Those of [`Log::publish`](crate::Log::publish) of any part: nothing was published.
    /// [`Unconfirmed`](crate::Error::Unconfirmed): the system refused a part after the others; it
    /// is published before anybody else changes its partition, or when the store is opened again.
    /// [`Invalid`](crate::Error::Invalid) for two parts for one partition, and for a stream of
    /// another store. [`TooLarge`](crate::Error::TooLarge): the limits of a batch hold for all
    /// parts together.
    pub fn publish_to(&self, parts: &[(&Stream, u32, &[NewMessage<'_>])]) -> Result<Vec<Ack>> {
        let mut all = Vec::with_capacity(parts.len());
        for (stream, number, messages) in parts {
            all.push(Part {
                entry: stream.entry_to_publish(&self.inner)?,
                number: *number,
                messages,
            });
        }
        let done = self.inner.publish_to(&all);
        self.inner.keeper.tell_left();
        done
    }

    /// Copies the whole store, whatever the [scope](Store::scoped) of this handle, to the directory
    /// `dir` while everything goes on. The copy can be opened as a store.
    ///
    /// The copy has all streams that the store has at one moment, and all that was published before
    /// the call. A [`publish_to`](Store::publish_to) is in it with all parts, or with none. What
    /// else is published during the call may be in it or not, for each partition by itself.
    ///
    /// If `dir` holds an earlier backup of the store, only what has changed is copied, and what the
    /// store does not have any more is removed. Nobody waits for the copying of what was there
    /// before the call. In the end, `publish_to` and changes of streams wait for a moment, until
    /// what has come meanwhile is copied, too.
    ///
    /// From its beginning to its end, the backup is unfinished: after an error or a crash, opening
    /// it fails with [`Unfinished`](crate::Error::Unfinished) until it is taken again. That also
    /// holds for a backup that goes to an earlier one. So take turns with two directories where one
    /// whole backup is always needed.
    ///
    /// Opened for writing, a copy is a store of its own, and takes no more backups. Opened for
    /// reading only, it stays a backup.
    ///
    /// A store that is open for [reading only](super::StoreOptions::read_only) can be backed up,
    /// too, but not beside a writer, which alone can keep the parts of a `publish_to` together. No
    /// writer can open the store meanwhile. If one that died has left a `publish_to` half done, the
    /// copy does the rest when it is opened for writing.
    ///
    /// # Durability
    ///
    /// When the call returns, the backup is on stable storage.
    ///
    /// # Errors
    ///
    /// After the first two of these, `dir` is as it was.
    ///
    /// - [`Invalid`](crate::Error::Invalid) if `dir` is in the store's own directory, or holds a
    ///   copy of another store or other things than a copy. Also if it holds a copy that was opened
    ///   for writing, or that has messages that the store does not have, because a power cut took
    ///   them.
    /// - [`Locked`](crate::Error::Locked) if the copy is open for writing, or another backup goes
    ///   to it; for a store that is open for reading only, if another handle has it open for
    ///   writing.
    /// - [`Corrupt`](crate::Error::Corrupt) if a log of the store is damaged, or its directory is
    ///   missing: every byte is verified.
    /// - Those of [`publish_to`](Store::publish_to), if parts are left that the system refuses.
    /// - Those of [`Log::backup`](crate::Log::backup).
    pub fn backup(&self, dir: &Path) -> Result<StoreBackupReport> {
        self.inner.copy(dir, false)
    }

    /// What has happened to all streams since the store was opened, those that are gone included,
    /// and what the others have: the sums of what [`Stream::metrics`] says. That of a
    /// [scoped](Store::scoped) store is of all streams, too. Partitions that are open are looked
    /// at, and none is opened. In a fork of the process, everything is 0.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.inner.metrics()
    }

    /// Brings everything that was published to any stream to stable storage.
    ///
    /// # Errors
    ///
    /// Those of [`Log::sync`](crate::Log::sync).
    pub fn sync(&self) -> Result<()> {
        let done = self.inner.sync();
        self.inner.keeper.tell_left();
        done
    }

    /// Brings everything to stable storage and closes the store, for all its handles. Later calls
    /// of `close` do nothing; every other call fails with [`Closed`](crate::Error::Closed).
    ///
    /// # Errors
    ///
    /// Those of [`Log::close`](crate::Log::close) of any partition. The store is closed in any
    /// case.
    pub fn close(&self) -> Result<()> {
        self.inner.close()
    }

    /// The name as the store has it.
    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.scope)
    }

    fn scoped_info(&self, info: StreamInfo) -> StreamInfo {
        let name = info.name.strip_prefix(&*self.scope).map(str::to_owned);
        StreamInfo {
            name: name.unwrap_or_default(),
            ..info
        }
    }
}
