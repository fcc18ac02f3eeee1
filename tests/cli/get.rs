use crate::harness::{Place, numbered};

/// Every way to name one message.
#[test]
fn one_message_is_found() {
    let place = Place::with(&numbered(10));
    let cases: [(&[&str], &str); 10] = [
        (&["4"], "a4"),
        (&["oldest"], "a0"),
        (&["newest"], "a9"),
        (&["-3"], "a7"),
        (&["--key", "k1"], "a7"),
        (&["--key-base64", "azE="], "a7"),
        (&["--time", "us:3"], "a3"),
        (&["--time", "us:-5"], "a0"),
        (&["--time", "1970-01-01T00:00:00.000006Z"], "a6"),
        (&["us:3"], "a3"),
    ];
    for (flags, expected) in cases {
        let flags = [flags, &["--format", "raw"]].concat();
        assert_eq!(place.run("get", &flags).ok(), expected, "{flags:?}");
    }
    assert_eq!(
        place.run("get", &["4"]).ok(),
        "{\"offset\":4,\"time_us\":4,\"key\":\"k1\",\"value\":\"a4\"}\n"
    );
}

/// The last message with a key may be its tombstone; the empty key is a key; one may look like a flag.
#[test]
fn keys_of_all_kinds_are_found() {
    let input = r#"{"key":"gone","value":"x"}
{"key":"","value":"empty"}
{"key":"--max","value":"flag"}
{"key_base64":"/w==","value":"bytes"}
{"value":"keyless"}
{"key":"gone","value":null}
"#;
    let place = Place::with(input);
    let offset = |flags: &[&str]| place.run("get", flags).json()[0]["offset"].clone();
    assert_eq!(offset(&["--key", "gone"]), 5);
    assert_eq!(offset(&["--key", ""]), 1);
    assert_eq!(offset(&["--key", "--max"]), 2);
    assert_eq!(offset(&["--key-base64", "/w"]), 3);
    assert!(place.run("get", &["--key", "gone"]).json()[0]["value"].is_null());
}

#[cfg(unix)]
#[test]
fn a_key_may_be_any_bytes() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let place = Place::with("{\"key_base64\":\"/w==\",\"value\":\"bytes\"}\n");
    let mut command = crate::harness::command(&["get", place.dir(), "--format", "raw", "--key"]);
    command.arg(OsStr::from_bytes(b"\xff"));
    assert_eq!(
        crate::harness::finish(command.spawn().expect("the binary starts")).ok(),
        "bytes"
    );
}

/// What is not there is exit code 1, with a word about why; a wrong question is 2.
#[test]
fn what_is_not_there_is_told() {
    let place = Place::with(&numbered(3));
    for (flags, code, error) in [
        (
            &["3"][..],
            1,
            "offset 3 is outside the log, which goes from 0 to 3",
        ),
        (&["--key", "none"], 1, "no such message"),
        (&["--time", "us:3"], 1, "no such message"),
        (&[], 2, "required"),
        (&["1", "--key", "k"], 2, "cannot be used with"),
        (&["--key", "k", "--time", "us:1"], 2, "cannot be used with"),
        (&["x"], 2, "neither oldest"),
        (&["--time", "1"], 2, "RFC 3339"),
    ] {
        let run = place.run("get", flags);
        assert!(run.failed(code).contains(error), "{flags:?}: {run:?}");
        assert_eq!(run.stdout, b"");
    }
    let empty = Place::with("");
    assert!(
        empty
            .run("get", &["newest"])
            .failed(1)
            .contains("no such message")
    );
}
