//! `recover --from-quarantine`: messages come back that recovery cut off.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Place, numbered};

/// A hundred messages in segments of a few each, cut off behind the 55th.
fn truncated(batch: &str) -> Place {
    let place = Place::new();
    let flags = ["--key-index", "--rollover", "1024", "--batch", batch];
    let lines = numbered(99) + "{\"time_us\":99,\"value\":\"last\",\"headers\":{\"h\":\"v\"}}\n";
    place.publish(&flags, lines.as_bytes()).ok();
    place.damage(55);
    assert_eq!(place.run("recover", &["--truncate"]).code, Some(0));
    place
}

/// The messages of the log without their offsets, as JSON.
fn content(place: &Place) -> Vec<(u64, String)> {
    let messages = place.consume(&[]).json();
    messages
        .into_iter()
        .map(|mut message| {
            let object = message.as_object_mut().expect("an object");
            let offset = object.remove("offset").expect("an offset");
            (offset.as_u64().expect("a number"), message.to_string())
        })
        .collect()
}

fn quarantine(place: &Place) -> PathBuf {
    Path::new(place.dir()).join("quarantine")
}

fn bring_back(place: &Place, flags: &[&str]) -> Value {
    let run = place.run("recover", &[&["--from-quarantine", "--json"], flags].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    run.json().remove(0)
}

/// Goal: all messages that were cut off and are whole come back once, whole, behind the end of the log, and their old
/// and new offsets are told. Method: one damaged message in the middle; batches of one and of several.
#[test]
fn messages_come_back_at_the_end() {
    for batch in ["1", "5"] {
        let place = truncated(batch);
        let kept = content(&place);
        assert_eq!(kept.len(), 55);
        let dry = bring_back(&place, &["--dry-run"]);
        assert_eq!((&dry["returned"], content(&place).len()), (&44.into(), 55));

        let done = bring_back(&place, &[]);
        assert_eq!(done["returned"], 44);
        let files = done["files"].as_array().expect("a list");
        let told: Vec<Value> = files
            .iter()
            .flat_map(|file| file["offsets"].as_array().expect("a list").clone())
            .collect();
        let now = content(&place);
        assert_eq!(now[..55], kept);
        let lines = numbered(99);
        let mut expected: Vec<String> = lines.lines().skip(56).map(str::to_owned).collect();
        expected
            .push("{\"time_us\":99,\"key\":null,\"value\":\"last\",\"headers\":{\"h\":\"v\"}}".to_owned());
        for (number, (offset, message)) in now[55..].iter().enumerate() {
            let as_value = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
            assert_eq!(as_value(message), as_value(&expected[number]));
            assert_eq!(*offset, 100 + number as u64);
            assert_eq!(told[number], serde_json::json!([56 + number, offset]));
        }
        assert_eq!(place.run("check", &[]).code, Some(0));
        assert_eq!(bring_back(&place, &[])["returned"], 0);
        assert_eq!(content(&place), now);
        let left = fs::read_dir(quarantine(&place)).expect("a directory").count();
        assert_eq!(left, 1, "only those that were brought back");
    }
}

/// Goal: a run that was killed is run again, and every message comes back once. Method: all or some of the files are
/// put back as they were before they were set aside.
#[test]
fn an_interrupted_return_is_run_again() {
    let place = truncated("5");
    let before: Vec<PathBuf> = {
        let entries = fs::read_dir(quarantine(&place)).expect("a directory");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
        paths.sort();
        paths
    };
    assert!(before.len() >= 3);
    let first = bring_back(&place, &[]);
    let now = content(&place);
    for count in [before.len(), 2, 1] {
        for path in &before[..count] {
            let name = path.file_name().expect("a name");
            fs::rename(quarantine(&place).join("returned").join(name), path).expect("it was set aside");
        }
        let again = bring_back(&place, &[]);
        let told = |report: &Value| report["files"].as_array().expect("a list")[..count].to_vec();
        assert_eq!(told(&again), told(&first));
        assert_eq!(content(&place), now);
    }
}

/// Goal: what the log has already does not come back, as when a recovery was killed after it had copied bytes. Method:
/// a copy of a file that was cut off, and a copy of a segment of the log.
#[test]
fn what_is_in_the_log_does_not_come_back() {
    let place = truncated("5");
    let segment = place.files("log").remove(0);
    fs::copy(
        &segment,
        quarantine(&place).join(segment.file_name().expect("a name")),
    )
    .expect("a copy");
    for entry in fs::read_dir(quarantine(&place))
        .expect("a directory")
        .collect::<Vec<_>>()
    {
        let path = entry.expect("readable").path();
        let twice = format!("{}.1", path.to_str().expect("text"));
        fs::copy(&path, twice).expect("a copy");
    }
    assert_eq!(bring_back(&place, &[])["returned"], 44);
    assert_eq!(content(&place).len(), 99);
}

/// A file that cannot be read is told and stays, and the others come back.
#[test]
fn a_file_that_cannot_be_read_stays() {
    let place = truncated("5");
    let strange = quarantine(&place).join("00000000000000009999.4096.cut");
    fs::write(&strange, b"bytes").expect("a file");
    let run = place.run("recover", &["--from-quarantine"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("00000000000000009999.4096.cut"), "{run:?}");
    assert!(run.stderr.contains("44 messages of"), "{run:?}");
    let text = String::from_utf8(run.stdout).expect("text");
    assert!(
        text.lines()
            .next()
            .expect("a line")
            .ends_with("offset 56 is 100 now"),
        "{text}"
    );
    assert!(strange.exists());
}

#[test]
fn there_need_be_no_quarantine_but_a_log() {
    let place = Place::with(&numbered(3));
    assert_eq!(bring_back(&place, &[])["returned"], 0);
    place
        .run("recover", &["--from-quarantine", "--salvage"])
        .failed(2);
    Place::new().run("recover", &["--from-quarantine"]).failed(1);
}
