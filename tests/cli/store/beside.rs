//! Commands beside a writer.

use std::io::Write as _;
use std::process::{Child, ChildStdin};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::Store;
use crate::harness::{command, finish, numbered};

/// A publisher that has published so many messages to `s`, and waits for more.
fn publishing(store: &Store, count: usize) -> (Child, ChildStdin) {
    let args = ["store", store.dir(), "publish", "s", "--round-robin"];
    let mut child = command(&args).spawn().expect("the binary starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(numbered(count).as_bytes()).expect("it reads");
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.object(&["stat", "s"])["messages"] != json!(count) {
        assert!(Instant::now() < deadline, "nothing is published");
        thread::sleep(Duration::from_millis(5));
    }
    (child, stdin)
}

/// Readers take a store that is being written to as it is at that moment.
#[test]
fn readers_work_beside_a_publisher() {
    let store = Store::with(&[("s", &["--partitions", "2"]), ("t", &[])]);
    let (publisher, stdin) = publishing(&store, 3);
    assert_eq!(store.lines(&["s"]), ["0 0 k0 a0", "0 1 k2 a2", "1 0 k1 a1"]);
    assert_eq!(store.run(&["list", "--names"]).ok(), "s\nt\n");
    assert_eq!(store.object(&["config", "s"])["partitions"], 2);
    assert_eq!(store.object(&["stat"])["messages"], 3);
    assert_eq!(store.run(&["events"]).json().len(), 2);
    drop(stdin);
    assert_eq!(finish(publisher).json()[0]["published"], 3);
}

/// While one process publishes, another one that would change the store says so, and changes nothing.
#[test]
fn a_second_writer_is_told() {
    let store = Store::with(&[("s", &[]), ("t", &[])]);
    let (publisher, stdin) = publishing(&store, 1);
    let commands: [&[&str]; 7] = [
        &["create", "u"],
        &["set", "s", "--key-index"],
        &["publish", "t"],
        &["seal", "s"],
        &["pause", "t"],
        &["delete", "t"],
        &["publish", "u", "--create"],
    ];
    // Side by side, because each of them waits for a while.
    thread::scope(|scope| {
        for args in commands {
            let store = &store;
            scope.spawn(move || {
                let second = store.run(args);
                let told = second.failed(1);
                assert!(told.contains("the store is open elsewhere"), "{args:?}: {told}");
                assert!(
                    told.contains("one process at a time can write to a store"),
                    "{told}"
                );
                assert_eq!(second.stdout, b"");
            });
        }
    });
    drop(stdin);
    finish(publisher).ok();
    assert_eq!(store.run(&["list", "--names"]).ok(), "s\nt\n");
    assert_eq!(store.object(&["config", "s"])["key_index"], false);
}

/// A signal ends a publisher, and what it has read is published, synced and summed up.
#[test]
fn a_signal_ends_a_publisher_in_order() {
    let store = Store::with(&[("s", &["--partitions", "2"])]);
    let (publisher, stdin) = publishing(&store, 4);
    kill_process(Pid::from_child(&publisher), Signal::TERM).expect("it runs");
    let run = finish(publisher);
    run.ok();
    let summary = &run.json()[0];
    assert_eq!(
        (&summary["published"], &summary["interrupted"]),
        (&json!(4), &json!(true))
    );
    assert_eq!(summary["partitions"], json!({"0": 2, "1": 2}));
    drop(stdin);
    assert_eq!(store.lines(&["s"]).len(), 4);
}
