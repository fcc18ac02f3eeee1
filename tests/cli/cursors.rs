//! `duramen cursors`, and `duramen consume --cursor`.

use serde_json::{Value, json};

use crate::harness::{Place, numbered, run, run_with};

/// The offsets of what is printed.
fn offsets(lines: &[Value]) -> Vec<u64> {
    let offset = |line: &Value| line["offset"].as_u64().expect("an offset");
    lines.iter().map(offset).collect()
}

fn cursors(dir: &str, args: &[&str]) -> crate::harness::Run {
    run(&[&["cursors", dir], args].concat())
}

#[test]
fn consume_goes_on_at_its_stored_cursor() {
    let place = Place::with(&numbered(5));
    let first = place.consume(&["--cursor", "a", "--max", "2"]);
    first.ok();
    assert_eq!(offsets(&first.json()), [0, 1]);
    assert_eq!(offsets(&place.consume(&["--cursor", "a"]).json()), [2, 3, 4]);
    assert_eq!(place.consume(&["--cursor", "a"]).ok(), "");
    place.publish(&[], numbered(1).as_bytes()).ok();
    assert_eq!(offsets(&place.consume(&["--cursor", "a"]).json()), [5]);
    // Another one has its own place, and begins where it is told to.
    assert_eq!(
        offsets(&place.consume(&["--cursor", "b", "--from", "4"]).json()),
        [4, 5]
    );
    assert_eq!(place.run("check", &[]).code, Some(0));
}

#[test]
fn consume_stores_behind_what_a_key_leaves_out() {
    let place = Place::with(&numbered(5));
    assert_eq!(place.consume(&["--cursor", "a", "--key", "none"]).ok(), "");
    let shown = cursors(place.dir(), &["get", "a"]).json();
    assert_eq!(
        (&shown[0]["next_offset"], &shown[0]["lag"]),
        (&json!(5), &json!(0))
    );
}

#[test]
fn consume_that_follows_stores_its_cursor() {
    let place = Place::with(&numbered(3));
    let followed = place.consume(&["--cursor", "a", "--follow", "--max", "2"]);
    assert_eq!(offsets(&followed.json()), [0, 1]);
    assert_eq!(offsets(&place.consume(&["--cursor", "a"]).json()), [2]);
}

#[test]
fn cursors_of_a_log_are_set_and_listed() {
    let place = Place::with(&numbered(5));
    let dir = place.dir();
    assert_eq!(cursors(dir, &["list"]).ok(), "");
    assert_eq!(
        cursors(dir, &["get", "a"]).failed(1),
        "duramen: no such message\n"
    );
    let set = cursors(dir, &["set", "mail/a", "3"]).json();
    assert_eq!(
        (&set[0]["id"], &set[0]["next_offset"], &set[0]["lag"]),
        (&json!("mail/a"), &json!(3), &json!(2))
    );
    cursors(dir, &["set", "bill", "5"]).ok();
    let back = cursors(dir, &["set", "mail/a", "1"]);
    assert!(back.failed(1).contains("does not go back"), "{back:?}");
    let beyond = cursors(dir, &["set", "mail/a", "6"]);
    assert!(beyond.failed(1).contains("outside the log"), "{beyond:?}");
    cursors(dir, &["reset", "mail/a", "1"]).ok();
    let ids = |args: &[&str]| -> Vec<Value> {
        cursors(dir, args)
            .json()
            .iter()
            .map(|line| line["id"].clone())
            .collect()
    };
    assert_eq!(ids(&["list"]), ["bill", "mail/a"]);
    assert_eq!(ids(&["list", "--prefix", "mail/"]), ["mail/a"]);
    cursors(dir, &["delete", "bill"]).ok();
    cursors(dir, &["delete", "bill"]).failed(1);
    let left = cursors(dir, &["list"]).json();
    assert_eq!(
        (left.len(), &left[0]["next_offset"], &left[0]["stream"]),
        (1, &json!(1), &Value::Null)
    );
}

