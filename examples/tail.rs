//! One thread publishes and two others tail the log: each reads the existing messages, then waits
//! for more.
//!
//! `cargo run --example tail`

use std::thread;
use std::time::Duration;

use duramen::{FileLog, Log, NewMessage, Options, Result, Start};

/// The number of messages published, which is also the value of the last one.
const COUNT: u64 = 1_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("duramen-tail-{}", std::process::id()));
    let log = Options::new().create_dirs(true).open(&dir)?;
    // One handle serves all threads. Readers never wait for the publisher, and the publisher never
    // waits for readers.
    let log = &log;

    thread::scope(|scope| -> Result<()> {
        let all = scope.spawn(move || tail(log, Start::Oldest));
        publish(log, 0..COUNT / 2)?;
        // This reader begins at the current end of the log, so it sees only later messages.
        let here = log.next_offset()?;
        let new = scope.spawn(move || tail(log, Start::At(here)));
        publish(log, COUNT / 2..COUNT)?;

        let all = all.join().expect("tail does not panic")?;
        let new = new.join().expect("tail does not panic")?;
        println!(
            "read {} messages from the oldest, {} from the middle",
            all.len(),
            new.len()
        );
        assert!(all.into_iter().eq(0..COUNT));
        assert!(new.into_iter().eq(COUNT / 2..COUNT));
        Ok(())
    })?;

    log.close()?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

fn publish(log: &FileLog, numbers: std::ops::Range<u64>) -> Result<()> {
    for number in numbers {
        log.publish(&[NewMessage::value(&number.to_be_bytes())])?;
    }
    Ok(())
}

/// Reads numbers as they come, up to the last one.
fn tail(log: &FileLog, mut from: Start) -> Result<Vec<u64>> {
    let mut numbers = Vec::new();
    while numbers.last() != Some(&(COUNT - 1)) {
        let batch = log.consume(from, 64)?;
        if batch.messages.is_empty() {
            // This is the end of the log. `BlockingLog` can wait here without polling: see
            // tail_with_timeout.
            thread::sleep(Duration::from_millis(1));
        }
        // Store this offset to continue here after a restart.
        from = Start::At(batch.next_offset);
        for message in &batch {
            let value = message.value.as_deref().unwrap_or_default();
            numbers.push(u64::from_be_bytes(value.try_into().expect("eight bytes")));
        }
    }
    Ok(numbers)
}
