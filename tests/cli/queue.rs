//! `duramen queue`.

use std::path::Path;
use std::time::Duration;

use duramen::queue::{Job, Queue, QueueOptions};
use duramen::store::{PartitionLog, Store, StoreOptions};
use serde_json::{Value, json};

use crate::harness::{Place, Run, numbered, run, run_with};

type StoreQueue = Queue<PartitionLog>;

/// A store with the stream `jobs` of two partitions, with `a0` to `a3` in the first, and the stream `dead`.
fn with_jobs() -> Place {
    let place = Place::new();
    let dir = place.dir();
    run(&["store", dir, "create", "jobs", "--partitions", "2"]).ok();
    run(&["store", dir, "create", "dead"]).ok();
    run_with(
        &["store", dir, "publish", "jobs", "--partition", "0"],
        numbered(4).as_bytes(),
    )
    .ok();
    place
}

fn queue(place: &Place, args: &[&str]) -> Run {
    run(&[&["queue", place.dir()], args].concat())
}

/// The queue of the group, as a service opens it.
fn open(place: &Place, group: &str) -> (Store, StoreQueue) {
    let store = StoreOptions::new().open(place.dir()).expect("a store");
    let how = QueueOptions::new().dead_letter("dead");
    let queue = store.queue("jobs", group, how).expect("a queue");
    (store, queue)
}

fn job(queue: &StoreQueue) -> Job<PartitionLog> {
    queue.next(Some(Duration::ZERO)).expect("a look").expect("a job")
}

fn close((store, queue): (Store, StoreQueue)) {
    queue.close().expect("closed");
    store.close().expect("closed");
}

/// A queue of which `a0` is done, `a1` rests, `a2` was buried, and a worker had `a3`.
fn with_outcomes() -> Place {
    let place = with_jobs();
    let opened = open(&place, "workers");
    job(&opened.1).done().expect("done");
    job(&opened.1).retry(Duration::from_secs(3600)).expect("noted");
    job(&opened.1).bury("nobody knows how").expect("buried");
    std::mem::forget(job(&opened.1));
    close(opened);
    place
}

#[test]
fn stat_tells_what_has_become_of_the_messages() {
    let place = with_outcomes();
    let expected = "\
open          2
leased        1
delayed       1
buried        1
partition 0   floor 1, next offset 4, settled 1, open 2, leased 1, delayed 1
partition 1   floor 0, next offset 0, settled 0, open 0, leased 0, delayed 0
";
    for _ in 0..2 {
        assert_eq!(queue(&place, &["jobs", "workers", "stat"]).ok(), expected);
    }
}

#[test]
fn stat_prints_the_same_as_json() {
    let place = with_outcomes();
    let figures = |[floor, next, settled, open, leased, delayed]: [u64; 6], partition: u32| {
        json!({
            "partition": partition, "floor": floor, "next_offset": next, "settled": settled,
            "open": open, "leased": leased, "delayed": delayed,
        })
    };
    let expected = json!({
        "stream": "jobs", "group": "workers", "open": 2, "leased": 1, "delayed": 1, "buried": 1,
        "partitions": [figures([1, 4, 1, 2, 1, 1], 0), figures([0; 6], 1)],
    });
    let shown = queue(&place, &["jobs", "workers", "stat", "--json"]);
    shown.ok();
    assert_eq!(shown.json(), [expected]);
}

#[test]
fn peek_prints_messages_and_gives_none_out() {
    let place = with_outcomes();
    let line = |number: u32| {
        let key = number % 3;
        format!(
            "{{\"partition\":0,\"offset\":{number},\"time_us\":{number},\"key\":\"k{key}\",\
             \"value\":\"a{number}\"}}\n"
        )
    };
    let both = [line(1), line(3)].concat();
    assert_eq!(queue(&place, &["jobs", "workers", "peek"]).ok(), both);
    assert_eq!(queue(&place, &["jobs", "workers", "peek", "1"]).ok(), line(1));
    assert_eq!(queue(&place, &["jobs", "workers", "peek", "0"]).ok(), "");
    let text = ["jobs", "workers", "peek", "1", "--format", "text"];
    assert_eq!(
        queue(&place, &text).ok(),
        "0\t1\t1970-01-01T00:00:00.000001Z\tk1\ta1\n"
    );
    let opened = open(&place, "workers");
    let given = job(&opened.1);
    assert_eq!((given.offset, given.attempt()), (3, 2));
    given.done().expect("done");
    close(opened);
}

