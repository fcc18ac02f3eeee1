//! Publish, read back, look up by key and by time, reopen.
//!
//! `cargo run --example quickstart`

use duramen::{FileLog, Log, NewMessage, Options, Start, Timestamp};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("duramen-quickstart-{}", std::process::id()));
    let options = Options::new().create_dirs(true).key_index(true).time_index(true);
    let log: FileLog = options.open(&dir)?;

    // One call publishes one atomic batch: after a crash, all of it is there or none of it.
    let noon: Timestamp = "2026-03-01T12:00:00Z".parse()?;
    let later: Timestamp = "2026-03-01T12:00:05Z".parse()?;
    let next_offset = log.publish(&[
        NewMessage::new(b"lamp", b"on").time(noon),
        NewMessage::new(b"door", b"open").time(noon),
        NewMessage::new(b"lamp", b"off").time(later),
    ])?;
    assert_eq!(next_offset, 3);

    // A message without a value is a tombstone. It marks the key `door` as removed.
    log.publish(&[NewMessage::tombstone(b"door")])?;

    // Read in order from the beginning.
    let batch = log.consume(Start::Oldest, 100)?;
    for message in &batch {
        println!(
            "{} {} {:?} {:?}",
            message.offset, message.time, message.key, message.value
        );
    }
    assert_eq!((batch.messages.len(), batch.next_offset), (4, 4));

    // Look up the last message with a key, and the first message at or after a time.
    assert_eq!(log.get_by_key(b"lamp")?.value.as_deref(), Some(&b"off"[..]));
    assert_eq!(log.get_by_key(b"door")?.value, None);
    assert_eq!(log.get_by_time("2026-03-01T12:00:01Z".parse()?)?.offset, 2);

    // By default, a published message survives a crash of the process. After this call, it survives
    // a power cut too.
    assert_eq!(log.sync()?, 4);
    log.close()?;

    // A message outlives its log. Opening the log again finds all messages.
    let last = batch.messages.last().map(|message| message.offset);
    let log = options.open(&dir)?;
    assert_eq!(Some(log.get(Start::Newest)?.offset), last);
    log.close()?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
