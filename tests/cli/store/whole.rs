//! Commands for a store as a whole.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Store;
use crate::harness::{Run, command, finish, numbered, run};

/// A store with the streams `a`, of two partitions, and `b`, with twenty messages each.
fn filled() -> Store {
    let store = Store::with(&[("a", &["--partitions", "2"]), ("b", &[]), ("unused", &[])]);
    for name in ["a", "b"] {
        let args = [name, "--round-robin", "--batch", "1"];
        assert_eq!(store.publish(&args, &numbered(20)).code, Some(0));
    }
    store
}

/// The directory of a partition.
fn partition(store: &Store, name: &str, number: u32) -> PathBuf {
    let streams = store.run(&["list", "--prefix", name]).json();
    let id = streams[0]["id"].as_str().expect("an id");
    Path::new(store.dir())
        .join("streams")
        .join(id)
        .join(number.to_string())
}

/// Inverts a bit of this value in a log.
fn damage(log: &Path, value: &str) {
    for entry in fs::read_dir(log).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let mut bytes = fs::read(&path).expect("readable");
            let found = bytes
                .windows(value.len())
                .position(|window| window == value.as_bytes());
            if let Some(at) = found {
                bytes[at] ^= 1;
                fs::write(&path, bytes).expect("writable");
                return;
            }
        }
    }
    panic!("{value} is not in the log");
}

fn beside(store: &Store, name: &str) -> String {
    store.0.parent().join(name).to_str().expect("text").to_owned()
}

/// The objects that a run printed, without the last one, and that.
fn split(run: &Run) -> (Vec<Value>, Value) {
    let mut lines = run.json();
    let summary = lines.pop().expect("a summary");
    (lines, summary)
}

fn values(dir: &str, stream: &str) -> String {
    run(&["store", dir, "consume", stream, "--format", "raw"])
        .ok()
        .to_owned()
}

fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = fs::read(&path).expect("readable");
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

#[test]
fn a_sound_store_has_no_problems_and_is_left_alone() {
    let store = filled();
    let before = files(Path::new(store.dir()));
    let checked = store.object(&["check"]);
    for (field, expected) in [
        ("clean", json!(true)),
        ("partitions", json!(3)),
        ("messages", json!(40)),
        ("problems", json!(0)),
        ("errors", json!(0)),
        ("trash", json!(0)),
    ] {
        assert_eq!(checked[field], expected, "{checked}");
    }
    assert!(checked["bytes"].as_u64() > Some(0) && checked["segments"] == 3);

    let expected = json!({
        "changed": false, "partitions": 3, "messages": 40, "dropped": 0, "problems": 0, "errors": 0,
        "readable_behind": 0, "refused": false,
    });
    assert_eq!(store.object(&["recover", "--dry-run"]), expected);
    assert_eq!(store.object(&["recover"]), expected);
    assert_eq!(files(Path::new(store.dir())), before);
}

/// Damage is exit code 3 and an object that says where it is; the other partitions have none.
#[test]
fn damage_is_found_in_the_partition_that_has_it() {
    let store = filled();
    let log = partition(&store, "a", 1);
    damage(&log, "a11");
    let checked = store.run(&["check"]);
    assert_eq!(checked.code, Some(3), "{checked:?}");
    let (lines, summary) = split(&checked);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let id = partition(&store, "a", 1);
    let id = id.parent().and_then(Path::file_name).expect("an id");
    for (field, expected) in [
        ("log", json!("partition")),
        ("stream", json!("a")),
        ("id", json!(id.to_str())),
        ("partition", json!(1)),
        ("clean", json!(false)),
    ] {
        assert_eq!(lines[0][field], expected, "{lines:?}");
    }
    let path = lines[0]["problems"][0]["path"].as_str().expect("a path");
    assert!(Path::new(path).starts_with(&log), "{path}");
    assert_eq!(
        (&summary["clean"], &summary["problems"]),
        (
            &json!(false),
            &json!(lines[0]["problems"].as_array().map(Vec::len))
        )
    );
}

