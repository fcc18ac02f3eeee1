use std::fs;

use serde_json::Value;

use crate::harness::{Place, Run, run};

fn bench(place: &Place, flags: &[&str]) -> Run {
    let dir = place.parent().to_str().expect("text");
    let run = run(&[&["bench", "--dir", dir, "--messages", "3000"], flags].concat());
    let left = fs::read_dir(dir).expect("readable").count();
    assert_eq!(left, 0, "the temporary directory is removed");
    run
}

/// Each phase is there when its index is, with as many calls as it should have made, and percentiles in order.
#[test]
fn every_phase_is_measured() {
    let place = Place::new();
    for (indexes, phases) in [
        ("none", &["publish", "sync", "consume", "get"][..]),
        ("key", &["publish", "sync", "consume", "get", "get_by_key"]),
        ("time", &["publish", "sync", "consume", "get", "get_by_time"]),
        (
            "both",
            &["publish", "sync", "consume", "get", "get_by_key", "get_by_time"],
        ),
    ] {
        let run = bench(
            &place,
            &["--indexes", indexes, "--json", "--batch", "100", "--gets", "500"],
        );
        run.ok();
        let report = &run.json()[0];
        let Value::Object(found) = &report["phases"] else {
            panic!("{report}");
        };
        let mut names: Vec<&str> = found.keys().map(String::as_str).collect();
        let mut expected = phases.to_vec();
        names.sort_unstable();
        expected.sort_unstable();
        assert_eq!(names, expected);
        assert_eq!(found["publish"]["calls"], 30);
        assert_eq!(found["publish"]["messages"], 3_000);
        assert_eq!(found["consume"]["messages"], 3_000);
        assert_eq!(found["get"]["calls"], 500);
        for phase in found.values() {
            let latency = &phase["latency_ns"];
            let ranks = ["p50", "p99", "p99.9", "p99.99", "max"]
                .map(|rank| latency[rank].as_u64().expect("a number"));
            assert!(ranks.is_sorted() && ranks[0] > 0, "{phase}");
        }
    }
}

/// Threads, syncs, odd sizes: each message is published once and found again, or the run would fail.
#[test]
fn every_option_works() {
    let place = Place::new();
    for flags in [
        &["--threads", "3", "--batch", "7"][..],
        &["--durability", "each", "--threads", "2", "--batch", "100"],
        &["--key-size", "0", "--value-size", "0"],
        &["--key-size", "1", "--rollover", "2048"],
        &["--keys", "1", "--value-size", "5000", "--gets", "0"],
    ] {
        let run = bench(&place, flags);
        assert!(run.ok().contains("\npublish "), "{run:?}");
    }
    bench(&place, &["--batch", "0"]).failed(2);
    bench(&place, &["--rollover", "1"]).failed(2);
}
