//! Orders, keyed by user, in a stream of four partitions. Several threads publish, and one reader a
//! partition counts. All orders of a user are in one partition, so they stay in order.
//!
//! `cargo run --example partitioned_events`

use std::collections::BTreeMap;
use std::thread::scope;

use duramen::store::{Partitioner, Partitions, StoreOptions, Stream, StreamConfig};
use duramen::{BlockingLog, NewMessage, PublishOptions, Result, Start};

const ORDERS: u32 = 50; // of each user

/// Takes orders from ten users by turns. A user's orders are numbered from 0 on.
fn publish(orders: &Stream, publisher: u32) -> Result<()> {
    for turn in 0..10 * ORDERS {
        let (user, number) = (turn % 10, (turn / 10).to_le_bytes());
        let user = format!("user-{publisher}-{user}");
        let order = NewMessage::new(user.as_bytes(), &number);
        orders.publish(order, &Partitioner::Key, &PublishOptions::new())?;
    }
    Ok(())
}

/// Counts the orders of each user until the partition is sealed.
fn count(orders: &Stream, partition: u32) -> Result<Vec<u32>> {
    let log = BlockingLog::new(orders.partition(partition)?);
    let mut counts = BTreeMap::new();
    for order in log.follow(Start::Oldest) {
        let order = order?;
        let count = counts.entry(order.key).or_insert(0_u32);
        assert_eq!(order.value.as_deref(), Some(&count.to_le_bytes()[..]));
        *count += 1;
    }
    Ok(counts.into_values().collect())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("duramen-partitioned-{}", std::process::id()));
    let store = StoreOptions::new().create_dirs(true).open(&dir)?;
    store.create("orders", &StreamConfig::new().partitions(4))?;
    let orders = &store.stream("orders")?;
    let counts = scope(|readers| {
        let readers = [0, 1, 2, 3].map(|n| readers.spawn(move || count(orders, n)));
        let published: Result<()> = scope(|publishers| {
            let threads = [0, 1, 2].map(|n| publishers.spawn(move || publish(orders, n)));
            let results = threads.map(|thread| thread.join().expect("no panic"));
            results.into_iter().collect()
        });
        // No order follows. Readers count what is there, and end.
        orders.seal(&Partitions::All)?;
        let counts = readers.map(|reader| reader.join().expect("no panic"));
        published.and(counts.into_iter().collect::<Result<Vec<_>>>())
    })?;
    let users: Vec<_> = counts.iter().map(Vec::len).collect();
    println!("users by partition: {users:?}");
    assert_eq!(counts.concat(), [ORDERS; 30], "each user is in one partition");
    store.close()?;
    Ok(std::fs::remove_dir_all(&dir)?)
}
