//! Many tasks of tokio send single messages, which a producer publishes together.
//!
//! `cargo run --example producer_async`

use std::sync::Arc;
use std::time::Duration;

use duramen::{AckMode, Log, NewMessage, Options, Producer, ProducerOptions};

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("duramen-producer-async-{}", std::process::id()));
    let log = Arc::new(Options::new().create_dirs(true).open(&dir)?);

    // Each task is told when its message is on the disk. What comes while the disk is busy shares
    // the next sync, so nothing has to linger.
    let options = ProducerOptions::new()
        .ack(AckMode::Durable)
        .linger(Duration::ZERO);
    let producer = Arc::new(Producer::new(Arc::clone(&log), options)?);

    let orders: Vec<_> = (0..500_u32)
        .map(|number| {
            let producer = Arc::clone(&producer);
            tokio::spawn(async move {
                let order = format!("order {number}");
                // Waits for room if too much is in flight, then for the disk. Neither blocks tokio.
                let ticket = producer.send_async(NewMessage::value(order.as_bytes())).await?;
                ticket.await
            })
        })
        .collect();

    let mut batches = std::collections::BTreeSet::new();
    for order in orders {
        let (_offset, ack) = order.await??;
        batches.insert(ack.start.offset);
    }
    println!("500 orders are on the disk, in {} batches", batches.len());
    assert_eq!(log.synced_offset()?, 500);

    // All tasks have ended, so this is the only one left. A close waits, so it goes where that is
    // allowed.
    let producer = Arc::into_inner(producer).ok_or("a task still has the producer")?;
    tokio::task::spawn_blocking(|| producer.close()).await??;
    log.close()?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
