use std::collections::HashMap;

use crate::harness::{Place, published};
use crate::history::History;

const LINES: &str = r#"{"time_us":1,"key":"a","value":"1"}
{"time_us":2,"key":"b","value":"1"}
{"time_us":3,"value":"keyless"}
{"time_us":4,"key":"a","value":"2"}
{"time_us":5,"key":"b","value":null}
{"key":"c","value":"1"}
{"key":"c","value":"2"}
"#;

fn offsets(place: &Place) -> Vec<u64> {
    let messages = place.consume(&[]).json();
    messages
        .iter()
        .map(|message| message["offset"].as_u64().expect("an offset"))
        .collect()
}

#[test]
fn what_is_superseded_is_removed() {
    let place = Place::with(LINES);
    let dry = &place.run("compact", &["--dry-run"]).json()[0];
    assert_eq!(dry["deleted"], 3);
    assert_eq!(offsets(&place).len(), 7);

    // All were published just now, whatever times they have.
    let old = &place.run("compact", &["--older-than", "1h", "--dry-run"]).json()[0];
    assert_eq!(old["deleted"], 0);
    assert_eq!(
        place.run("compact", &["--older-than", "1h"]).json()[0]["deleted"],
        0
    );
    assert_eq!(place.run("compact", &[]).json()[0]["deleted"], 3);
    // The tombstone stays for a day, unless it is told not to.
    assert_eq!(offsets(&place), [2, 3, 4, 6]);
    let run = place.run("compact", &["--older-than", "0s"]);
    assert!(run.ok().starts_with("{\"deleted\":1,\"size\":"), "{run:?}");
    assert_eq!(offsets(&place), [2, 3, 6]);
    assert_eq!(place.run("compact", &[]).ok(), "{\"deleted\":0,\"size\":0}\n");
    assert_eq!(place.run("check", &[]).code, Some(0));
}

#[test]
fn a_key_index_is_needed() {
    let place = Place::new();
    place.publish(&[], LINES.as_bytes()).ok();
    for flags in [&[][..], &["--dry-run"]] {
        assert!(
            place
                .run("compact", flags)
                .failed(1)
                .contains("adds indexes to a log")
        );
    }
    assert!(!place.run("compact", &["--older-than", "1"]).failed(2).is_empty());
    assert!(
        Place::new()
            .run("compact", &[])
            .failed(1)
            .contains("there is no log here")
    );
    assert_eq!(offsets(&place).len(), 7);
}

fn stat(place: &Place, field: &str) -> u64 {
    place.run("stat", &["--json"]).json()[0][field]
        .as_u64()
        .expect("a number")
}

/// Bytes of the log's files.
fn on_disk(place: &Place) -> u64 {
    let files = ["log", "idx"]
        .into_iter()
        .flat_map(|extension| place.files(extension));
    files.map(|path| path.metadata().expect("a file").len()).sum()
}

/// Goal: compacting the real history leaves exactly the last event of each key that has a value, with the old offsets
/// and in the old order, and makes the log smaller by what went. Method: the last events are found without the library.
fn compact_the_history(flags: &[&str]) {
    let history = History::read();
    let place = Place::new();
    let flags = [&["--key-index", "--time-index"], flags].concat();
    place.publish(&flags, history.text.as_bytes()).ok();
    let (before, size_before) = (on_disk(&place), stat(&place, "size"));

    let mut last = HashMap::new();
    for (offset, event) in history.events.iter().enumerate() {
        last.insert(event["key"].as_str().expect("a key"), offset);
    }
    let mut kept: Vec<usize> = last
        .into_values()
        .filter(|offset| !history.events[*offset]["value"].is_null())
        .collect();
    kept.sort_unstable();
    assert_eq!(kept.len(), 1_639);

    let any_age = ["--older-than", "0s"];
    let dry = place.run("compact", &["--older-than", "0s", "--dry-run"]).json();
    let run = place.run("compact", &any_age);
    run.ok();
    let summary = &run.json()[0];
    assert_eq!(summary["deleted"], 28_200 - 1_639);
    assert_eq!(dry[0]["deleted"], summary["deleted"]);

    let expected: String = kept.iter().map(|offset| history.printed(*offset)).collect();
    assert!(place.consume(&[]).ok() == expected, "something else is left");
    assert_eq!(place.run("check", &[]).code, Some(0));
    assert_eq!(
        (stat(&place, "messages"), stat(&place, "next_offset")),
        (1_639, 28_200)
    );

    let (after, size_after) = (on_disk(&place), stat(&place, "size"));
    let freed = summary["size"].as_u64().expect("a number");
    println!("{flags:?}: {before} bytes before, {after} after; said to be freed: {freed}");
    // A sixteenth of the messages is left, and what they take beside is a header and an index for each segment.
    assert!(after < before / 10, "from {before} to {after}");
    assert!(
        (size_before - size_after).abs_diff(freed) < size_before / 50,
        "{freed} is said to be freed, from {size_before} to {size_after}"
    );

    // Once more there is nothing to do, and the log goes on.
    assert_eq!(
        place.run("compact", &any_age).ok(),
        "{\"deleted\":0,\"size\":0}\n"
    );
    let summary = place.publish(&[], b"{\"key\":\"new\",\"value\":\"x\"}\n");
    assert_eq!(summary.ok(), published(1, 28_201));
}

#[test]
fn the_history_is_compacted_in_many_segments() {
    compact_the_history(&["--rollover", "65536"]);
}

#[test]
fn the_history_is_compacted_in_one_segment() {
    compact_the_history(&[]);
}