/// A damaged catalog is told as such, and so is a directory that is missing, which nothing can bring back.
#[test]
fn problems_of_the_store_itself_are_told() {
    let store = filled();
    fs::remove_dir_all(partition(&store, "b", 0)).expect("removed");
    for args in [&["check"][..], &["recover"]] {
        let told = store.run(args);
        assert_eq!(told.code, Some(3), "{told:?}");
        let (lines, summary) = split(&told);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(
            (&lines[0]["kind"], &lines[0]["offset"]),
            (&json!("missing"), &Value::Null)
        );
        assert!(
            lines[0]["text"]
                .as_str()
                .is_some_and(|text| text.ends_with("is missing"))
        );
        assert_eq!(summary["problems"], 1);
    }

    let store = filled();
    damage(&Path::new(store.dir()).join("catalog"), "unused");
    let checked = store.run(&["check"]);
    assert_eq!(checked.code, Some(3), "{checked:?}");
    let (lines, _) = split(&checked);
    assert!(lines.iter().any(|line| line["log"] == "catalog"), "{lines:?}");
    let recovered = store.run(&["recover"]);
    let (lines, summary) = split(&recovered);
    assert_eq!((recovered.code, &summary["changed"]), (Some(0), &json!(true)));
    assert_eq!(
        (&lines[0]["log"], &lines[0]["changed"]),
        (&json!("catalog"), &json!(true))
    );
    assert_eq!(store.run(&["list", "--names"]).ok(), "a\nb\n");
}

/// As for one log: nothing is changed for readable messages behind damage until somebody chooses, and each choice does
/// what it says.
#[test]
fn readable_messages_behind_damage_take_a_choice() {
    for (choice, left) in [("--salvage", 39), ("--truncate", 35)] {
        let store = filled();
        damage(&partition(&store, "a", 1), "a11");
        let before = files(Path::new(store.dir()));
        let refused = store.run(&["recover"]);
        let told = refused.failed(3);
        assert!(
            told.contains("duramen: 4 readable messages lie behind the damage; nothing was changed"),
            "{told}"
        );
        assert!(
            told.contains("--salvage") && told.contains("--truncate"),
            "{told}"
        );
        let (lines, summary) = split(&refused);
        assert_eq!(
            (&lines[0]["readable_behind"], &lines[0]["changed"]),
            (&json!(4), &json!(false))
        );
        assert_eq!(
            (
                &summary["refused"],
                &summary["changed"],
                &summary["readable_behind"]
            ),
            (&json!(true), &json!(false), &json!(4))
        );
        let dry = store.run(&["recover", "--dry-run"]);
        assert_eq!(dry.code, Some(0), "{dry:?}");
        assert!(dry.stderr.contains("4 readable messages"), "{dry:?}");
        assert_eq!(files(Path::new(store.dir())), before);

        let recovered = store.run(&["recover", choice]);
        recovered.ok();
        let (lines, summary) = split(&recovered);
        assert_eq!(
            (&lines[0]["stream"], &lines[0]["partition"], &lines[0]["changed"]),
            (&json!("a"), &json!(1), &json!(true))
        );
        assert!(
            lines[0]["dropped"]
                .as_array()
                .is_some_and(|dropped| !dropped.is_empty())
        );
        assert_eq!(
            (&summary["messages"], &summary["readable_behind"]),
            (&json!(left), &Value::Null)
        );
        assert_eq!(store.object(&["check"])["messages"], left);
        store.object(&["recover"]);
    }
}

