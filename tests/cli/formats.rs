//! Input that is not JSON lines of messages, and output with delimiters.

use serde_json::{Value, json};

use crate::harness::{Place, Run, published};

/// The keys and values of all messages.
fn content(place: &Place) -> Vec<(Value, Value)> {
    let messages = place.consume(&[]).json();
    let both = |message: &Value| {
        assert_eq!(message.get("headers"), None);
        (message["key"].clone(), message["value"].clone())
    };
    messages.iter().map(both).collect()
}

fn publish(flags: &[&str], input: &str) -> (Place, Run) {
    let place = Place::new();
    let run = place.publish(flags, input.as_bytes());
    (place, run)
}

#[test]
fn lines_are_values_whatever_they_hold() {
    let input = "plain\n\n{\"value\":1}\r\nlast \\";
    let (place, run) = publish(&["--format", "lines"], input);
    assert_eq!(run.ok(), published(4, 4));
    let values = ["plain", "", "{\"value\":1}\r", "last \\"];
    assert_eq!(content(&place), values.map(|value| (Value::Null, json!(value))));
    let raw = place.consume(&["--format", "raw", "--delimiter", "\\n"]);
    assert_eq!(raw.ok(), format!("{input}\n"));

    let place = Place::new();
    place.publish(&["--format", "lines"], b"\xff\xfe\n").ok();
    assert_eq!(place.consume(&["--format", "raw"]).stdout, b"\xff\xfe");
}

#[test]
fn a_field_of_a_line_is_its_key() {
    let flags = ["--format", "lines", "--key-field", "2"];
    let (place, run) = publish(&flags, "a\tb\tc\nd\t\n");
    assert_eq!(run.ok(), published(2, 2));
    assert_eq!(
        content(&place),
        [(json!("b"), json!("a\tb\tc")), (json!(""), json!("d\t"))]
    );
    let (place, run) = publish(&[&flags[..], &["--delimiter", ", "]].concat(), "a, b\nc\n");
    assert!(run.failed(1).contains("line 2: there is no field 2"), "{run:?}");
    assert_eq!(content(&place), [(json!("b"), json!("a, b"))]);
}

/// Any JSON object is a value as it is written, with the key in one of its fields.
#[test]
fn a_field_of_an_object_is_its_key() {
    let lines = [
        "{\"id\": 7, \"x\":[1.0]}",
        "{\"id\":\"a\\u00e4\"}",
        "{\"x\":1}",
        "{\"id\":null}",
        "{\"id\":true}",
    ];
    let (place, run) = publish(&["--key-field", "id"], &lines.join("\n"));
    assert_eq!(run.ok(), published(5, 5));
    let keys = [
        json!("7"),
        json!("a\u{e4}"),
        Value::Null,
        Value::Null,
        json!("true"),
    ];
    let expected: Vec<_> = keys.into_iter().zip(lines.map(|line| json!(line))).collect();
    assert_eq!(content(&place), expected);
    for (line, reason) in [
        ("{\"id\":1.5}", "neither a text nor an integer"),
        ("[1]", "expected a map"),
        ("{", "EOF"),
    ] {
        let (_, run) = publish(&["--key-field", "id"], line);
        assert!(run.failed(1).contains(reason), "{run:?}");
    }
}

/// Records of CSV are objects of texts; quoted fields may hold delimiters and line ends.
#[test]
fn records_of_csv_are_objects() {
    let input = "id,text\r\n1,plain\r\n2,\"two\r\nlines, \"\"quoted\"\"\"\r\n";
    let (place, run) = publish(&["--format", "csv", "--key-field", "id", "--batch", "1"], input);
    assert_eq!(run.ok(), published(2, 2));
    let values = [
        "{\"id\":\"1\",\"text\":\"plain\"}",
        "{\"id\":\"2\",\"text\":\"two\\r\\nlines, \\\"quoted\\\"\"}",
    ];
    assert_eq!(
        content(&place),
        [(json!("1"), json!(values[0])), (json!("2"), json!(values[1]))]
    );

    let (place, _) = publish(&["--format", "csv", "--delimiter", "\\t"], "a\tb\n1,5\t2\n");
    assert_eq!(
        content(&place),
        [(Value::Null, json!("{\"a\":\"1,5\",\"b\":\"2\"}"))]
    );
}

/// What is in front of a bad record stays published, as with JSON.
#[test]
fn a_bad_record_is_named() {
    for (input, reason) in [
        ("a,b\n1,2\n3\n", "line 3: 1 fields, but the first line names 2"),
        ("a,b\n1,2\n3,\"4\n\n", "line 4: a quoted field has no end"),
        ("a,b\n1,2\n3,\"4\n", "line 3: a quoted field has no end"),
    ] {
        let (place, run) = publish(&["--format", "csv"], input);
        assert!(run.failed(1).contains(reason), "{run:?}");
        assert_eq!(run.json()[0]["published"], 1);
        assert_eq!(content(&place).len(), 1);
    }
    let (_, run) = publish(&["--format", "csv", "--key-field", "c"], "a,b\n1,2\n");
    assert!(run.failed(1).contains("names no column \"c\""), "{run:?}");
}

/// With a delimiter, values can be told apart, and fields are parted by anything, which data never looks like.
#[test]
fn output_has_the_delimiter_that_is_asked_for() {
    let place = Place::with(
        "{\"time_us\":0,\"key\":\"k\",\"value\":\"a,b\\tc\"}\n{\"time_us\":0,\"key\":null,\"value\":null}\n",
    );
    let consume = |format, delimiter| {
        let flags = ["--format", format, "--delimiter", delimiter];
        place.consume(&flags).ok().to_owned()
    };
    assert_eq!(consume("raw", "\\0"), "a,b\tc\0\0");
    assert_eq!(consume("raw", "--\\n"), "a,b\tc--\n--\n");
    assert_eq!(
        consume("text", ","),
        "0,1970-01-01T00:00:00Z,k,a\\u{2c}b\\tc\n1,1970-01-01T00:00:00Z,\\N,\\N\n"
    );
    let value = place.run("get", &["0", "--format", "raw", "--delimiter", "\\n"]);
    assert_eq!(value.ok(), "a,b\tc\n");
}

#[test]
fn formats_and_delimiters_that_do_not_go_together_are_wrong_usage() {
    let place = Place::with("");
    for flags in [
        &["--format", "yaml"][..],
        &["--delimiter", ","],
        &["--format", "lines", "--delimiter", ","],
        &["--format", "lines", "--key-field", "0"],
        &["--format", "lines", "--key-field", "name"],
        &["--format", "csv", "--delimiter", ",,"],
        &["--format", "csv", "--delimiter", "\""],
        &["--format", "csv", "--delimiter", ""],
    ] {
        assert!(!place.publish(flags, b"").failed(2).is_empty(), "{flags:?}");
    }
    for flags in [
        &["--delimiter", ","][..],
        &["--format", "text", "--delimiter", "\\\\"],
        &["--format", "raw", "--delimiter", "\\q"],
    ] {
        assert!(!place.consume(flags).failed(2).is_empty(), "{flags:?}");
    }
}