/// Goal: whoever looks is in no worker's way, and `kick`, which writes, is told that it has to wait.
#[test]
fn looking_works_beside_the_workers_and_kicking_does_not() {
    let place = with_jobs();
    let opened = open(&place, "workers");
    let held = job(&opened.1);
    let stat = queue(&place, &["jobs", "workers", "stat", "--json"]).json();
    assert_eq!((&stat[0]["open"], &stat[0]["leased"]), (&json!(4), &json!(1)));
    assert_eq!(queue(&place, &["jobs", "workers", "peek"]).json().len(), 4);
    assert_eq!(queue(&place, &[]).json().len(), 1);
    let refused = queue(&place, &["jobs", "workers", "kick", "1", "--dead-letter", "dead"]);
    assert!(
        refused.failed(1).contains("the store is open elsewhere"),
        "{refused:?}"
    );
    held.done().expect("nobody has taken it");
    close(opened);
}

#[test]
fn kick_brings_dead_letters_back_and_they_are_given_out_again() {
    let place = with_jobs();
    let opened = open(&place, "workers");
    for _ in 0..3 {
        job(&opened.1).bury("nobody knows how").expect("buried");
    }
    job(&opened.1).done().expect("done");
    close(opened);
    let kick = |count| {
        let args = ["jobs", "workers", "kick", count, "--dead-letter", "dead"];
        queue(&place, &args).ok().to_owned()
    };
    assert_eq!(kick("2"), "{\"kicked\":2}\n");
    assert_eq!(kick("0"), "{\"kicked\":0}\n");
    let opened = open(&place, "workers");
    for (offset, value) in [(4, b"a0"), (5, b"a1")] {
        let given = job(&opened.1);
        assert_eq!((given.offset, given.value.as_deref()), (offset, Some(&value[..])));
        assert_eq!(given.attempt(), 1);
        given.done().expect("done");
    }
    assert!(opened.1.next(Some(Duration::ZERO)).expect("a look").is_none());
    close(opened);
    assert_eq!(kick("9"), "{\"kicked\":1}\n");
    assert_eq!(kick("9"), "{\"kicked\":0}\n");
    let stat = queue(&place, &["jobs", "workers", "stat", "--json"]).json();
    assert_eq!((&stat[0]["open"], &stat[0]["buried"]), (&json!(1), &json!(3)));
}

#[test]
fn groups_are_listed_by_stream_and_name() {
    let place = with_jobs();
    run(&["store", place.dir(), "create", "a", "--partitions", "1"]).ok();
    assert_eq!(queue(&place, &[]).ok(), "");
    for group in ["workers", "b\u{e4}ckers"] {
        close(open(&place, group));
    }
    let (store, opened) = open(&place, "z");
    opened.close().expect("closed");
    let of_a = store.queue("a", "workers", QueueOptions::new()).expect("a queue");
    close((store, of_a));
    let listed = |args: &[&str]| -> Vec<(Value, Value)> {
        let lines = queue(&place, &[&[], args].concat()).json();
        let pairs = lines.into_iter();
        pairs
            .map(|mut line| (line["stream"].take(), line["group"].take()))
            .collect()
    };
    let of_jobs = ["b\u{e4}ckers", "workers", "z"].map(|group| (json!("jobs"), json!(group)));
    assert_eq!(listed(&["jobs"]), of_jobs);
    assert_eq!(listed(&["dead"]), []);
    let all = [&[(json!("a"), json!("workers"))], &of_jobs[..]].concat();
    assert_eq!(listed(&[]), all);
}

