//! Sizes with units, short and relative times, and ranges of offsets.

use crate::harness::{Place, numbered, run, run_with};

fn values(place: &Place, flags: &[&str]) -> String {
    let flags = [flags, &["--format", "raw"]].concat();
    place.consume(&flags).ok().to_owned()
}

/// `--until` is an offset or a time, as the two options with longer names.
#[test]
fn until_is_an_offset_or_a_time() {
    let place = Place::with(&numbered(6));
    let cases: [(&[&str], &str); 5] = [
        (&["--until", "2"], "a0a1"),
        (&["--until", "us:3"], "a0a1a2"),
        (&["--from", "1", "--until", "4"], "a1a2a3"),
        (&["--until", "1970-01-02"], "a0a1a2a3a4a5"),
        (&["--until", "-1h", "--max", "1"], "a0"),
    ];
    for (flags, expected) in cases {
        assert_eq!(values(&place, flags), expected, "{flags:?}");
    }
    for flags in [
        &["--until", "newest"][..],
        &["--until", "-2"],
        &["--until", "2", "--until-offset", "2"],
        &["--until", "2", "--until-time", "us:2"],
    ] {
        place.consume(flags).failed(2);
    }
}

/// A time may be short, or an age, wherever a time is given.
#[test]
fn times_may_be_short_or_relative() {
    let place = Place::with("{\"time_us\":0,\"value\":\"old\"}\n{\"value\":\"new\"}\n");
    for from in [
        "-1h",
        "-90m",
        "-7d",
        "2000-01-01",
        "2000-01-01T10:30",
        "2000-01-01 10:30:00",
    ] {
        assert_eq!(values(&place, &["--from", from]), "new", "{from}");
        assert_eq!(values(&place, &["--until-time", from]), "old", "{from}");
        let found = run(&["get", place.dir(), "--time", from, "--format", "raw"]);
        assert_eq!(found.ok(), "new", "{from}");
    }
    assert_eq!(values(&place, &["--from", "now"]), "");
    let (copy, restored) = (place.parent().join("copy"), place.parent().join("restored"));
    let (copy, restored) = (copy.to_str().expect("text"), restored.to_str().expect("text"));
    run(&["backup", place.dir(), copy]).ok();
    let summary = run(&["restore", copy, restored, "--until", "-1h"]);
    assert_eq!(summary.ok(), "{\"next_offset\":1}\n");
}

/// A size may have a unit, wherever a size is given.
#[test]
fn sizes_may_have_units() {
    let lines = numbered(200);
    let count = |rollover| {
        let place = Place::new();
        place
            .publish(&["--rollover", rollover, "--batch", "5"], lines.as_bytes())
            .ok();
        place.files("log").len()
    };
    assert_eq!(count("2K"), count("2048"));
    assert_eq!(count("2kb"), count("2000"));
    assert!(count("2KiB") > count("1MiB"));

    // Each message takes 8 + 2 + 2 bytes, those from the tenth on one more.
    let place = Place::with(&lines);
    let lines = |flags: &[&str]| place.consume(flags).ok().lines().count();
    assert_eq!(lines(&["--max-bytes", "1K"]), lines(&["--max-bytes", "1024"]));
    assert_eq!(
        place.run("trim", &["--max-bytes", "1G", "--dry-run"]).json()[0]["trimmed"],
        0
    );
    for size in ["1X", "1.5M", "-1", "99999999T"] {
        place.publish(&["--rollover", size], b"").failed(2);
    }
}

/// Ranges, on the command line and in the input, remove what is there of them, and gaps and the end are no matter.
#[test]
fn ranges_are_removed() {
    let left = |place: &Place| -> Vec<u64> {
        let messages = place.consume(&[]).json();
        messages
            .iter()
            .map(|message| message["offset"].as_u64().expect("an offset"))
            .collect()
    };
    let cases: [(&[&str], &str, Vec<u64>); 8] = [
        (&["5..9"], "", vec![0, 1, 2, 3, 4, 9]),
        (&["5..=8", "0"], "", vec![1, 2, 3, 4, 9]),
        (&["8.."], "", (0..8).collect()),
        (&["..8"], "", vec![8, 9]),
        (&["7..1000000000000", "4"], "", vec![0, 1, 2, 3, 5, 6]),
        (&["-"], "1 2\n\n4..6\n", vec![0, 3, 6, 7, 8, 9]),
        (&["0", "-"], "9", (1..9).collect()),
        (&["-"], "", (0..10).collect()),
    ];
    for (flags, input, expected) in cases {
        let place = Place::with(&numbered(10));
        let args = [&["delete", place.dir()], flags].concat();
        let dry = run_with(&[&args[..], &["--dry-run"]].concat(), input.as_bytes()).json();
        assert_eq!(left(&place).len(), 10);
        let done = run_with(&args, input.as_bytes()).json();
        assert_eq!(left(&place), expected, "{flags:?}");
        let count = 10 - expected.len();
        assert_eq!(
            (&dry[0]["deleted"], &done[0]["deleted"]),
            (&count.into(), &count.into())
        );
        assert_eq!(run_with(&args, input.as_bytes()).json()[0]["deleted"], 0);
        assert_eq!(place.run("check", &[]).code, Some(0));
    }
    let place = Place::with(&numbered(10));
    for range in ["..", "9..5", "5..5", "5-9", "1..x"] {
        place.run("delete", &[range]).failed(2);
    }
    let wrong = run_with(&["delete", place.dir(), "-"], b"1\n2 x\n");
    assert!(
        wrong.failed(1).starts_with("duramen: line 2: \"x\" is neither"),
        "{wrong:?}"
    );
    assert_eq!(left(&place).len(), 10);
}
