//! A reader that sleeps until a message comes, and does something else when none has come for a
//! while.
//!
//! `cargo run --example tail_with_timeout`

use std::thread;
use std::time::{Duration, Instant};

use duramen::{BlockingLog, Error, FileLog, Log, NewMessage, Options, Result, Start};

const QUIET: Duration = Duration::from_millis(100);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("duramen-tail-with-timeout-{}", std::process::id()));
    let log = BlockingLog::new(Options::new().create_dirs(true).open(&dir)?);

    let reader = log.clone();
    let reader = thread::spawn(move || read(&reader));
    for burst in 0..3 {
        for number in 0..4 {
            log.publish(&[NewMessage::value(format!("{burst}.{number}").as_bytes())])?;
            thread::sleep(Duration::from_millis(5));
        }
        // This is longer than the reader's timeout.
        thread::sleep(3 * QUIET);
    }
    // Closing the log wakes the reader, which gets an error.
    log.close()?;
    let (messages, pauses) = reader.join().expect("the reader does not panic")?;
    println!("{messages} messages, {pauses} pauses");
    assert!(messages == 12 && pauses >= 3);
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

/// Reads until the log is closed. Returns the numbers of messages and of timeouts.
fn read(log: &BlockingLog<FileLog>) -> Result<(usize, usize)> {
    let begun = Instant::now();
    let (mut messages, mut pauses) = (0, 0);
    let mut from = Start::Oldest;
    loop {
        let batch = match log.consume_blocking(from, 100, Some(QUIET)) {
            Ok(batch) => batch,
            Err(Error::Closed) => return Ok((messages, pauses)),
            Err(error) => return Err(error),
        };
        // Even an empty batch has the offset to continue from.
        from = Start::At(batch.next_offset);
        if batch.messages.is_empty() {
            pauses += 1;
            println!("{:?}: quiet, time to tidy up", begun.elapsed());
        }
        for message in batch {
            messages += 1;
            println!("{:?}: {:?}", begun.elapsed(), message.value);
        }
    }
}
