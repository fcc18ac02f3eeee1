//! A reader that sleeps until a message comes, and does something else when none has come for a
//! while.
//!
//! `cargo run --example tail_with_timeout`

use std::thread;
use std::time::{Duration, Instant};

use duramen::{Awaited, BlockingLog, FileLog, Log, NewMessage, Options, Result, Start};

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
    // Closing the log wakes the reader, which ends.
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
    let mut tail = log.follow(Start::Oldest);
    loop {
        match tail.next_timeout(QUIET) {
            Awaited::Item(message) => {
                messages += 1;
                println!("{:?}: {:?}", begun.elapsed(), message?.value);
            }
            Awaited::TimedOut => {
                pauses += 1;
                println!("{:?}: quiet, time to tidy up", begun.elapsed());
            }
            Awaited::Ended => return Ok((messages, pauses)),
        }
    }
}
