//! The conditions of `publish`, and fences, seals and what comes of them.

use std::process::Child;

use serde_json::json;

use crate::harness::{Place, command, finish, numbered, published};

const ONE: &[u8] = b"{\"value\":\"x\"}\n";

fn token(place: &Place) -> String {
    let stats = place.run("stat", &["--json"]).json();
    stats[0]["token"].as_str().expect("a text").to_owned()
}

/// A publish that fails leaves the log as it is, and says where it ends.
fn refused(place: &Place, flags: &[&str], next_offset: u64, error: &str) {
    let run = place.publish(flags, ONE);
    assert_eq!(run.failed(1), format!("duramen: {error}\n"), "{flags:?}");
    assert_eq!(std::str::from_utf8(&run.stdout), Ok(&*published(0, next_offset)));
}

#[test]
fn a_publisher_needs_the_token_that_it_gives() {
    let place = Place::with(&numbered(2));
    place.publish(&["--token", ""], ONE).ok();
    refused(
        &place,
        &["--token", "a"],
        3,
        "fenced: the publisher's token is \"a\", the log's is \"\"",
    );
    assert_eq!(place.run("fence", &["a"]).ok(), "{\"next_offset\":4}\n");
    assert_eq!(place.publish(&["--token", "a"], ONE).ok(), published(1, 5));
    refused(
        &place,
        &["--token", ""],
        5,
        "fenced: the publisher's token is \"\", the log's is \"a\"",
    );
    // The token's error wins, and who gives none is not asked for one.
    refused(
        &place,
        &["--token", "b", "--expect-next", "99"],
        5,
        "fenced: the publisher's token is \"b\", the log's is \"a\"",
    );
    assert_eq!(place.publish(&[], ONE).ok(), published(1, 6));
    // Any text will do.
    place.run("fence", &["--token", "a", "--", "-\u{e9}\u{1b}"]).ok();
    place.publish(&["--token", "-\u{e9}\u{1b}"], ONE).ok();
    assert_eq!(token(&place), "-\u{e9}\u{1b}");
    let text = place.run("stat", &[]);
    assert!(
        text.ok().contains("\ntoken         \"-\u{e9}\\u{1b}\"\n"),
        "{text:?}"
    );
}

/// The fence comes behind the messages of the first batch, and the later batches know it.
#[test]
fn a_publish_can_fence() {
    let place = Place::new();
    let flags = ["--fence", "a", "--batch", "2"];
    let run = place.publish(&flags, numbered(5).as_bytes());
    assert_eq!(
        run.json(),
        [json!({"published": 5, "next_offset": 6, "start_offset": 0, "duplicates": 0})]
    );
    let offsets: Vec<_> = place.consume(&["--control"]).json();
    assert_eq!(offsets[2]["control"], "fence");
    assert_eq!(token(&place), "a");
    // Without a message, and with a condition.
    let run = place.publish(&["--fence", "b", "--token", "a"], b"");
    assert_eq!(
        run.json(),
        [json!({"published": 0, "next_offset": 7, "start_offset": 6, "duplicates": 0})]
    );
    assert_eq!(token(&place), "b");
    refused(
        &place,
        &["--fence", "c", "--token", "a"],
        7,
        "fenced: the publisher's token is \"a\", the log's is \"b\"",
    );
    assert_eq!(token(&place), "b");
    // A bad line in front of everything is not the first batch.
    place.publish(&["--fence", "c"], b"nonsense").failed(1);
    assert_eq!(token(&place), "b");
    place.publish(&["--fence", ""], b"").ok();
    assert_eq!(token(&place), "");
}

#[test]
fn a_fence_can_have_a_condition() {
    let place = Place::with(&numbered(1));
    place.run("fence", &["a"]).ok();
    let run = place.run("fence", &["b", "--token", "z"]);
    assert_eq!(
        run.failed(1),
        "duramen: fenced: the publisher's token is \"z\", the log's is \"a\"\n"
    );
    assert_eq!((run.stdout.as_slice(), token(&place).as_str()), (&b""[..], "a"));
    place.run("fence", &["b", "--token", "a"]).ok();
    place.run("fence", &["c"]).ok();
    assert_eq!(token(&place), "c");
}

#[test]
fn an_expected_offset_is_that_of_the_first_batch() {
    let place = Place::with(&numbered(3));
    for (flags, next) in [(&["--expect-next", "3"][..], 8), (&["--expect-next", "8"], 13)] {
        let flags = [flags, &["--batch", "2"]].concat();
        let run = place.publish(&flags, numbered(5).as_bytes());
        assert_eq!(run.ok(), published(5, next));
    }
    for expected in ["3", "14"] {
        refused(
            &place,
            &["--expect-next", expected],
            13,
            &format!("expected to publish at offset {expected}, but the next offset is 13"),
        );
    }
    // It is checked without input, too.
    place.publish(&["--expect-next", "13"], b"").ok();
    place.publish(&["--expect-next", "12"], b"").failed(1);
}

