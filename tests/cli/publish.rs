use std::io::Write as _;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Place, command, finish, numbered, published};

/// The summary is one JSON line, and counts on in a log that exists.
#[test]
fn the_summary_counts() {
    let place = Place::new();
    assert_eq!(place.publish(&[], numbered(5).as_bytes()).ok(), published(5, 5));
    assert_eq!(place.publish(&[], numbered(3).as_bytes()).ok(), published(3, 8));
    assert_eq!(place.publish(&[], b"").ok(), published(0, 8));
    assert_eq!(place.publish(&[], b"\n  \n{}").ok(), published(1, 9));
}

/// Whatever the batches and the syncs, the log holds the same.
#[test]
fn batches_do_not_show() {
    let lines = numbered(2_500);
    let expected = Place::with(&lines).consume(&[]).ok().to_owned();
    for flags in [
        &["--batch", "1"][..],
        &["--batch", "7", "--sync"],
        &["--batch", "100000"],
        &["--rollover", "1024"],
    ] {
        let place = Place::new();
        place.publish(flags, lines.as_bytes()).ok();
        assert_eq!(place.consume(&[]).ok(), expected, "{flags:?}");
    }
}

/// A bad line is told by its number, blank lines counted; what came before it is published, what comes after is not.
#[test]
fn a_bad_line_is_named_and_what_came_before_stays() {
    let cases = [
        (
            "{\"value\":\"x\"}\n\nnonsense\n{}\n",
            1,
            "duramen: line 3: expected a JSON object\n",
        ),
        (
            "{\"vlaue\":\"x\"}\n",
            0,
            "duramen: line 1: column 8: unknown field `vlaue`",
        ),
        (
            "{}\n{}\n{\"key\":1}",
            2,
            "duramen: line 3: column 8: invalid type",
        ),
        (
            "{}\n{\"time_us\":99999999999999999999}",
            1,
            "duramen: line 2: column",
        ),
    ];
    for (input, published, error) in cases {
        for batch in ["1", "1000"] {
            let place = Place::new();
            let run = place.publish(&["--batch", batch], input.as_bytes());
            assert!(run.failed(1).starts_with(error), "{run:?}");
            assert_eq!(
                run.json(),
                [
                    json!({"published": published, "next_offset": published, "start_offset": 0, "duplicates": 0})
                ]
            );
            assert_eq!(place.consume(&[]).json().len(), published);
        }
    }
    let place = Place::new();
    let run = place.publish(&[], b"{\"value\":\"\xff\"}\n");
    assert!(run.failed(1).starts_with("duramen: line 1: "), "{run:?}");
}

/// A message over the limit is told like any other bad line.
#[test]
fn a_message_over_the_limit_is_a_bad_line() {
    let place = Place::new();
    let value = "x".repeat((64 << 20) + 1);
    let input = format!("{{\"value\":\"before\"}}\n{{\"value\":\"{value}\"}}\n");
    let run = place.publish(&[], input.as_bytes());
    assert!(
        run.failed(1)
            .starts_with("duramen: line 2: a message of 67108865 bytes"),
        "{run:?}"
    );
    assert_eq!(place.consume(&["--format", "raw"]).ok(), "before");
}

/// A log keeps its indexes; flags add to them, also without a single message.
#[test]
fn flags_add_to_the_indexes() {
    let place = Place::new();
    let indexes = || {
        let stats = place.run("stat", &["--json"]).json();
        (stats[0]["key_index"].clone(), stats[0]["time_index"].clone())
    };
    place.publish(&[], numbered(4).as_bytes()).ok();
    assert_eq!(indexes(), (json!(false), json!(false)));
    place.publish(&["--key-index"], b"").ok();
    assert_eq!(indexes(), (json!(true), json!(false)));
    place.publish(&["--time-index"], numbered(4).as_bytes()).ok();
    assert_eq!(indexes(), (json!(true), json!(true)));
    place.publish(&[], b"").ok();
    assert_eq!(indexes(), (json!(true), json!(true)));
    // The index that was added later knows the messages from before, too.
    assert_eq!(
        place.run("get", &["--time", "us:2", "--format", "raw"]).ok(),
        "a2"
    );
}

/// Without `time_us` a message gets the time of publishing.
#[test]
fn a_missing_time_is_now() {
    let place = Place::new();
    let before = duramen::Timestamp::now().as_micros();
    place.publish(&[], b"{\"value\":\"x\"}").ok();
    let after = duramen::Timestamp::now().as_micros();
    let time = place.consume(&[]).json()[0]["time_us"].as_i64().expect("a time");
    assert!((before..=after).contains(&time), "{before} {time} {after}");
}

/// Lines of a slow producer are published though their batch is not full: they are there when the publisher is killed.
#[test]
fn a_slow_producer_is_published_promptly() {
    let place = Place::new();
    let mut child = command(&["publish", place.dir()])
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("piped");
    for line in numbered(3).lines() {
        writeln!(stdin, "{line}").expect("it reads");
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_secs(1));
    child.kill().expect("it still waits for input");
    assert_eq!(finish(child).code, None);
    assert_eq!(place.consume(&["--format", "raw"]).ok(), "a0a1a2");
}

/// Goal: an index that the tool turns on costs the whole log once, and not at each lookup. Method: when the command has
/// ended, the last message of each segment is damaged: who goes through the segments again fails.
#[test]
fn an_index_that_is_turned_on_is_there_when_the_command_ends() {
    let place = Place::new();
    let lines = ["{\"key\":\"first\",\"value\":\"found\"}\n", &numbered(10_000)].concat();
    place
        .publish(&["--rollover", "16384", "--batch", "10"], lines.as_bytes())
        .ok();
    let files = |ending: &str| {
        let names = std::fs::read_dir(place.dir()).expect("a folder");
        let mut paths: Vec<_> = names.map(|entry| entry.expect("a name").path()).collect();
        paths.retain(|path| path.to_str().is_some_and(|path| path.ends_with(ending)));
        paths.sort();
        paths
    };
    place.run("get", &["--key", "first"]).failed(1);
    assert_eq!(
        place.publish(&["--key-index"], b"").json()[0]["next_offset"],
        json!(10_001)
    );
    let segments = files(".log");
    assert!(segments.len() > 16 && files(".idx").len() + 1 >= segments.len());
    assert!(!files(".keys").is_empty());
    for path in &segments[..segments.len() - 1] {
        let mut bytes = std::fs::read(path).expect("read");
        let at = bytes.len() - 4;
        bytes[at] ^= 1;
        std::fs::write(path, bytes).expect("written");
    }
    let get = |key| place.run("get", &["--key", key, "--format", "raw"]);
    assert_eq!(get("first").ok(), "found");
    get("none").failed(1);
}