/// A backup is a store, the next one copies what is new, and what is made from it is another store.
#[test]
fn a_store_is_backed_up_and_restored() {
    let store = filled();
    let copy = beside(&store, "copy");
    let backup = |store: &Store| {
        let run = store.run(&["backup", &copy]);
        run.ok();
        split(&run)
    };
    let (lines, first) = backup(&store);
    let copied: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["stream"].as_str(),
                line["partition"].as_u64(),
                line["next_offset"].as_u64(),
            )
        })
        .collect();
    assert_eq!(
        copied,
        [
            (Some("a"), Some(0), Some(10)),
            (Some("a"), Some(1), Some(10)),
            (Some("b"), Some(0), Some(20))
        ]
    );
    assert_eq!(
        (
            &first["partitions"],
            &first["segments"],
            &first["segments_copied"]
        ),
        (&json!(3), &json!(3), &json!(3))
    );
    assert!(first["bytes_copied"].as_u64() > Some(0), "{first}");
    assert_eq!(values(&copy, "a"), values(store.dir(), "a"));

    assert_eq!(backup(&store).1["bytes_copied"], 0);
    assert_eq!(store.publish(&["b"], "{\"value\":\"new\"}\n").code, Some(0));
    store.run(&["delete", "a"]).ok();
    let (lines, third) = backup(&store);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(
        (&third["streams_removed"], &third["partitions"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(run(&["store", &copy, "list", "--names"]).ok(), "b\nunused\n");

    let again = beside(&store, "again");
    let restored = run(&["store", &copy, "restore", &again]);
    restored.ok();
    let (lines, summary) = split(&restored);
    assert_eq!((lines.len(), &lines[0]["next_offset"]), (1, &json!(21)));
    assert_eq!(summary["partitions"], 1);
    assert_eq!(values(&again, "b"), values(store.dir(), "b"));
    assert_eq!(run(&["store", &again, "check"]).code, Some(0));
    // There is a store now.
    let twice = run(&["store", &copy, "restore", &again]);
    assert_eq!(twice.code, Some(2), "{twice:?}");
}

/// A damaged store is not copied, and what was begun is unfinished, for every command, until it is done again.
#[test]
fn what_is_unfinished_is_exit_code_4_until_it_is_done_again() {
    let store = filled();
    let log = partition(&store, "b", 0);
    let sound = files(&log);
    let copy = beside(&store, "copy");
    store.run(&["backup", &copy]).ok();
    damage(&log, "a11");
    let again = beside(&store, "again");
    assert!(store.run(&["restore", &again]).failed(3).contains("corrupt"));
    assert!(
        store
            .run(&["backup", &beside(&store, "new")])
            .failed(3)
            .contains("corrupt")
    );
    for dir in [&again, &beside(&store, "new")] {
        for args in [
            &["list"][..],
            &["stat"],
            &["publish", "a"],
            &["check"],
            &["recover"],
            &["backup", &beside(&store, "third")],
            &["restore", &beside(&store, "third")],
        ] {
            let run = run(&[&["store", dir], args].concat());
            assert_eq!(run.stdout, b"");
            let told = run.failed(4);
            assert!(told.contains("run it again to finish it"), "{args:?}: {told}");
        }
    }
    assert!(!fs::exists(beside(&store, "third")).expect("readable"));
    for (path, bytes) in sound {
        fs::write(path, bytes).expect("writable");
    }
    store.run(&["restore", &again]).ok();
    store.run(&["backup", &beside(&store, "new")]).ok();
    for dir in [&again, &beside(&store, "new")] {
        assert_eq!(values(dir, "b"), values(store.dir(), "b"));
    }
}

/// Beside a writer, a store is checked. It is neither recovered nor copied, and the command says which store is open.
#[test]
fn beside_a_writer_a_store_is_only_checked() {
    let store = filled();
    let copy = beside(&store, "copy");
    store.run(&["backup", &copy]).ok();
    let mut writer = command(&["store", store.dir(), "publish", "b"])
        .spawn()
        .expect("the binary starts");
    let mut stdin = writer.stdin.take().expect("piped");
    stdin.write_all(b"{\"value\":\"x\"}\n").expect("it reads");
    while store.object(&["stat", "b"])["messages"] == 20 {
        std::thread::yield_now();
    }
    assert_eq!(store.object(&["check"])["messages"], 41);
    std::thread::scope(|scope| {
        let other = beside(&store, "other");
        let commands = [
            [store.dir(), "recover", "--truncate"],
            [store.dir(), "backup", &other],
            [&copy, "restore", store.dir()],
        ];
        for args in commands.map(|args| args.map(str::to_owned)) {
            let dir = store.dir();
            scope.spawn(move || {
                let [of, command, last] = args.each_ref().map(String::as_str);
                let refused = run(&["store", of, command, last]);
                let told = refused.failed(1);
                let expected = format!("duramen: {dir}: the store is open elsewhere\n");
                assert!(told.starts_with(&expected), "{command}: {told}");
            });
        }
    });
    drop(stdin);
    assert_eq!(finish(writer).code, Some(0));
}
