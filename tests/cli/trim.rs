use std::time::{SystemTime, UNIX_EPOCH};

use crate::harness::{Place, numbered, published};

/// The values that are left, each without its `a`.
fn left(place: &Place) -> Vec<u64> {
    let text = place.consume(&["--format", "json"]);
    let values = text.json().into_iter().map(|message| message["value"].clone());
    values
        .map(|value| {
            let text = value.as_str().expect("a text");
            text[1..].parse().expect("a number")
        })
        .collect()
}

#[test]
fn the_front_is_removed_up_to_an_offset() {
    let place = Place::with(&numbered(10));
    for (before, trimmed, start) in [
        ("0", 0, 0),
        ("4", 4, 4),
        ("2", 0, 4),
        ("99", 6, 10),
        ("10", 0, 10),
    ] {
        let dry = &place.run("trim", &["--before", before, "--dry-run"]).json()[0];
        assert_eq!(
            (&dry["trimmed"], &dry["start_offset"]),
            (&trimmed.into(), &start.into())
        );
        let run = place.run("trim", &["--before", before]);
        let text = run.ok();
        assert!(
            text.starts_with(&format!("{{\"trimmed\":{trimmed},\"size\":")),
            "{text}"
        );
        assert!(
            text.ends_with(&format!(",\"start_offset\":{start}}}\n")),
            "{text}"
        );
        assert_eq!(left(&place), (start..10).collect::<Vec<_>>());
    }
    assert!(place.run("get", &["3"]).failed(1).contains("goes from 10 to 10"));
    let summary = place.publish(&[], b"{\"value\":\"a10\"}\n");
    assert_eq!(summary.ok(), published(1, 11));
}

#[test]
fn so_many_messages_or_bytes_are_kept() {
    let place = Place::with(&numbered(100));
    place.run("trim", &["--max-messages", "200"]).ok();
    assert_eq!(left(&place).len(), 100);
    place.run("trim", &["--max-messages", "60"]).ok();
    assert_eq!(left(&place), (40..100).collect::<Vec<_>>());

    let all = &place.run("trim", &["--max-bytes", "0", "--dry-run"]).json()[0];
    assert_eq!(all["trimmed"], 60);
    // All messages take the same.
    let size = all["size"].as_u64().expect("a number") / 60;
    let run = place.run("trim", &["--max-bytes", &(size * 20 + size / 2).to_string()]);
    assert_eq!(run.json()[0]["start_offset"], 80);
    assert_eq!(left(&place), (80..100).collect::<Vec<_>>());
    assert_eq!(place.run("check", &[]).code, Some(0));
}

#[test]
fn what_is_too_old_is_removed() {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock")
        .as_micros();
    let hours = [200, 170, 160, 30, 0];
    let lines: Vec<String> = (0..)
        .zip(hours)
        .map(|(i, hours)| {
            format!(
                "{{\"time_us\":{},\"value\":\"a{i}\"}}\n",
                now - hours * 3_600_000_000
            )
        })
        .collect();
    for flags in [&["--time-index"][..], &[]] {
        let place = Place::new();
        place.publish(flags, lines.concat().as_bytes()).ok();
        for (age, start) in [("10days", 0), ("7d", 2), ("31h", 3), ("30m", 4), ("29m 59s", 4)] {
            let run = place.run("trim", &["--max-age", age]);
            assert_eq!(run.json()[0]["start_offset"], start, "{age}");
            assert_eq!(left(&place), (start..5).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_dry_run_removes_nothing() {
    let place = Place::with(&numbered(50));
    let before = place.run("stat", &["--json"]).json();
    for flags in [
        ["--before", "20"],
        ["--max-messages", "30"],
        ["--max-bytes", "0"],
        ["--max-age", "1s"],
    ] {
        let run = place.run("trim", &[&flags[..], &["--dry-run"]].concat());
        assert!(run.json()[0]["trimmed"].as_u64() >= Some(20), "{run:?}");
    }
    assert_eq!(place.run("stat", &["--json"]).json(), before);
}

#[test]
fn one_option_has_to_say_what_is_kept() {
    let place = Place::with(&numbered(3));
    for flags in [
        &[][..],
        &["--dry-run"],
        &["--before", "1", "--max-messages", "1"],
        &["--max-age", "7"],
        &["--max-age", "soon"],
        &["--max-age", "-1h"],
        &["--before", "-1"],
        &["--max-bytes", "1.5"],
    ] {
        let run = place.run("trim", flags);
        assert!(!run.failed(2).is_empty());
        assert_eq!(run.stdout, b"");
    }
    let nowhere = Place::new();
    assert!(
        nowhere
            .run("trim", &["--before", "1"])
            .failed(1)
            .contains("there is no log here")
    );
    assert_eq!(left(&place), [0, 1, 2]);
}
