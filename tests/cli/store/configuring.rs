use serde_json::{Value, json};

use super::Store;
use crate::harness::Place;

/// The names in a list, without the last line if that says that there are more.
fn names(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter_map(|line| line["name"].as_str()).collect()
}

#[test]
fn a_stream_is_made_with_its_store_and_only_once() {
    let store = Store(Place::new());
    let made = store.object(&["create", "orders", "--partitions", "3"]);
    assert_eq!(
        (&made["name"], &made["partitions"]),
        (&json!("orders"), &json!(3))
    );
    assert_eq!(made["id"].as_str().map(str::len), Some(32));

    let again = store.run(&["create", "orders"]);
    assert!(again.failed(1).contains("there is a stream \"orders\" already"));
    assert_eq!(again.stdout, b"");
    let same = store.object(&["create", "orders", "--partitions", "7", "--if-missing"]);
    assert_eq!(same, made);
    assert_eq!(store.object(&["list"])["id"], made["id"]);
}

#[test]
fn the_configuration_is_what_was_asked_for() {
    let store = Store::with(&[("plain", &[])]);
    let plain = json!({
        "name": "plain", "partitions": 1, "max_age": null, "max_bytes": null, "max_messages": null,
        "keep_unread": null, "by_event_time": false, "compact": false, "compact_older_than": null,
        "delete_on_empty": null, "timestamps": "as-given", "uncapped": false, "durability": "os",
        "key_index": false, "time_index": false, "require_token": false,
    });
    assert_eq!(store.object(&["config", "plain"]), plain);

    let all = [
        "--partitions",
        "2",
        "--max-age",
        "90m",
        "--max-bytes",
        "1M",
        "--max-messages",
        "9",
        "--keep-unread",
        "1000",
        "--by-event-time",
        "--compact",
        "--compact-older-than",
        "1h",
        "--delete-on-empty",
        "1d",
        "--timestamps",
        "client-prefer",
        "--uncapped",
        "--durability",
        "interval:100ms",
        "--key-index",
        "--time-index",
        "--require-token",
    ];
    store.run(&[&["create", "full"][..], &all].concat()).ok();
    let full = json!({
        "name": "full", "partitions": 2, "max_age": "1h30m", "max_bytes": 1_048_576, "max_messages": 9,
        "keep_unread": 1000, "by_event_time": true, "compact": true, "compact_older_than": "1h",
        "delete_on_empty": "1day", "timestamps": "client-prefer", "uncapped": true,
        "durability": "interval:100ms", "key_index": true, "time_index": true, "require_token": true,
    });
    assert_eq!(store.object(&["config", "full"]), full);

    // Every field can be cleared, by its name here or there.
    let fields = [
        "max_age",
        "max-bytes",
        "max_messages",
        "keep_unread",
        "by_event_time",
        "compact",
        "compact_older_than",
        "delete-on-empty",
        "timestamps",
        "durability",
        "key-index",
        "time_index",
        "require-token",
    ];
    let cleared: Vec<_> = fields.iter().flat_map(|field| ["--clear", *field]).collect();
    let mut expected = plain;
    expected["name"] = json!("full");
    expected["partitions"] = json!(2);
    assert_eq!(
        store.object(&[&["set", "full"], cleared.as_slice()].concat()),
        expected
    );
}

/// What is not named stays, and a change that makes no sense is refused.
#[test]
fn set_changes_what_it_names() {
    let store = Store::with(&[("s", &["--max-bytes", "5", "--key-index"])]);
    let changed = store.object(&["set", "s", "--max-age", "1h", "--durability", "each-publish"]);
    assert_eq!(store.object(&["config", "s"]), changed);
    assert_eq!(
        (&changed["max_age"], &changed["max_bytes"]),
        (&json!("1h"), &json!(5))
    );
    assert_eq!(
        (&changed["durability"], &changed["key_index"]),
        (&json!("each-publish"), &json!(true))
    );
    for args in [
        &["set", "s"][..],
        &["set", "s", "--max-age", "1h", "--clear", "max-age"],
        &["set", "s", "--uncapped"],
        &["set", "s", "--clear", "partitions"],
        &["set", "s", "--durability", "always"],
        &["set", "s", "--partitions", "2"],
        &["set", "s", "--compact", "--clear", "key-index"],
    ] {
        assert_eq!(store.run(args).code, Some(2), "{args:?}");
    }
    assert_eq!(store.object(&["config", "s"]), changed);
}

/// A key index that is turned on knows the messages that were there before.
#[test]
fn an_index_can_be_added() {
    let store = Store::with(&[("s", &[])]);
    let lines = "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\",\"value\":\"2\"}\n";
    store.publish(&["s"], lines).ok();
    let without = store.run(&["consume", "s", "--key", "a"]);
    assert!(
        without.failed(1).contains("the log has no key index"),
        "{without:?}"
    );
    assert!(without.stderr.contains("duramen store DIR set NAME --key-index"));
    store.run(&["set", "s", "--key-index"]).ok();
    store.publish(&["s"], lines).ok();
    assert_eq!(store.lines(&["s", "--key", "a"]), ["0 0 a 1", "0 2 a 1"]);
}

#[test]
fn streams_are_listed_in_byte_order_and_in_pages() {
    let store = Store::with(&[
        ("b", &[]),
        ("a/2", &[]),
        ("Z", &[]),
        ("a/1", &[]),
        ("\u{e4}", &[]),
    ]);
    let list = |args: &[&str]| {
        let run = store.run(&[&["list"], args].concat());
        run.ok();
        run.json()
    };
    assert_eq!(names(&list(&[])), ["Z", "a/1", "a/2", "b", "\u{e4}"]);
    assert_eq!(names(&list(&["--prefix", "a/"])), ["a/1", "a/2"]);
    assert_eq!(names(&list(&["--start-after", "a/1"])), ["a/2", "b", "\u{e4}"]);
    let described = &list(&["--prefix", "b"])[0];
    assert!(described["created_us"].as_i64().is_some_and(|time| time > 0));
    assert_eq!(
        (&described["sealed"], &described["paused"]),
        (&json!([]), &json!([]))
    );

    // The last line tells of more only if there are some.
    let more = json!({"has_more": true});
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let page = list(&["--limit", "2", "--start-after", &after]);
        found.extend(names(&page).into_iter().map(str::to_owned));
        after.clone_from(found.last().expect("a name"));
        if page.last() != Some(&more) {
            break;
        }
        assert_eq!(page.len(), 3);
    }
    assert_eq!(found, ["Z", "a/1", "a/2", "b", "\u{e4}"]);
    assert_eq!(list(&["--limit", "5"]).len(), 5);
    assert_eq!(store.run(&["list", "--limit", "0"]).code, Some(2));

    assert_eq!(
        store.run(&["list", "--names", "--prefix", "a"]).ok(),
        "a/1\na/2\n"
    );
}
