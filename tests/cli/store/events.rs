use std::io::{BufRead as _, BufReader};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::Store;
use crate::harness::{command, finish};

/// The kinds, the streams and the partitions of events.
fn told(events: &[Value]) -> Vec<Value> {
    let kind = |event: &Value| json!([event["event"], event["stream"], event["partitions"]]);
    events.iter().map(kind).collect()
}

#[test]
fn events_are_printed_in_order_and_gone_on_with() {
    let store = Store::with(&[("s", &["--partitions", "2"])]);
    for args in [
        &["set", "s", "--key-index"][..],
        &["seal", "s", "--partition", "1"],
        &["unseal", "s", "--partition", "1"],
        &["pause", "s"],
        &["resume", "s"],
        &["delete", "s"],
    ] {
        store.run(args).ok();
    }
    let run = store.run(&["events"]);
    run.ok();
    let events = run.json();
    let expected = [
        json!(["created", "s", []]),
        json!(["reconfigured", "s", []]),
        json!(["sealed", "s", [1]]),
        json!(["unsealed", "s", [1]]),
        json!(["paused", "s", [0, 1]]),
        json!(["resumed", "s", [0, 1]]),
        json!(["deleted", "s", []]),
        json!(["purged", "s", []]),
    ];
    assert_eq!(told(&events), expected);
    assert!(
        events
            .iter()
            .all(|event| event["time_us"].is_i64() && event["id"] == events[0]["id"])
    );

    let next = events[4]["offset"].as_u64().expect("an offset") + 1;
    let rest = store.run(&["events", "--from", &next.to_string()]);
    assert_eq!(told(&rest.json()), expected[5..]);
    assert_eq!(store.run(&["events", "--from", "newest"]).ok(), "");
    for from in ["-1", "us:0", "1970-01-01"] {
        assert_eq!(store.run(&["events", "--from", from]).code, Some(2));
    }
    store.run(&["events", "--from", "99999"]).failed(1);
}

#[test]
fn events_are_followed_until_a_signal() {
    let store = Store::with(&[("a", &[])]);
    let args = ["store", store.dir(), "events", "--follow"];
    let mut child = command(&args).spawn().expect("the binary starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("it goes on").expect("text");
        serde_json::from_str(&line).expect("JSON")
    };
    assert_eq!(next()["stream"], "a");
    for name in ["b", "c"] {
        store.run(&["create", name]).ok();
        assert_eq!(next()["stream"], name);
    }
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    assert_eq!(finish(child).ok(), "");
}