#[test]
fn cursors_of_a_store_name_stream_and_partition() {
    let place = Place::new();
    let dir = place.dir();
    run(&["store", dir, "create", "s", "--partitions", "2"]).ok();
    let publish = ["store", dir, "publish", "s", "--partition", "1"];
    run_with(&publish, numbered(4).as_bytes()).ok();
    let at = ["--stream", "s", "--partition", "1"];
    let set = cursors(dir, &[&["set", "a", "3"], &at[..]].concat()).json();
    let shown = json!({"id": "a", "stream": "s", "partition": 1, "next_offset": 3, "lag": 1});
    for (field, value) in shown.as_object().expect("an object") {
        assert_eq!(&set[0][field], value, "{field}");
    }
    assert_eq!(cursors(dir, &[&["get", "a"], &at[..]].concat()).json(), set);
    assert_eq!(cursors(dir, &["list"]).json()[0]["version"], set[0]["version"]);
    assert_eq!(
        cursors(dir, &["get", "a", "--stream", "x"]).failed(1),
        "duramen: there is no stream \"x\"\n"
    );
    run(&["store", dir, "delete", "s"]).ok();
    cursors(dir, &[&["delete", "a"], &at[..]].concat()).ok();
    assert_eq!(cursors(dir, &["list"]).ok(), "");
}

#[test]
fn consume_of_a_stream_goes_on_at_the_stored_cursors_of_its_partitions() {
    let place = Place::new();
    let dir = place.dir();
    run(&["store", dir, "create", "s", "--partitions", "3"]).ok();
    let publish = |partition: &str, count| {
        let args = ["store", dir, "publish", "s", "--partition", partition];
        run_with(&args, numbered(count).as_bytes()).ok();
    };
    publish("0", 3);
    publish("1", 2);
    let consume = |args: &[&str]| -> Vec<(Value, Value)> {
        let run = run(&[&["store", dir, "consume", "s", "--cursor", "a"], args].concat());
        run.ok();
        let lines = run.json().into_iter();
        lines
            .map(|mut line| (line["partition"].take(), line["offset"].take()))
            .collect()
    };
    let at = |partition: u32, offset: u64| (json!(partition), json!(offset));
    assert_eq!(consume(&["--max", "2"]), [at(0, 0), at(0, 1)]);
    assert_eq!(consume(&["--partition", "1", "--max", "1"]), [at(1, 0)]);
    assert_eq!(consume(&[]), [at(0, 2), at(1, 1)]);
    assert_eq!(consume(&[]), []);
    publish("2", 1);
    assert_eq!(consume(&[]), [at(2, 0)]);
    let shown = cursors(dir, &["list"]).json().into_iter();
    let shown: Vec<_> = shown
        .map(|mut line| (line["partition"].take(), line["next_offset"].take()))
        .collect();
    assert_eq!(shown, [at(0, 3), at(1, 2), at(2, 1)]);

    // Another stream of the same name is another life.
    run(&["store", dir, "delete", "s"]).ok();
    run(&["store", dir, "create", "s"]).ok();
    run(&["store", dir, "consume", "s", "--cursor", "a"]).failed(1);
    let refused = run(&["store", dir, "consume", "s", "--cursor", "b", "--follow"]);
    assert!(refused.failed(2).contains("--follow"), "{refused:?}");
}

#[test]
fn consume_with_a_cursor_needs_a_store_that_nobody_writes_to() {
    let place = Place::new();
    let dir = place.dir();
    let consume = ["store", dir, "consume", "s", "--cursor", "a"];
    assert!(run(&consume).failed(1).contains("there is no store here"));
    run(&["store", dir, "create", "s"]).ok();
    let store = duramen::store::StoreOptions::new().open(dir).expect("a store");
    assert!(run(&consume).failed(1).contains("the store is open elsewhere"));
    store.close().expect("closed");
    run(&consume).ok();
}

#[test]
fn a_directory_without_a_log_has_no_cursors() {
    let place = Place::new();
    cursors(place.dir(), &["list"]).failed(1);
    place.consume(&["--cursor", "a"]).failed(1);
}
