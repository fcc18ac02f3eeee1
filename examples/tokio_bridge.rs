//! A log under tokio: it is read as a stream and published to from threads that may block.
//!
//! `cargo run --features stream --example tokio_bridge`

use std::sync::Arc;
use std::time::Duration;

use duramen::{BlockingLog, FileLog, Log, NewMessage, Options, Result, Start};
use tokio_stream::StreamExt;

type Shared = BlockingLog<Arc<FileLog>>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("duramen-tokio-bridge-{}", std::process::id()));
    let log: Shared = BlockingLog::new(Arc::new(Options::new().create_dirs(true).open(&dir)?));

    // Streams wait without threads, so a hundred of them are no problem.
    let readers: Vec<_> = (0..100).map(|_| tokio::spawn(sum(log.clone()))).collect();

    for number in 0..50_u64 {
        // By default, a publish is a copy into memory and can be called here directly. A publish
        // that waits for the disk belongs on a thread that may block.
        if number % 10 == 0 {
            let log = log.clone();
            tokio::task::spawn_blocking(move || {
                log.publish(&[NewMessage::value(&number.to_be_bytes())])?;
                log.sync()
            })
            .await??;
        } else {
            log.publish(&[NewMessage::value(&number.to_be_bytes())])?;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    for reader in readers {
        assert_eq!(reader.await??, (0..50).sum::<u64>());
    }
    println!("100 tasks have each read 50 messages");
    log.close()?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

/// Adds up the first fifty numbers, and waits for each.
async fn sum(log: Shared) -> Result<u64> {
    let mut numbers = log.stream(Start::Oldest).take(50);
    let mut sum = 0;
    while let Some(message) = numbers.next().await {
        let value = message?.value.unwrap_or_default();
        sum += u64::from_be_bytes(value.as_ref().try_into().expect("eight bytes"));
    }
    Ok(sum)
}
