//! A store: streams with names and configurations in one directory. They are made, listed,
//! reconfigured and deleted, and are there again when the store is opened again.
//!
//! `cargo run --example store`, or `cargo run --example store -- DIRECTORY` to keep the store.

use duramen::store::{ListOptions, Partitioner, RetentionPatch, StoreOptions, StreamConfig, StreamPatch};
use duramen::{Durability, Error, Log, NewMessage, PublishOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let given = std::env::args_os().nth(1).map(std::path::PathBuf::from);
    let scratch = std::env::temp_dir().join(format!("duramen-store-{}", std::process::id()));
    let dir = given.as_ref().unwrap_or(&scratch);
    // What a stream's configuration does not name comes from the store's defaults.
    let defaults = StreamConfig::new().durability(Durability::EachPublish);
    let options = StoreOptions::new().create_dirs(true).defaults(defaults);
    let store = options.open(dir)?;

    // `ensure` makes a stream or brings it up to date, so a service can call it at each start.
    let new = StreamConfig::new;
    store.ensure("clicks", &new().durability(Durability::Os))?;
    store.ensure("orders", &new().partitions(4).key_index(true))?;
    store.ensure("orders/drafts", &new())?;

    let orders = store.stream("orders")?;
    let order = NewMessage::new(b"user-7", b"two books");
    let (partition, ack) = orders.publish(order, &Partitioner::Key, &PublishOptions::new())?;
    println!("partition {partition}, offset {}", ack.start.offset);

    let page = store.list(&ListOptions::new().prefix("orders"))?;
    for stream in &page.items {
        println!("{}, partitions: {}", stream.name, stream.partitions);
    }
    assert_eq!((page.items.len(), page.has_more), (2, false));

    // Only what a patch names is changed. Handles that are there already see it at once.
    let patch = StreamPatch::new().time_index(true);
    let patch = patch.retention(RetentionPatch::new().max_messages(1_000_000));
    let config = store.reconfigure("orders", &patch)?;
    assert_eq!((config.key_index, config.time_index), (Some(true), Some(true)));
    assert!(orders.partition(partition)?.stat()?.time_index);

    store.delete("orders/drafts")?; // its files go in the background
    match store.stream("orders/drafts") {
        Err(Error::StreamDeleting { .. } | Error::NoStream { .. }) => {}
        other => panic!("{other:?}"),
    }
    store.close()?;

    // The next life of the service. A partition is a log like any other.
    let store = options.open(dir)?;
    assert_eq!(store.config("clicks")?.durability, Some(Durability::Os));
    let log = store.stream("orders")?.partition(partition)?;
    assert_eq!(log.get_by_key(b"user-7")?.offset, ack.start.offset);
    store.close()?;
    if given.is_none() {
        std::fs::remove_dir_all(dir)?;
    }
    Ok(())
}
