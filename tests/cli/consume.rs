use std::io::{BufRead as _, BufReader};

use crate::harness::{Place, command, finish, numbered, run};

fn values(place: &Place, flags: &[&str]) -> Vec<String> {
    let messages = place.consume(flags).json();
    messages
        .iter()
        .map(|message| message["value"].as_str().expect("a value").to_owned())
        .collect()
}

/// Every form of `--from`, with and without `--max` and `--key`.
#[test]
fn from_max_and_key_choose() {
    let place = Place::with(&numbered(10));
    let cases: [(&[&str], &[&str]); 14] = [
        (&["--max", "2"], &["a0", "a1"]),
        (&["--max", "0"], &[]),
        (&["--from", "oldest", "--max", "1"], &["a0"]),
        (&["--from", "newest"], &[]),
        (&["--from", "8"], &["a8", "a9"]),
        (&["--from", "10"], &[]),
        (&["--from", "-2"], &["a8", "a9"]),
        (&["--from=-100", "--max", "1"], &["a0"]),
        (&["--from", "us:9"], &["a9"]),
        (&["--from", "1970-01-01T00:00:00.000008Z"], &["a8", "a9"]),
        (&["--from", "us:10"], &[]),
        (&["--key", "k1"], &["a1", "a4", "a7"]),
        (&["--key", "k1", "--from", "-4", "--max", "5"], &["a7"]),
        (&["--key-base64", "azE", "--max", "1"], &["a1"]),
    ];
    for (flags, expected) in cases {
        assert_eq!(values(&place, flags), expected, "{flags:?}");
    }
    assert_eq!(values(&place, &["--key", "none"]), [""; 0]);
    assert_eq!(values(&place, &["--key", ""]), [""; 0]);
}

/// Many more messages than are read at a time come out once each, in order, also by key.
#[test]
fn many_messages_come_in_order() {
    let place = Place::new();
    place
        .publish(
            &["--key-index", "--rollover", "65536"],
            numbered(20_000).as_bytes(),
        )
        .ok();
    let all: Vec<String> = (0..20_000).map(|i| format!("a{i}")).collect();
    assert_eq!(values(&place, &[]), all);
    let third: Vec<String> = (2..20_000).step_by(3).map(|i| format!("a{i}")).collect();
    assert_eq!(values(&place, &["--key", "k2"]), third);
}

/// The three formats, of messages that are awkward in each.
#[test]
fn formats() {
    let input = r#"{"time_us":0,"key":"k","value":"two\nlines"}
{"time_us":1,"key":"k","value":null,"headers":{"h":"v"}}
{"time_us":2,"key":null,"value":""}
{"time_us":3,"key_base64":"/w==","value":"end"}
"#;
    let place = Place::with(input);
    let json = place.consume(&["--format", "json"]);
    assert_eq!(
        json.ok(),
        r#"{"offset":0,"time_us":0,"key":"k","value":"two\nlines"}
{"offset":1,"time_us":1,"key":"k","value":null,"headers":{"h":"v"}}
{"offset":2,"time_us":2,"key":null,"value":""}
{"offset":3,"time_us":3,"key_base64":"/w==","value":"end"}
"#
    );
    assert_eq!(json.stdout, place.consume(&[]).stdout);
    let text = "0\t1970-01-01T00:00:00Z\tk\ttwo\\nlines\n\
                1\t1970-01-01T00:00:00.000001Z\tk\t\\N\th=v\n\
                2\t1970-01-01T00:00:00.000002Z\t\\N\t\n\
                3\t1970-01-01T00:00:00.000003Z\t\\xff\tend\n";
    assert_eq!(place.consume(&["--format", "text"]).ok(), text);
    assert_eq!(place.consume(&["--format", "raw"]).ok(), "two\nlinesend");
}

/// What `consume` prints, `publish` reads: absent, empty, any bytes, headers that repeat, all the same in a copy.
#[test]
fn every_form_of_json_survives_a_copy() {
    let input = r#"{"time_us":-1,"key":null,"value":null}
{"time_us":0,"key":"","value":""}
{"time_us":9223372036854775807,"key":"\u0000\"\\","value":"\u20ac\ud83e\udd80\n"}
{"time_us":1,"key_base64":"//4=","value_base64":"7aCA"}
{"time_us":1,"key":"a","value":"b","headers":{"z":"1","a":"2","":""}}
{"time_us":1,"key":"a","value":"b","headers":[["h","1"],["x",""],["h","2"]]}
{"time_us":1,"key":"a","value":"b","headers_base64":[["aA==","/w=="],["aA==","dg=="]]}
"#;
    let first = Place::with(input);
    let printed = first.consume(&[]);
    let second = Place::new();
    second.publish(&[], &printed.stdout).ok();
    assert_eq!(second.consume(&[]).ok(), printed.ok());

    // Beside the offsets, and with the characters themselves for their escapes, it is what went in.
    let without_offsets: String = (0..)
        .zip(printed.ok().lines())
        .map(|(i, line)| line.replacen(&format!("\"offset\":{i},"), "", 1) + "\n")
        .collect();
    assert_eq!(
        without_offsets,
        input.replace(r"\u20ac\ud83e\udd80", "\u{20ac}\u{1f980}")
    );
}

#[test]
fn failures_are_told() {
    let place = Place::new();
    assert!(place.consume(&[]).failed(1).contains("there is no log here"));
    assert!(!place.parent().join("log").exists(), "reading creates nothing");
    place.publish(&[], numbered(2).as_bytes()).ok();
    let run = place.consume(&["--from", "3"]);
    assert_eq!(
        run.failed(1),
        "duramen: offset 3 is outside the log, which goes from 0 to 2\n"
    );
    for (flags, index) in [(["--key", "k"], "key"), (["--from", "us:0"], "time")] {
        let run = place.consume(&flags);
        let missing = format!(": the log has no {index} index\n");
        assert!(run.failed(1).contains(&missing), "{run:?}");
        assert!(run.stderr.contains("--key-index"), "{run:?}");
    }
    let run = place.consume(&["--from", "yesterday"]);
    assert!(run.failed(2).contains("--from"), "{run:?}");
    run_usage(&["consume"]);
    run_usage(&["consume", place.dir(), "--max", "-1"]);
    run_usage(&["consume", place.dir(), "--format", "xml"]);
    run_usage(&["consume", place.dir(), "--key-base64", "*"]);
}

fn run_usage(args: &[&str]) {
    let run = run(args);
    assert_eq!((run.code, run.stdout.as_slice()), (Some(2), &b""[..]), "{run:?}");
}

/// A reader that has had enough is no failure.
#[test]
fn a_closed_pipe_ends_it_quietly() {
    let place = Place::with(&numbered(20_000));
    let mut child = command(&["consume", place.dir()])
        .spawn()
        .expect("the binary starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("text");
    assert!(line.starts_with("{\"offset\":0,"));
    finish(child).ok();
}
