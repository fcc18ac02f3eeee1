//! The library on real data: the 28,200 events of the history of a well-known repository (see
//! `data/README.md`) are published, read back, and looked up by key and by time. Every result is
//! compared with one computed without the library.
//!
//! `cargo run --release --example real_history`

use std::collections::HashMap;
use std::io::Read as _;
use std::time::Instant;

use duramen::{Error, FileLog, Log, Message, NewMessage, Options, Start, Timestamp};
use flate2::read::GzDecoder;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/redis-history.jsonl.gz");
/// The XXH3 hash (64 bits) of the unpacked data, as printed by `xxhsum -H3`.
const DATA_HASH: u64 = 0x4e96_789e_6330_bdf1;
const BATCH_LEN: usize = 1_000;
const TIME_LOOKUPS: u64 = 1_000;

/// One line of the data.
struct Event {
    time: Timestamp,
    key: String,
    /// Absent if the file was deleted.
    value: Option<String>,
}

fn main() -> Result<()> {
    let started = Instant::now();
    let text = unpack()?;
    let events = text.lines().map(parse).collect::<Result<Vec<_>>>()?;
    let what = format!(
        "unpacked {} events, {} bytes of JSON lines",
        events.len(),
        text.len()
    );
    say(started, &what);

    let dir = std::env::temp_dir().join(format!("duramen-real-history-{}", std::process::id()));
    let options = Options::new().key_index(true).time_index(true);
    let log = options.create_dirs(true).open(&dir)?;
    publish(&log, &events)?;
    consume(&log, &text)?;
    look_up_keys(&log, &events)?;
    look_up_times(&log, &events)?;

    println!(
        "The log took {} bytes, indexes included. Every answer was right.",
        log.stat()?.size
    );
    log.close()?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

/// Prints what was done since `started`, and how long it took.
fn say(started: Instant, what: &str) {
    println!("{:>9.2} ms  {what}", started.elapsed().as_secs_f64() * 1e3);
}

fn unpack() -> Result<String> {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(DATA)?).read_to_string(&mut text)?;
    let hash = xxh3_64(text.as_bytes());
    if hash != DATA_HASH {
        let expected = format!("expected {DATA_HASH:016x}, found {hash:016x}");
        return Err(format!("{DATA} is not the file that this example was written for: {expected}").into());
    }
    Ok(text)
}

fn parse(line: &str) -> Result<Event> {
    let fields: Value = serde_json::from_str(line)?;
    Ok(Event {
        time: Timestamp::from_micros(fields["time_us"].as_i64().ok_or("an event without a time")?),
        key: fields["key"].as_str().ok_or("an event without a key")?.to_owned(),
        value: fields["value"].as_str().map(str::to_owned),
    })
}

