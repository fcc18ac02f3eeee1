//! `publish --producer`: what is published again is there once.

use std::io::Write as _;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Place, Run, command, finish, numbered};

fn summary(run: &Run) -> [u64; 4] {
    assert_eq!(run.code, Some(0), "{run:?}");
    let summary = run.json().remove(0);
    ["published", "next_offset", "start_offset", "duplicates"]
        .map(|name| summary[name].as_u64().expect("a number"))
}

fn values(place: &Place) -> String {
    place.consume(&["--format", "raw"]).ok().to_owned()
}

/// Each run opens the log anew. One that is run again publishes nothing; one that goes on publishes the rest.
#[test]
fn a_batch_that_is_published_again_is_left_out() {
    let place = Place::new();
    let run = |producer: &str, count| {
        let flags = ["--producer", producer, "--batch", "10"];
        summary(&place.publish(&flags, numbered(count).as_bytes()))
    };
    assert_eq!(run("7:1", 20), [20, 20, 0, 0]);
    assert_eq!(run("7:1", 20), [0, 20, 0, 20]);
    // The second batch and a new one.
    assert_eq!(run("7:2", 20), [10, 30, 10, 10]);
    // Another producer, and a gap.
    assert_eq!(run("8:1", 10), [10, 40, 30, 0]);
    assert_eq!(run("7:100", 10), [10, 50, 40, 0]);
    assert_eq!(run("7:3", 10), [0, 50, 20, 10]);
    let stats = place.run("stat", &["--json"]).json();
    assert_eq!(
        (&stats[0]["producers"], &stats[0]["messages"]),
        (&json!(2), &json!(50))
    );
    let text = place.run("stat", &[]);
    assert!(text.ok().contains("\nproducers     2\n"), "{text:?}");
}

/// Sequences that the log does not know any more, and those between two that it knows.
#[test]
fn an_old_sequence_is_refused() {
    let place = Place::new();
    let flags = ["--producer", "7:10", "--batch", "1"];
    place.publish(&flags, numbered(70).as_bytes()).ok();
    let again = |producer| place.publish(&["--producer", producer], numbered(1).as_bytes());
    assert_eq!(summary(&again("7:16")), [0, 70, 6, 1]);
    let run = again("7:15");
    assert_eq!(
        run.failed(1),
        "duramen: producer 7 is at sequence 79, and cannot publish 15\n"
    );
    assert_eq!(run.json()[0]["published"], 0);
    again("7:9").failed(1);
    assert_eq!(summary(&again("7:80")), [1, 71, 70, 0]);
}

/// Under a sequence of before, other input is not taken for what was published: nothing is lost silently.
#[test]
fn another_batch_under_the_same_sequence_is_refused() {
    let place = Place::new();
    let run = |flags: &[&str], count| {
        let flags = [&["--producer", "7:1"], flags].concat();
        place.publish(&flags, numbered(count).as_bytes())
    };
    run(&["--batch", "4"], 6).ok();
    let longer = run(&["--batch", "4"], 7);
    assert_eq!(
        longer.failed(1),
        "duramen: producer 7 has published sequence 2 before, with 2 records and not with 3; \
         publish the same input with the same --batch, or go on with a new sequence\n"
    );
    assert_eq!(longer.json()[0]["duplicates"], 4);
    run(&["--batch", "3"], 6).failed(1);
    // A fence is a record, too.
    run(&["--batch", "4", "--fence", "a"], 6).failed(1);
    assert_eq!(summary(&run(&["--batch", "4"], 6)), [0, 6, 0, 6]);
    let run = place.publish(
        &["--producer", "9:18446744073709551615", "--batch", "1"],
        numbered(2).as_bytes(),
    );
    assert!(
        run.failed(2).contains("producer 9 has run out of sequences"),
        "{run:?}"
    );
    assert_eq!(run.json()[0]["published"], 1);
}

/// Goal: a fence and its messages are published once. Method: the token must not be a condition of the repetition.
#[test]
fn a_fence_that_is_published_again_is_left_out() {
    let place = Place::new();
    let flags = ["--producer", "7:1", "--fence", "a", "--batch", "2"];
    let run = || summary(&place.publish(&flags, numbered(4).as_bytes()));
    assert_eq!(run(), [4, 5, 0, 0]);
    assert_eq!(run(), [0, 5, 0, 4]);
    let controls = place.consume(&["--control"]).json();
    let count = controls
        .iter()
        .filter(|line| line["control"] != Value::Null)
        .count();
    assert_eq!(count, 1);
}

/// Goal: a publisher that is killed anywhere, and run again, has published everything once. The input comes in pieces
/// of other sizes than the batches, with pauses.
#[test]
fn a_killed_producer_is_run_again() {
    let lines = numbered(10);
    let all = (0..10).map(|i| format!("a{i}")).collect::<Vec<_>>().concat();
    for sent in [0, 1, 4, 7, 10] {
        let place = Place::new();
        let args = ["publish", place.dir(), "--producer", "1:1", "--batch", "3"];
        let mut child = command(&args).spawn().expect("the binary starts");
        let mut stdin = child.stdin.take().expect("piped");
        for line in lines.lines().take(sent) {
            writeln!(stdin, "{line}").expect("it reads");
        }
        thread::sleep(Duration::from_millis(300));
        child.kill().expect("it waits for input");
        finish(child);
        let again = || summary(&place.publish(&args[2..], lines.as_bytes()));
        let [published, next, _, duplicates] = again();
        assert_eq!(
            (published + duplicates, next, duplicates % 3),
            (10, 10, 0),
            "{sent}"
        );
        assert!(duplicates <= sent as u64);
        assert_eq!(again(), [0, 10, 0, 10]);
        assert_eq!(values(&place), all);
    }
}
