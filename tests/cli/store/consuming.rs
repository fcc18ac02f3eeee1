use super::Store;
use crate::harness::numbered;

/// A stream of three partitions, with `a0`, `a3`, .. in the first, `a1`, .. in the second, and nothing in the third.
fn two_used() -> Store {
    let store = Store::with(&[("s", &["--partitions", "3", "--key-index", "--time-index"])]);
    for (partition, rest) in [("0", 0), ("1", 1)] {
        let lines = numbered(9);
        let lines: Vec<_> = lines.lines().skip(rest).step_by(3).collect();
        store
            .publish(&["s", "--partition", partition], &lines.join("\n"))
            .ok();
    }
    store
}

#[test]
fn each_message_has_its_partition() {
    let store = two_used();
    let json = store.run(&["consume", "s", "--partition", "1", "--max", "1"]);
    assert_eq!(
        json.ok(),
        "{\"partition\":1,\"offset\":0,\"time_us\":1,\"key\":\"k1\",\"value\":\"a1\"}\n"
    );
    let text = store.run(&[
        "consume",
        "s",
        "--partition",
        "1",
        "--max",
        "1",
        "--format",
        "text",
    ]);
    assert_eq!(text.ok(), "1\t0\t1970-01-01T00:00:00.000001Z\tk1\ta1\n");
    let raw = store.run(&["consume", "s", "--format", "raw", "--delimiter", " "]);
    assert_eq!(raw.ok(), "a0 a3 a6 a1 a4 a7 ");
    let fence = store.publish(&["s", "--partition", "2", "--fence", "t"], "");
    fence.ok();
    let control = store.run(&["consume", "s", "--partition", "2", "--control"]);
    assert!(
        control.ok().starts_with("{\"partition\":2,\"offset\":0,"),
        "{control:?}"
    );
    let control = store.lines(&["s", "--partition", "2", "--control"]);
    assert_eq!(control, ["2 0 \\control fence t"]);
}

/// Limits count the messages of all partitions; where to begin is asked of each.
#[test]
fn limits_are_for_all_partitions_together() {
    let store = two_used();
    let all = [
        "0 0 k0 a0",
        "0 1 k0 a3",
        "0 2 k0 a6",
        "1 0 k1 a1",
        "1 1 k1 a4",
        "1 2 k1 a7",
    ];
    let cases: [(&[&str], &[usize]); 9] = [
        (&[], &[0, 1, 2, 3, 4, 5]),
        (&["--max", "4"], &[0, 1, 2, 3]),
        (&["--max", "0"], &[]),
        // Each message counts 12.
        (&["--max-bytes", "59"], &[0, 1, 2, 3]),
        // Nothing smaller comes behind the first that is too large.
        (&["--max-bytes", "35"], &[0, 1]),
        (&["--from", "-1"], &[2, 5]),
        (&["--from", "newest"], &[]),
        (&["--from", "us:3", "--until-time", "us:6"], &[1, 4]),
        (&["--key", "k1"], &[3, 4, 5]),
    ];
    for (args, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|at| all[*at]).collect();
        assert_eq!(store.lines(&[&["s"], args].concat()), expected, "{args:?}");
    }
}

/// Offsets are those of a partition.
#[test]
fn offsets_need_a_partition() {
    let store = two_used();
    for args in [&["--from", "1"][..], &["--until-offset", "1"], &["--until", "1"]] {
        let refused = store.run(&[&["consume", "s"], args].concat());
        assert!(
            refused.failed(2).contains("an offset needs --partition"),
            "{refused:?}"
        );
        assert_eq!(refused.stdout, b"");
    }
    let args = ["s", "--partition", "1", "--from", "1", "--until-offset", "2"];
    assert_eq!(store.lines(&args), ["1 1 k1 a4"]);
    let beyond = store.run(&["consume", "s", "--partition", "1", "--from", "4"]);
    beyond.failed(1);
    let none = store.run(&["consume", "s", "--partition", "3"]);
    assert!(
        none.failed(2).contains("has no partition 3: it has 3, from 0 on"),
        "{none:?}"
    );

    let single = Store::with(&[("one", &[])]);
    single.publish(&["one"], &numbered(3)).ok();
    assert_eq!(single.lines(&["one", "--from", "2"]), ["0 2 k2 a2"]);
}

/// A partition that nobody has used is empty; one that has lost its log is not.
#[test]
fn an_unused_partition_is_empty_and_a_lost_one_is_not() {
    let store = two_used();
    assert_eq!(store.lines(&["s", "--partition", "2"]), [""; 0]);
    let id = store.object(&["list"])["id"].clone();
    let lost = format!("{}/streams/{}/0", store.dir(), id.as_str().expect("a text"));
    std::fs::remove_dir_all(&lost).expect("a log");
    let run = store.run(&["consume", "s"]);
    assert!(run.failed(3).contains(&lost), "{run:?}");
    std::fs::create_dir(&lost).expect("a directory");
    let run = store.run(&["consume", "s"]);
    assert!(run.failed(1).contains("there is no log here"), "{run:?}");
    assert_eq!(
        store.lines(&["s", "--partition", "1", "--max", "1"]),
        ["1 0 k1 a1"]
    );
}
