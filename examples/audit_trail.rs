//! An audit trail: who did what and when. An entry is on stable storage before the deed is done, and
//! the log decides on the time.
//!
//! `cargo run --example audit_trail`

use std::time::Duration;

use duramen::{
    Batch, Durability, FileLog, Log, LogExt, NewMessage, Options, Retention, Start, TimestampPolicy,
};

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Notes what somebody is about to do. Returns once a power cut can no longer take the note away.
fn note(log: &FileLog, who: &str, what: &str) -> duramen::Result<u64> {
    log.publish_one(NewMessage::new(who.as_bytes(), what.as_bytes()))
}

fn show(title: &str, entries: &Batch) {
    println!("{title}:");
    for entry in entries {
        let [who, what] = [&entry.key, &entry.value].map(|text| text.as_deref().unwrap_or_default());
        println!("  {} {} {}", entry.time, who.escape_ascii(), what.escape_ascii());
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("duramen-audit-trail-{}", std::process::id()));
    let options = Options::new()
        .create_dirs(true)
        .key_index(true)
        .time_index(true)
        .durability(Durability::EachPublish)
        .timestamps(TimestampPolicy::Arrival)
        .retention(Retention::new().max_age(10 * YEAR));
    let log = options.open(dir.join("trail"))?;
    note(&log, "anna", "logs in")?;
    note(&log, "ben", "reads account 7")?;
    let closing = note(&log, "anna", "closes account 7")?;
    note(&log, "anna", "logs out")?;

    let of_anna = log.consume_by_key(b"anna", Start::Oldest, 100)?;
    show("what Anna did", &of_anna);
    assert_eq!(of_anna.messages.len(), 3);
    let time = log.get(Start::At(closing))?.time;
    show("what came after", &log.consume_from(time, 100)?);

    // A copy for the auditors, while the log is in use. They can check every byte of it.
    log.backup(&dir.join("copy"))?;
    let report = duramen::check(dir.join("copy"), &Options::new())?;
    assert!(report.messages == 4 && report.is_clean());
    println!("{} entries were copied and checked", report.messages);
    log.close()?;
    Ok(std::fs::remove_dir_all(&dir)?)
}
