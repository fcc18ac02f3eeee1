use serde_json::{Value, json};

use super::Store;
use crate::harness::{Place, numbered, run};

/// Each message goes to the partition of its key, and the summary counts by partition.
#[test]
fn messages_go_by_key() {
    let store = Store::with(&[("s", &["--partitions", "4"])]);
    // CRC-32 of `key` is 8a90aba9, and that of `user-7` 9745e321.
    let lines =
        "{\"key\":\"key\",\"value\":\"a\"}\n{\"key\":\"user-7\",\"value\":\"b\"}\n{\"value\":\"c\"}\n";
    for (round, args) in [&["s"][..], &["s", "--by-key", "--batch", "1"]]
        .into_iter()
        .enumerate()
    {
        let summary = &store.publish(args, lines).json()[0];
        let round = round as u64;
        let expected = json!({
            "published": 3, "duplicates": 0, "partitions": {"0": 1, "1": 2},
            "start_offsets": {"0": round, "1": 2 * round}, "next_offsets": {"0": round + 1, "1": 2 * round + 2},
        });
        assert_eq!(*summary, expected);
    }
    assert_eq!(store.lines(&["s", "--max", "1"]), ["0 0 \\N c"]);
}

#[test]
fn messages_go_round_or_to_one_partition() {
    let store = Store::with(&[("s", &["--partitions", "3"])]);
    let summary = store.publish(&["s", "--round-robin"], &numbered(7)).json();
    assert_eq!(summary[0]["partitions"], json!({"0": 3, "1": 2, "2": 2}));
    let summary = store.publish(&["s", "--partition", "2"], &numbered(4)).json();
    assert_eq!(summary[0]["partitions"], json!({"2": 4}));
    assert_eq!(summary[0]["next_offsets"], json!({"2": 6}));
    // The messages of a batch keep their order.
    assert_eq!(
        store.lines(&["s", "--partition", "0"]),
        ["0 0 k0 a0", "0 1 k0 a3", "0 2 k0 a6"]
    );
    for args in [
        &["s", "--partition", "3"][..],
        &["s", "--partition", "0", "--by-key"],
        &["s", "--by-key", "--round-robin"],
    ] {
        assert_eq!(store.publish(args, "").code, Some(2), "{args:?}");
    }
}

#[test]
fn a_stream_can_be_made_by_publishing() {
    let store = Store(Place::new());
    let lines = "{\"value\":\"a\"}\n";
    let refused = store.publish(&["s"], lines);
    assert!(refused.failed(1).contains("there is no store here"));
    store.publish(&["s", "--create"], lines).ok();
    store.publish(&["s", "--create"], lines).ok();
    assert_eq!(store.lines(&["s"]), ["0 0 \\N a", "0 1 \\N a"]);
    assert!(
        store
            .publish(&["t"], lines)
            .failed(1)
            .contains("there is no stream \"t\"")
    );
    // Without input, too.
    assert_eq!(
        store.publish(&["t", "--create"], "").json()[0]["partitions"],
        json!({})
    );
    assert_eq!(store.object(&["config", "t"])["partitions"], 1);
}

/// A line that is not valid is named, and what comes before it is published, and counted.
#[test]
fn a_bad_line_is_told_and_those_before_it_are_published() {
    let store = Store::with(&[("s", &["--partitions", "2"])]);
    let run = store.publish(
        &["s", "--round-robin"],
        "{\"value\":\"a\"}\n{}\n{\"valeu\":1}\n{}\n",
    );
    assert!(run.failed(1).starts_with("duramen: line 3: "), "{run:?}");
    assert_eq!(run.json()[0]["partitions"], json!({"0": 1, "1": 1}));
    assert_eq!(store.object(&["stat", "s"])["messages"], 2);
}

/// Conditions are those of one partition, and hold there as for a log.
#[test]
fn conditions_are_those_of_one_partition() {
    let store = Store::with(&[("many", &["--partitions", "2"]), ("one", &[])]);
    let line = "{\"value\":\"a\"}\n";
    for condition in [
        &["--token", ""][..],
        &["--expect-next", "0"],
        &["--expect-key", "k=none"],
        &["--fence", "t"],
        &["--producer", "1:1"],
    ] {
        let refused = store.publish(&[&["many"], condition].concat(), line);
        assert!(refused.failed(2).contains("need --partition"), "{refused:?}");
        assert_eq!(refused.stdout, b"");
    }
    let to_one = ["many", "--partition", "1"];
    store
        .publish(&[&to_one[..], &["--expect-next", "0"]].concat(), line)
        .ok();
    let mismatch = store.publish(&[&to_one[..], &["--expect-next", "0"]].concat(), line);
    assert_eq!(mismatch.code, Some(1), "{mismatch:?}");
    store
        .publish(&["many", "--partition", "0", "--expect-next", "0"], line)
        .ok();

    // Without input, the fence alone is published.
    let fenced = store.publish(&["one", "--fence", "t"], "").json();
    assert_eq!(
        (&fenced[0]["published"], &fenced[0]["next_offsets"]),
        (&json!(0), &json!({"0": 1}))
    );
    assert!(store.publish(&["one", "--token", "u"], line).code == Some(1));
    for duplicates in [0, 1] {
        let producer = ["one", "--token", "t", "--producer", "7:1"];
        assert_eq!(store.publish(&producer, line).json()[0]["duplicates"], duplicates);
    }
}

/// What a stream's consumer prints can be published, and what a partition holds is a log.
#[test]
fn what_is_printed_can_be_published_again() {
    let store = Store::with(&[("s", &["--partitions", "3"]), ("copy", &["--partitions", "3"])]);
    store.publish(&["s"], &numbered(20)).ok();
    let printed = store.run(&["consume", "s"]);
    store.publish(&["copy"], printed.ok()).ok();
    assert_eq!(store.run(&["consume", "copy"]).stdout, printed.stdout);

    let place = Place::new();
    place.publish(&[], &printed.stdout).ok();
    assert_eq!(place.consume(&[]).json().len(), 20);

    let id = store.object(&["list", "--prefix", "s"])["id"].clone();
    let log = format!("{}/streams/{}/1", store.dir(), id.as_str().expect("a text"));
    let of_partition = store.run(&["consume", "s", "--partition", "1"]).json();
    let without_partition = |mut line: Value| {
        line.as_object_mut().expect("an object").remove("partition");
        line
    };
    let of_partition: Vec<_> = of_partition.into_iter().map(without_partition).collect();
    assert_eq!(run(&["consume", &log]).json(), of_partition);
}
