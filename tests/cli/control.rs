//! `consume --control`: every control record, in its place.

use duramen::{Control, Log as _, NewMessage, Options, PublishOptions, Timestamp};
use serde_json::{Value, json};

use crate::harness::{Place, numbered};

/// A log with every control record, some in front of messages and some behind them.
fn controls() -> Place {
    let place = Place::with(&numbered(2));
    let log = Options::of(place.dir()).and_then(|options| options.open(place.dir()));
    let log = log.expect("a log");
    let and = |controls: &[Control]| {
        let how = PublishOptions::new();
        controls.iter().fold(how, |how, control| how.and(*control))
    };
    let fence = |token: &str| Control::Fence(token.parse().expect("short"));
    let message = NewMessage::new(b"k", b"behind").time(Timestamp::from_micros(7));
    log.append(&[message], &and(&[fence("a\t\""), Control::Trim(1)]))
        .expect("3 and 4");
    log.append(&[], &and(&[fence(""), Control::Seal]))
        .expect("5 and 6");
    log.unseal().expect("7");
    log.append(&[message], &PublishOptions::new()).expect("8");
    #[cfg(feature = "fault")]
    duramen::fault::append_controls(&log, &[NewMessage::value(b"\x09later")]).expect("9");
    log.close().expect("closed");
    place
}

/// The lines that [`controls`] makes, without their times, with the messages' offsets only.
fn expected() -> Vec<Value> {
    let mut expected = vec![
        json!({"offset": 1}),
        json!({"offset": 2}),
        json!({"offset": 3, "control": "fence", "token": "a\t\""}),
        json!({"offset": 4, "control": "trim", "before": 1}),
        json!({"offset": 5, "control": "fence", "token": ""}),
        json!({"offset": 6, "control": "seal"}),
        json!({"offset": 7, "control": "unseal"}),
        json!({"offset": 8}),
    ];
    if cfg!(feature = "fault") {
        expected.push(json!({"offset": 9, "control": "unknown"}));
    }
    expected
}

fn without_times(lines: Vec<Value>) -> Vec<Value> {
    let strip = |mut line: Value| {
        let fields = line.as_object_mut().expect("an object");
        let time = fields.remove("time_us");
        assert!(time.is_some_and(|time| time.is_i64()), "a time in {fields:?}");
        if !fields.contains_key("control") {
            fields.retain(|name, _| name == "offset");
        }
        line
    };
    lines.into_iter().map(strip).collect()
}

#[test]
fn control_records_are_printed_in_their_places() {
    let place = controls();
    assert_eq!(without_times(place.consume(&["--control"]).json()), expected());
    let line = place.consume(&["--control", "--from", "3", "--max", "1"]);
    let time = line.json()[0]["time_us"].clone();
    assert_eq!(
        line.ok(),
        format!("{{\"offset\":3,\"time_us\":{time},\"control\":\"fence\",\"token\":\"a\\t\\\"\"}}\n")
    );
    // Without the flag, there are messages only, and both commands agree on them.
    assert_eq!(
        without_times(place.consume(&[]).json()),
        [json!({"offset": 1}), json!({"offset": 2}), json!({"offset": 8})]
    );
}

/// The limits hold for control records too; the choices of messages do not.
#[test]
fn control_records_are_limited_and_not_filtered() {
    let place = controls();
    let all = expected();
    let cases: [(&[&str], std::ops::Range<usize>); 6] = [
        (&["--max", "3"], 0..3),
        (&["--until-offset", "5"], 0..4),
        // The messages are of 1970, and the control records are not.
        (&["--until-time", "us:99"], 0..2),
        (&["--from", "5", "--max", "1"], 4..5),
        (&["--from", "2", "--until-offset", "4", "--max", "9"], 1..3),
        // 12 for the fence, 17 for the trim, 9 for the other fence.
        (&["--from", "3", "--max-bytes", "38"], 2..5),
    ];
    for (flags, range) in cases {
        let flags = [&["--control"], flags].concat();
        assert_eq!(
            without_times(place.consume(&flags).json()),
            all[range],
            "{flags:?}"
        );
    }
    for flags in [&["--key", "none"][..], &["--header", "h=v"]] {
        let flags = [&["--control"], flags].concat();
        let mut controls = all.clone();
        controls.retain(|line| line.get("control").is_some());
        assert_eq!(without_times(place.consume(&flags).json()), controls);
    }
}

#[test]
fn control_records_in_the_other_formats() {
    let place = controls();
    let text = place.consume(&["--control", "--format", "text"]);
    let fields: Vec<Vec<&str>> = text.ok().lines().map(|line| line.split('\t').collect()).collect();
    let expected: [(usize, &[&str]); 5] = [
        (2, &["\\control", "fence", "a\\t\""]),
        (3, &["\\control", "trim", "1"]),
        (4, &["\\control", "fence", ""]),
        (5, &["\\control", "seal"]),
        (6, &["\\control", "unseal"]),
    ];
    for (line, expected) in expected {
        assert_eq!(fields[line][2..], *expected);
    }
    assert_eq!(fields[0][2..], ["k1", "a1"]);
    let raw = place.consume(&["--control", "--format", "raw"]);
    assert_eq!(raw.ok(), "a1behindbehind");
}

/// Control records are not input: a copy would have them as something else.
#[test]
fn control_records_cannot_be_published() {
    let place = controls();
    let printed = place.consume(&["--control"]);
    let copy = Place::new();
    let run = copy.publish(&[], &printed.stdout);
    assert!(run.failed(1).contains("line 3: "), "{run:?}");
    assert!(run.stderr.contains("unknown field `control`"), "{run:?}");
}

/// The tool's own fences and seals look the same.
#[test]
fn what_the_commands_append_is_printed() {
    let place = Place::with(&numbered(1));
    place.run("fence", &["b"]).ok();
    place.run("seal", &[]).ok();
    place.run("unseal", &[]).ok();
    assert_eq!(
        without_times(place.consume(&["--control", "--from", "1"]).json()),
        [
            json!({"offset": 1, "control": "fence", "token": "b"}),
            json!({"offset": 2, "control": "seal"}),
            json!({"offset": 3, "control": "unseal"}),
        ]
    );
    let dump = crate::harness::run(&["dump", place.files("log")[0].to_str().expect("text")]);
    for text in ["fence", "seal", "unseal"] {
        assert!(dump.ok().contains(text), "{text}: {dump:?}");
    }
}
