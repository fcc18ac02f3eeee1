//! The limits of `consume`, and headers.

use crate::harness::{Place, numbered, run};

fn values(place: &Place, flags: &[&str]) -> String {
    place
        .consume(&[flags, &["--format", "raw"]].concat())
        .ok()
        .to_owned()
}

/// Every limit alone and with others: the nearest one ends it.
#[test]
fn limits_end_it() {
    let place = Place::with(&numbered(6));
    // Each message takes 8 + 2 + 2 bytes.
    let cases: [(&[&str], &str); 20] = [
        (&["--until-offset", "2"], "a0a1"),
        (&["--until-offset", "0"], ""),
        (&["--until-offset", "99"], "a0a1a2a3a4a5"),
        (&["--from", "3", "--until-offset", "3"], ""),
        (&["--from", "4", "--until-offset", "2"], ""),
        (&["--from", "-4", "--until-offset", "4"], "a2a3"),
        (&["--until-time", "us:2"], "a0a1"),
        (&["--until-time", "1970-01-01T00:00:00.000003Z"], "a0a1a2"),
        (&["--until-time", "us:99"], "a0a1a2a3a4a5"),
        (&["--from", "us:2", "--until-time", "us:4"], "a2a3"),
        (&["--max-bytes", "36"], "a0a1a2"),
        (&["--max-bytes", "35"], "a0a1"),
        (&["--max-bytes", "11"], ""),
        (&["--max-bytes", "0"], ""),
        (&["--max", "2", "--max-bytes", "36"], "a0a1"),
        (&["--max", "4", "--max-bytes", "36", "--until-offset", "1"], "a0"),
        (&["--key", "k1", "--max-bytes", "12"], "a1"),
        (&["--key", "k1", "--until-offset", "4"], "a1"),
        (&["--key", "k1", "--until-time", "us:5"], "a1a4"),
        (&["--key-base64", "azE", "--from", "2", "--max-bytes", "99"], "a4"),
    ];
    for (flags, expected) in cases {
        assert_eq!(values(&place, flags), expected, "{flags:?}");
    }
    let run = place.consume(&["--from", "us:4", "--until-time", "us:4"]);
    assert_eq!(
        run.failed(2),
        "duramen: reading begins at or after the time it is to end at\n"
    );
}

/// A running time does not go back: the end is at the first message of that time, although later ones are earlier.
#[test]
fn the_first_late_message_ends_it() {
    let place = Place::with(
        "{\"time_us\":1,\"value\":\"a\"}\n{\"time_us\":5,\"value\":\"b\"}\n{\"time_us\":2,\"value\":\"c\"}\n",
    );
    assert_eq!(values(&place, &["--until-time", "us:5"]), "a");
    assert_eq!(values(&place, &["--until-time", "us:6"]), "abc");
    assert_eq!(values(&place, &["--from", "2", "--until-time", "us:5"]), "c");
}

#[test]
fn headers_choose() {
    let place = Place::with(
        r#"{"value":"0","headers":{"h":"v"}}
{"value":"1"}
{"value":"2","key":"k","headers":{"h":"v","n":"a=b"}}
{"value":"3","headers":{"h":"w"}}
{"value":"4","key":"k","headers":[["h","w"],["h","v"]]}
{"value":"5","headers":{"":"","-":"-"}}
"#,
    );
    let cases: [(&[&str], &str); 12] = [
        (&["--header", "h=v"], "024"),
        (&["--header", "h=w"], "34"),
        (&["--header", "h="], ""),
        (&["--header", "n=a=b"], "2"),
        (&["--header", "="], "5"),
        (&["--header", "-=-"], "5"),
        (&["--header", "h=v", "--header", "h=w"], "4"),
        (&["--header", "h=v", "--header", "n=a=b"], "2"),
        (&["--header", "h=v", "--key", "k"], "24"),
        (&["--header", "h=v", "--max", "2"], "02"),
        (&["--header", "h=v", "--from", "1", "--until-offset", "4"], "2"),
        // What is left out takes no bytes: 8 + 1 + 2 + 2 each.
        (&["--header", "h=v", "--max-bytes", "24"], "0"),
    ];
    for (flags, expected) in cases {
        assert_eq!(values(&place, flags), expected, "{flags:?}");
    }
}

/// Many more messages than are read at a time, through every limit.
#[test]
fn limits_hold_over_many_reads() {
    let place = Place::new();
    let line = |i| {
        format!(
            "{{\"time_us\":{i},\"value\":\"{i:05}\",\"headers\":{{\"h\":\"{}\"}}}}\n",
            i % 2
        )
    };
    let lines: String = (0..20_000).map(line).collect();
    place.publish(&["--rollover", "65536"], lines.as_bytes()).ok();
    let all = |range: std::ops::Range<usize>, step| -> String {
        let values = range.step_by(step).map(|i| format!("{i:05}"));
        values.collect::<Vec<_>>().concat()
    };
    // 8 + 5 + 2 + 2 bytes each.
    for (flags, expected) in [
        (&["--until-offset", "15001"][..], all(0..15_001, 1)),
        (&["--until-time", "us:15001"], all(0..15_001, 1)),
        (&["--max-bytes", "170000"], all(0..10_000, 1)),
        (&["--max-bytes", "169999"], all(0..9_999, 1)),
        (&["--max", "12345"], all(0..12_345, 1)),
        (&["--header", "h=1", "--max", "9000"], all(1..18_000, 2)),
        (&["--header", "h=1", "--max-bytes", "153000"], all(1..18_000, 2)),
        (&["--control"], all(0..20_000, 1)),
    ] {
        assert!(values(&place, flags) == expected, "{flags:?}");
    }
}

#[test]
fn wrong_usage_is_told() {
    let place = Place::with(&numbered(1));
    for flags in [
        ["--header", "h"],
        ["--until-offset", "newest"],
        ["--until-time", "5"],
        ["--max-bytes", "-1"],
        ["--control", "yes"],
    ] {
        let run = run(&[&["consume", place.dir()], &flags[..]].concat());
        assert_eq!((run.code, run.stdout.as_slice()), (Some(2), &b""[..]), "{run:?}");
    }
}
