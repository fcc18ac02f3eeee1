use serde_json::{Value, json};

use super::Store;
use crate::harness::numbered;

fn three() -> Store {
    let store = Store::with(&[("s", &["--partitions", "3"])]);
    store.publish(&["s", "--round-robin"], &numbered(6)).ok();
    store
}

#[test]
fn partitions_are_sealed_and_unsealed() {
    let store = three();
    let sealed = store.object(&["seal", "s", "--partition", "1", "--partition", "2"]);
    assert_eq!(
        (&sealed["name"], &sealed["sealed"]),
        (&json!("s"), &json!([1, 2]))
    );
    let refused = store.publish(&["s", "--partition", "1"], "{}");
    assert!(
        refused.failed(1).contains("duramen store DIR unseal NAME"),
        "{refused:?}"
    );
    store.publish(&["s", "--partition", "0"], "{}").ok();
    // Those who read get what is there.
    assert_eq!(store.lines(&["s", "--partition", "1"]).len(), 2);
    assert_eq!(store.object(&["seal", "s"])["sealed"], json!([0, 1, 2]));
    assert_eq!(
        store.object(&["unseal", "s", "--partition", "1"])["sealed"],
        json!([0, 2])
    );
    store.publish(&["s", "--partition", "1"], "{}").ok();
    assert_eq!(store.object(&["unseal", "s"])["sealed"], json!([]));
    assert_eq!(store.run(&["seal", "s", "--partition", "3"]).code, Some(2));
}

#[test]
fn partitions_are_paused_and_resumed() {
    let store = three();
    assert_eq!(
        store.object(&["pause", "s", "--partition", "1"])["paused"],
        json!([1])
    );
    let refused = store.run(&["consume", "s", "--partition", "1"]);
    let told = refused.failed(1);
    assert!(
        told.contains("partition 1 of the stream \"s\" is paused"),
        "{told}"
    );
    assert!(told.contains("duramen store DIR resume NAME"), "{told}");
    assert_eq!(store.lines(&["s", "--partition", "0"]).len(), 2);
    assert_eq!(store.object(&["pause", "s"])["paused"], json!([0, 1, 2]));
    assert_eq!(
        store.object(&["resume", "s", "--partition", "2"])["paused"],
        json!([0, 1])
    );
    // Publishing resumes the one, and with --resume-all all.
    store.publish(&["s", "--partition", "0"], "{}").ok();
    assert_eq!(store.object(&["stat", "s"])["paused"], json!([1]));
    store.run(&["pause", "s", "--resume-all"]).ok();
    store.publish(&["s", "--partition", "0"], "{}").ok();
    assert_eq!(store.object(&["stat", "s"])["paused"], json!([]));
    assert_eq!(store.lines(&["s"]).len(), 8);
}

/// Of a stream, the figures of each partition, paused and unused ones too; of the store, the sums.
#[test]
fn figures_are_of_a_stream_and_of_the_store() {
    let store = three();
    store.run(&["create", "t", "--partitions", "2"]).ok();
    store.publish(&["t", "--partition", "1"], &numbered(5)).ok();
    store.run(&["pause", "t"]).ok();
    let stat = store.object(&["stat", "t"]);
    assert_eq!((&stat["messages"], &stat["partitions"]), (&json!(5), &json!(2)));
    assert_eq!(stat["paused"], json!([0, 1]));
    let log = |at: usize| {
        let mut log = stat["logs"][at].clone();
        let bytes = log.as_object_mut().and_then(|log| log.remove("bytes"));
        (log, bytes.and_then(|bytes| bytes.as_u64()).expect("a number"))
    };
    let figures =
        |at: u32, n: u64| json!({"partition": at, "messages": n, "start_offset": 0, "next_offset": n});
    assert_eq!(log(0), (figures(0, 0), 0));
    assert_eq!(log(1).0, figures(1, 5));
    assert!(log(1).1 > 0);
    assert_eq!(stat["bytes"], log(1).1);

    let sums = store.object(&["stat"]);
    let of_s = store.object(&["stat", "s"]);
    let sum = |field: &str| {
        let number = |stat: &Value| stat[field].as_u64().expect("a number");
        number(&stat) + number(&of_s)
    };
    let expected = json!({
        "streams": 2, "partitions": 5, "messages": sum("messages"), "bytes": sum("bytes"),
    });
    assert_eq!(sums, expected);
}

/// A stream that was deleted is gone with its files, and its name is free.
#[test]
fn a_deleted_stream_is_gone() {
    let store = three();
    let made = store.object(&["create", "s2"]);
    let deleted = store.object(&["delete", "s"]);
    assert_eq!(
        (&deleted["name"], &deleted["partitions"]),
        (&json!("s"), &json!(3))
    );
    let home = format!(
        "{}/streams/{}",
        store.dir(),
        deleted["id"].as_str().expect("a text")
    );
    assert!(!std::path::Path::new(&home).exists());
    assert_eq!(store.object(&["list"])["id"], made["id"]);
    store.run(&["delete", "s"]).failed(1);
    let again = store.object(&["create", "s"]);
    assert_ne!(again["id"], deleted["id"]);
    assert_eq!(store.lines(&["s"]), [""; 0]);
}