#[test]
fn a_stream_and_a_group_may_have_the_names_of_commands() {
    let place = Place::new();
    run(&["store", place.dir(), "create", "stat"]).ok();
    let store = StoreOptions::new().open(place.dir()).expect("a store");
    let opened = store.queue("stat", "peek", QueueOptions::new()).expect("a queue");
    close((store, opened));
    let named = ["--stream", "stat", "--group", "peek", "stat", "--json"];
    let shown = queue(&place, &named).json();
    assert_eq!(
        (&shown[0]["stream"], &shown[0]["group"]),
        (&json!("stat"), &json!("peek"))
    );
    assert_eq!(queue(&place, &["--stream", "stat"]).json().len(), 1);
}

/// The commands that need a group, of this group.
fn commands<'a>(stream: &'a str, group: &'a str) -> [Vec<&'a str>; 3] {
    [
        vec![stream, group, "stat"],
        vec![stream, group, "peek"],
        vec![stream, group, "kick", "1", "--dead-letter", "dead"],
    ]
}

#[test]
fn a_group_that_is_not_there_is_refused_and_not_made() {
    let place = with_jobs();
    let expected = "duramen: the stream \"jobs\" has no work queue of a group \"workers\"\n\
                    duramen: `duramen queue DIR` prints the groups that there are\n";
    for _ in 0..2 {
        for args in commands("jobs", "workers") {
            assert_eq!(queue(&place, &args).failed(1), expected, "{args:?}");
        }
        assert!(!Path::new(place.dir()).join("queues").exists());
        // Nor if there are others.
        close(open(&place, "others"));
        let queues = Path::new(place.dir()).join("queues");
        assert_eq!(queue(&place, &[]).json().len(), 1);
        std::fs::remove_dir_all(queues).expect("removed");
    }
}

#[test]
fn a_queue_of_no_stream_or_store_is_refused() {
    let place = with_outcomes();
    for args in commands("nothing", "workers") {
        let refused = queue(&place, &args);
        assert!(
            refused.failed(1).contains("there is no stream \"nothing\""),
            "{refused:?}"
        );
    }
    queue(&place, &["nothing"]).failed(1);
    let refused = queue(&place, &["jobs", "workers", "kick", "1", "--dead-letter", "deaf"]);
    assert!(
        refused.failed(1).contains("there is no stream \"deaf\""),
        "{refused:?}"
    );
    let names = run(&["store", place.dir(), "list", "--names"]);
    assert_eq!(names.ok(), "dead\njobs\n");

    let empty = Place::new();
    for args in commands("jobs", "workers") {
        let refused = queue(&empty, &args);
        assert!(
            refused.failed(1).contains("there is no store here"),
            "{refused:?}"
        );
    }
    queue(&empty, &[]).failed(1);
    assert!(!Path::new(empty.dir()).exists());
}

#[test]
fn arguments_that_cannot_be_are_wrong_usage() {
    let place = with_outcomes();
    let long = "g".repeat(101);
    for args in [
        &["jobs", "", "stat"][..],
        &["jobs", &long, "stat"],
        &["jobs", "stat"],
        &["stat"],
        &["jobs", "workers"],
        &["jobs", "workers", "stat", "--stream", "jobs"],
        &["jobs", "--stream", "jobs", "--group", "workers", "stat"],
        &["jobs", "workers", "peek", "-1"],
        &["jobs", "workers", "peek", "many"],
        &["jobs", "workers", "peek", "--delimiter", ","],
        &["jobs", "workers", "kick", "1"],
        &["jobs", "workers", "kick", "--dead-letter", "dead"],
        &["jobs", "workers", "kick", "1", "--dead-letter", "jobs"],
        &["jobs", "workers", "frobnicate"],
    ] {
        let refused = queue(&place, args);
        assert!(!refused.failed(2).is_empty(), "{args:?}");
        assert_eq!(refused.stdout, b"", "{args:?}");
    }
}