/// The line that `message` was parsed from.
fn render(message: &Message) -> Result<String> {
    let field = |bytes: Option<&[u8]>| match bytes {
        Some(bytes) => Ok::<_, Box<dyn std::error::Error>>(Value::from(std::str::from_utf8(bytes)?)),
        None => Ok(Value::Null),
    };
    let time_us = message.time.as_micros();
    let (key, value) = (field(message.key.as_deref())?, field(message.value.as_deref())?);
    Ok(format!(r#"{{"time_us":{time_us},"key":{key},"value":{value}}}"#))
}

fn publish(log: &FileLog, events: &[Event]) -> Result<()> {
    let started = Instant::now();
    for batch in events.chunks(BATCH_LEN) {
        let messages: Vec<NewMessage<'_>> = batch
            .iter()
            .map(|event| NewMessage {
                time: Some(event.time),
                key: Some(event.key.as_bytes()),
                value: event.value.as_deref().map(str::as_bytes),
                headers: &[],
            })
            .collect();
        log.publish(&messages)?;
    }
    say(started, &format!("published them in batches of {BATCH_LEN}"));

    let started = Instant::now();
    let synced = log.sync()?;
    assert_eq!(synced, events.len() as u64);
    say(started, "synced: all of them are on stable storage");
    Ok(())
}

/// Reads every event back, and checks that the lines are the same as in `text`, byte for byte and
/// in order.
fn consume(log: &FileLog, text: &str) -> Result<()> {
    let started = Instant::now();
    let mut messages = Vec::new();
    let mut from = Start::Oldest;
    loop {
        let batch = log.consume(from, BATCH_LEN)?;
        if batch.messages.is_empty() && from == Start::At(batch.next_offset) {
            break;
        }
        from = Start::At(batch.next_offset);
        messages.extend(batch);
    }
    say(started, &format!("consumed {} events", messages.len()));

    let mut lines = text.lines();
    for (offset, message) in (0..).zip(&messages) {
        assert_eq!(message.offset, offset);
        assert_eq!(Some(render(message)?.as_str()), lines.next());
    }
    assert_eq!(lines.next(), None);
    Ok(())
}

/// Looks up each key. The result must be its last event, tombstones included.
fn look_up_keys(log: &FileLog, events: &[Event]) -> Result<()> {
    let last: HashMap<&str, u64> = (0..)
        .zip(events)
        .map(|(offset, event)| (event.key.as_str(), offset))
        .collect();
    let started = Instant::now();
    let found = last
        .keys()
        .map(|key| Ok((*key, log.get_by_key(key.as_bytes())?)))
        .collect::<duramen::Result<HashMap<_, _>>>()?;
    let tombstones = found.values().filter(|message| message.value.is_none()).count();
    say(
        started,
        &format!(
            "looked up the last event of {} keys, {tombstones} of them tombstones",
            found.len()
        ),
    );

    for (key, message) in &found {
        let event = usize::try_from(message.offset)
            .ok()
            .and_then(|offset| events.get(offset));
        let event = event.ok_or("an offset beyond the events")?;
        assert_eq!(message.offset, last[key]);
        assert_eq!(message.key.as_deref(), Some(key.as_bytes()));
        assert_eq!(
            message.value.as_deref(),
            event.value.as_deref().map(str::as_bytes)
        );
    }
    let missing = log.get_by_key(b"no such file");
    assert!(matches!(missing, Err(Error::NotFound)), "{missing:?}");
    Ok(())
}

/// Looks up times from before the first event to after the last. The times of the history sometimes
/// go back. The result must be the first event at which the maximum time so far reaches the given
/// time.
fn look_up_times(log: &FileLog, events: &[Event]) -> Result<()> {
    let second = std::time::Duration::from_secs(1);
    let all = || events.iter().map(|event| event.time);
    let first = all().min().ok_or("no events")?.saturating_sub(second).as_micros();
    let span = all().max().ok_or("no events")?.as_micros() + 1_000_000 - first;
    let times: Vec<Timestamp> = (0..TIME_LOOKUPS)
        .map(|i| xxh3_64(&i.to_le_bytes()).cast_signed().rem_euclid(span))
        .map(|after| Timestamp::from_micros(first + after))
        .collect();

    let started = Instant::now();
    let answers: Vec<_> = times.iter().map(|time| log.offset_by_time(*time)).collect();
    say(started, &format!("looked up {TIME_LOOKUPS} times"));

    let started = Instant::now();
    for (time, answer) in times.iter().zip(answers) {
        let mut time_max = Timestamp::MIN;
        let expected = (0..).zip(events).find(|(_, event)| {
            time_max = time_max.max(event.time);
            time_max >= *time
        });
        match (answer, expected) {
            (Ok(answer), Some((offset, event))) => assert_eq!(answer, (offset, event.time), "{time}"),
            (Err(Error::NotFound), None) => {}
            (answer, expected) => {
                let offset = expected.map(|(offset, _)| offset);
                return Err(format!("{time}: {answer:?}, expected offset {offset:?}").into());
            }
        }
    }
    say(
        started,
        "searched for the same times event by event: the same answers",
    );
    Ok(())
}