#[test]
fn an_expected_key_is_compared_with_its_last_message() {
    let place = Place::with(&numbered(5));
    place
        .publish(&["--expect-key", "a=b=none"], b"{\"key\":\"a=b\"}")
        .ok();
    place.publish(&["--expect-key", "a=b=5"], ONE).ok();
    place.publish(&["--expect-key", "k1=4"], ONE).ok();
    for (expected, error) in [
        (
            "k1=1",
            "expected the key's last message at offset 1, but it is at offset 4",
        ),
        (
            "k1=none",
            "expected the key's last message absent, but it is at offset 4",
        ),
        (
            "=3",
            "expected the key's last message at offset 3, but it is absent",
        ),
    ] {
        refused(&place, &["--expect-key", expected], 8, error);
    }
    let bare = Place::new();
    let run = bare.publish(&["--expect-key", "k=none"], ONE);
    assert!(run.failed(1).contains(": the log has no key index\n"), "{run:?}");
    assert!(run.stderr.contains("--key-index"), "{run:?}");
    bare.publish(&["--expect-key", "k=none", "--key-index"], ONE).ok();
}

#[test]
fn a_sealed_log_is_read_and_not_published_to() {
    let place = Place::with(&numbered(3));
    assert_eq!(place.run("seal", &[]).ok(), "{\"next_offset\":4}\n");
    let sealed = "the log is sealed\nduramen: `duramen unseal DIR` opens a sealed log for publishing again";
    refused(&place, &[], 4, sealed);
    refused(&place, &["--token", "wrong"], 4, sealed);
    for again in [place.run("seal", &[]), place.run("fence", &["a"])] {
        assert_eq!(again.failed(1), format!("duramen: {sealed}\n"));
    }
    let stats = place.run("stat", &["--json"]).json();
    assert_eq!(
        (&stats[0]["sealed"], &stats[0]["messages"]),
        (&json!(true), &json!(3))
    );
    assert_eq!(place.consume(&["--format", "raw"]).ok(), "a0a1a2");
    // Nothing is asked of a log to which nothing is published.
    place.publish(&["--key-index"], b"").ok();
    place.run("delete", &["1"]).ok();
    place.run("trim", &["--before", "1"]).ok();
    for next in ["{\"next_offset\":5}\n", "{\"next_offset\":5}\n"] {
        assert_eq!(place.run("unseal", &[]).ok(), next);
    }
    assert_eq!(place.publish(&[], ONE).ok(), published(1, 6));
    assert_eq!(place.consume(&["--format", "raw"]).ok(), "a2x");
}

#[test]
fn wrong_usage_is_told() {
    let place = Place::with(&numbered(1));
    let long = "x".repeat(37);
    let long = long.as_str();
    for flags in [
        &["--token", long][..],
        &["--token"],
        &["--fence", long],
        &["--expect-next", "1.5"],
        &["--expect-next", "none"],
        &["--expect-key", "k"],
        &["--expect-key", "k=x"],
        &["--producer", "1"],
        &["--producer", "a:1"],
        &["--producer", "1:18446744073709551616"],
    ] {
        let run = place.publish(flags, ONE);
        assert_eq!(run.stdout, b"", "{flags:?}");
        assert!(run.failed(2).contains(flags[0]), "{run:?}");
    }
    assert!(
        place
            .publish(&["--token", long], ONE)
            .stderr
            .contains("at most 36 bytes")
    );
    for flags in [&[][..], &[long], &["a", "b"], &["a", "--token", long]] {
        place.run("fence", flags).failed(2);
    }
    place.run("seal", &["a"]).failed(2);
    place.run("unseal", &["a"]).failed(2);
    let none = Place::new();
    for (command, flags) in [("fence", &["a"][..]), ("seal", &[]), ("unseal", &[])] {
        let run = none.run(command, flags);
        assert!(run.failed(1).contains("there is no log here"), "{run:?}");
    }
    assert!(!none.parent().join("log").exists());
}

/// Of two processes that take over from the same token at once, one does, and the other one is told; by a fence alone
/// and by one with messages.
#[test]
fn of_two_who_fence_one_wins() {
    let place = Place::with(&numbered(1));
    let mut old = String::new();
    for round in 0..8 {
        let new = [format!("left {round}"), format!("right {round}")];
        let start = |new: &str| -> Child {
            let args = match round % 2 {
                0 => vec!["fence", place.dir(), new, "--token", &old],
                _ => vec!["publish", place.dir(), "--fence", new, "--token", &old],
            };
            command(&args).spawn().expect("the binary starts")
        };
        let runs = new.each_ref().map(|new| start(new)).map(|mut child| {
            drop(child.stdin.take());
            child
        });
        let runs = runs.map(finish);
        let won: Vec<usize> = (0..2).filter(|i| runs[*i].code == Some(0)).collect();
        let [winner] = won[..] else {
            panic!("not one winner: {runs:?}");
        };
        let expected = format!(
            "duramen: fenced: the publisher's token is {old:?}, the log's is {:?}\n",
            new[winner]
        );
        assert_eq!(runs[1 - winner].failed(1), expected);
        old.clone_from(&new[winner]);
        assert_eq!(token(&place), old);
    }
    assert_eq!(place.run("stat", &["--json"]).json()[0]["next_offset"], 9);
}
