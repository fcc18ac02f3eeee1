//! A producer that retries until it knows, and a log in which every event is there once, although
//! the process dies between publishing and noting that it has published.
//!
//! `cargo run --example idempotent_publish`

use duramen::{FileLog, Log, NewMessage, Options, PublishOptions, Result, Start};

/// The id of this producer. Choose one for each source of events, and keep it.
const PRODUCER: u64 = 7;

const EVENTS: u64 = 100;

/// Publishes the events from `first` on, and returns when it "dies": at event `last`, after
/// publishing it and before anybody has noted that.
fn run(log: &FileLog, first: u64, last: u64) -> Result<u64> {
    let mut duplicates = 0;
    for event in first..=last {
        let value = format!("event {event}");
        // The number of the event is the sequence: if it was published, this finds out.
        let how = PublishOptions::new().producer(PRODUCER, event);
        let ack = log.append(&[NewMessage::value(value.as_bytes())], &how)?;
        duplicates += u64::from(ack.is_duplicate);
    }
    Ok(duplicates)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("duramen-idempotent-{}", std::process::id()));
    let (mut noted, mut duplicates, mut lives) = (0, 0, 0);
    while noted < EVENTS {
        let log = Options::new().create_dirs(true).open(&dir)?;
        let last = (noted + 9).min(EVENTS - 1);
        duplicates += run(&log, noted, last)?;
        // What is noted lags behind what was published: the next life publishes some again.
        noted = if last == EVENTS - 1 { EVENTS } else { last - 2 };
        lives += 1;
        log.close()?;
    }
    let log = Options::new().open(&dir)?;
    let values: Vec<String> = log
        .consume(Start::Oldest, usize::MAX)?
        .into_iter()
        .map(|message| String::from_utf8_lossy(&message.value.unwrap_or_default()).into_owned())
        .collect();
    let expected: Vec<String> = (0..EVENTS).map(|event| format!("event {event}")).collect();
    assert_eq!(values, expected);
    println!("{EVENTS} events in {lives} lives, {duplicates} published again, each there once");
    log.close()?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
