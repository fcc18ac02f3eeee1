//! Keeping a log from growing for ever: a policy that trims it while it is written, trimming by
//! hand, and compaction by key.
//!
//! `cargo run --example retention`

use std::ops::ControlFlow;
use std::time::Duration;

use duramen::compact::{self, Settings};
use duramen::{FileLog, Log, NewMessage, Options, Result, Retention, Start, Timestamp, trim};

const HOUR: Duration = Duration::from_secs(3600);

/// Ten thousand readings of a hundred sensors, one every minute up to now. The last reading of
/// every tenth sensor is a tombstone, because the sensor was removed.
fn publish_readings(log: &FileLog) -> Result<()> {
    let now = Timestamp::now();
    for number in 0..10_000_u32 {
        let (sensor, reading) = (format!("sensor-{}", number % 100), format!("{number} lx"));
        let time = now.saturating_sub(Duration::from_secs(60) * (10_000 - number));
        let is_taken_away = number >= 9_900 && number % 10 == 0;
        let message = if is_taken_away {
            NewMessage::tombstone(sensor.as_bytes())
        } else {
            NewMessage::new(sensor.as_bytes(), reading.as_bytes())
        };
        log.publish(&[message.time(time)])?;
    }
    Ok(())
}

fn tell(what: &str, log: &FileLog) -> Result<()> {
    let stats = log.stat()?;
    println!(
        "{what:<28} {:>6} messages from offset {:>5} on, {:>4} KiB in {:>2} segments",
        stats.messages,
        stats.start_offset,
        stats.size / 1024,
        stats.segments
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("duramen-retention-{}", std::process::id()));
    let options = Options::new()
        .create_dirs(true)
        .key_index(true)
        .time_index(true)
        .rollover(64 << 10);

    // The policy is applied at open, by time, and whenever a new segment begins. Here it keeps at least 6,000 messages,
    // and at most one segment more.
    let policy = Retention::new().max_messages(6_000);
    let log = options.clone().retention(policy).open(&dir)?;
    publish_readings(&log)?;
    tell("published", &log)?;
    log.apply_retention(false)?;
    tell("the policy applied", &log)?;
    assert_eq!(log.stat()?.messages, 6_000);

    // Trim by hand. The offset to trim to can be computed first.
    let cut = trim::find_by_age(&log, 48 * HOUR)?;
    println!("two days begin at offset {cut}");
    trim::by_age(&log, 48 * HOUR)?;
    tell("two days", &log)?;
    assert_eq!(log.get(Start::Oldest)?.offset, cut);

    // Keep the last reading of each sensor, and nothing of the removed ones. The callback could
    // sleep.
    let mut calls = 0;
    compact::compact_with(&log, &Settings::new().older_than(Duration::ZERO), |_progress| {
        calls += 1;
        ControlFlow::Continue(())
    })?;
    tell("compacted", &log)?;
    println!("publishers and readers had the log to themselves {calls} times meanwhile");
    assert_eq!(log.stat()?.messages, 90);

    // Deleted messages are gone at once, and their offsets are never reused.
    let newest = log.get(Start::Newest)?.offset;
    log.delete(&[newest].into())?;
    assert_eq!(log.publish(&[NewMessage::new(b"sensor-7", b"dark")])?, 10_001);
    tell("the newest replaced", &log)?;

    log.close()?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
