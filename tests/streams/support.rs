//! What the tests of stores share.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use duramen::store::{ListOptions, Partitioner, Store, StoreOptions, Stream, StreamConfig};
use duramen::{Error, Log, NewMessage, PublishOptions, Result, Start};
use tempfile::TempDir;

/// A directory for a store, and how the store is opened in it.
pub(crate) struct Home {
    dir: TempDir,
    pub(crate) options: StoreOptions,
}

impl Home {
    pub(crate) fn new() -> Home {
        Home {
            dir: tempfile::tempdir().expect("a directory"),
            options: StoreOptions::new().create_dirs(true),
        }
    }

    /// The same, opened with what `change` makes of the options.
    pub(crate) fn with(change: impl FnOnce(StoreOptions) -> StoreOptions) -> Home {
        let Home { dir, options } = Home::new();
        Home {
            dir,
            options: change(options),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    pub(crate) fn open(&self) -> Store {
        self.options.open(self.path()).expect("opened")
    }

    pub(crate) fn open_to_read(&self) -> Store {
        let options = StoreOptions::new().read_only(true);
        options.open(self.path()).expect("opened")
    }

    /// The directory of a partition.
    pub(crate) fn partition(&self, stream: &Stream, number: u32) -> PathBuf {
        let id = stream.id().expect("an id").to_string();
        self.path().join("streams").join(id).join(number.to_string())
    }
}

/// A store with one stream, `s`, of so many partitions.
pub(crate) fn with_stream(partitions: u32) -> (Home, Store, Stream) {
    let home = Home::new();
    let store = home.open();
    store
        .create("s", &StreamConfig::new().partitions(partitions))
        .expect("created");
    let stream = store.stream("s").expect("there");
    (home, store, stream)
}

pub(crate) fn plain() -> StreamConfig {
    StreamConfig::new()
}

/// Publishes a value to a partition; returns its offset.
pub(crate) fn publish(stream: &Stream, partition: u32, value: &str) -> Result<u64> {
    let message = NewMessage::value(value.as_bytes());
    let to = Partitioner::To(partition);
    let (number, ack) = stream.publish(message, &to, &PublishOptions::new())?;
    assert_eq!(number, partition);
    Ok(ack.start.offset)
}

/// The values in a partition.
pub(crate) fn values(stream: &Stream, partition: u32) -> Result<Vec<String>> {
    let batch = stream.partition(partition)?.consume(Start::Oldest, 1000)?;
    let text = |value: Option<bytes::Bytes>| String::from_utf8(value.unwrap_or_default().to_vec());
    let values = batch
        .messages
        .into_iter()
        .map(|message| text(message.value).expect("a text"));
    Ok(values.collect())
}

/// The names that a store lists.
pub(crate) fn names(store: &Store) -> Vec<String> {
    let page = store.list(&ListOptions::new()).expect("listed");
    assert!(!page.has_more);
    page.items.into_iter().map(|info| info.name).collect()
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until a stream that was deleted is gone.
pub(crate) fn until_purged(store: &Store, name: &str) {
    until("the stream is removed", || {
        matches!(store.config(name), Err(Error::NoStream { .. }))
    });
}

/// How many descriptors of this process lead below `dir`.
pub(crate) fn descriptors_below(dir: &Path) -> usize {
    let own = std::fs::read_dir("/proc/self/fd").expect("descriptors");
    let below = |entry: std::io::Result<std::fs::DirEntry>| {
        let target = entry.and_then(|entry| std::fs::read_link(entry.path()));
        target.is_ok_and(|target| target.starts_with(dir))
    };
    own.map(below).filter(|is_below| *is_below).count()
}
