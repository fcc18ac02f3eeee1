use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use crate::harness::run;

use super::layout::{self, Layout, Record};
use super::{Scratch, example, files, import, is_in_order, messages, summary, text};

const END: i64 = (1 << 40) + 10;

/// Goal: every message of a log of klevdb keeps its offset, time, key and value, the log has the indexes that klevdb
/// has, and goes on where klevdb would. Method: both formats, all combinations of indexes, several segments with gaps
/// in them and between them, an empty one at the end.
#[test]
fn a_log_of_klevdb_is_taken_over_with_its_indexes_gaps_and_next_offset() {
    for layout in Layout::all() {
        let scratch = Scratch::new();
        let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
        layout::write_with(
            &from,
            layout,
            &layout::rolled(layout.version, &example(), 60, Some(END)),
            true,
        );
        let before = files(&from);
        let told = summary(&import(&from, &to, &[]));
        assert!(files(&from) == before, "the source was changed");
        assert_eq!(messages(&to), example(), "{layout:?}");
        is_in_order(&to);
        let expected = serde_json::json!({
            "messages": 6, "start_offset": 7, "next_offset": END, "gaps": 3,
            "key_index": layout.keys, "time_index": layout.times,
            "dropped_messages": 0, "dropped_bytes": 0, "index_problems": 0,
        });
        let of_format = format!("v{}_segments", layout.version);
        assert!(told[of_format].as_u64() > Some(3), "{told}");
        assert_eq!(without_counts(&told), without_counts(&expected), "{layout:?}");
        let stat = run(&["stat", text(&to), "--json"]).json().remove(0);
        assert_eq!(
            (&stat["key_index"], &stat["time_index"]),
            (&layout.keys.into(), &layout.times.into())
        );
        assert_eq!(stat["next_offset"], END);
        if layout.keys {
            let found = run(&["get", text(&to), "--key", "a"]).json().remove(0);
            assert_eq!(found["offset"], 15);
        }
        let below = run(&["get", text(&to), "3"]);
        assert_eq!(below.code, Some(1), "{below:?}");
    }
}

/// The same without the numbers of segments, which depend on their sizes.
fn without_counts(summary: &serde_json::Value) -> serde_json::Value {
    let mut summary = summary.clone();
    for name in ["segments", "v1_segments", "v2_segments"] {
        summary.as_object_mut().expect("an object").remove(name);
    }
    summary
}

#[test]
fn segments_of_both_formats_stand_side_by_side() {
    let scratch = Scratch::new();
    let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
    let layout = Layout {
        version: 1,
        times: true,
        keys: true,
    };
    let records = example();
    layout::write(&from, layout, &[(7, records[..2].to_vec())]);
    let newer = Layout { version: 2, ..layout };
    layout::write(&scratch.path("newer"), newer, &[(9, records[2..].to_vec())]);
    for (name, bytes) in files(&scratch.path("newer")) {
        fs::write(from.join(name), bytes).expect("written");
    }
    let told = summary(&import(&from, &to, &[]));
    assert_eq!(
        (&told["v1_segments"], &told["v2_segments"]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        (&told["key_index"], &told["time_index"]),
        (&true.into(), &true.into())
    );
    assert_eq!(messages(&to), records);
}

#[test]
fn indexes_that_klevdb_does_not_have_are_made_if_asked_for() {
    let scratch = Scratch::new();
    let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
    let layout = Layout {
        version: 2,
        times: false,
        keys: false,
    };
    layout::write(&from, layout, &[(7, example())]);
    // An index that is missing is derived anyway.
    fs::remove_file(from.join(format!("{:020}.index", 7))).expect("removed");
    let told = summary(&import(
        &from,
        &to,
        &["--key-index", "--time-index", "--rollover", "1KiB"],
    ));
    assert_eq!(
        (&told["key_index"], &told["time_index"]),
        (&true.into(), &true.into())
    );
    assert_eq!(
        run(&["get", text(&to), "--time", "us:2500"]).json()[0]["offset"],
        1_i64 << 40
    );
}

#[test]
fn parts_without_bytes_are_absent_or_empty_as_asked_for() {
    let scratch = Scratch::new();
    let from = scratch.path("klevdb");
    let layout = Layout {
        version: 2,
        times: false,
        keys: true,
    };
    layout::write(&from, layout, &[(0, vec![Record::new(0, 5, "", "")])]);
    let cases: [(&[&str], &str); 3] = [
        (&[], "\"key\":null,\"value\":null"),
        (&["--empty-keys"], "\"key\":\"\",\"value\":null"),
        (&["--empty-keys", "--empty-values"], "\"key\":\"\",\"value\":\"\""),
    ];
    for (number, (flags, parts)) in cases.into_iter().enumerate() {
        let to = scratch.path(&format!("log-{number}"));
        summary(&import(&from, &to, flags));
        let line = format!("{{\"offset\":0,\"time_us\":5,{parts}}}\n");
        assert_eq!(run(&["consume", text(&to)]).ok(), line);
        let by_key = run(&["get", text(&to), "--key", ""]).code;
        assert_eq!(by_key, Some(i32::from(flags.is_empty())));
    }
}

#[test]
fn an_empty_log_keeps_the_offset_that_klevdb_would_give_next() {
    for layout in Layout::all() {
        for end in [0, 70] {
            let scratch = Scratch::new();
            let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
            layout::write(&from, layout, &[(end, Vec::new())]);
            let told = summary(&import(&from, &to, &[]));
            assert_eq!(
                (&told["start_offset"], &told["next_offset"]),
                (&end.into(), &end.into())
            );
            assert_eq!((&told["messages"], &told["gaps"]), (&0.into(), &0.into()));
        }
    }
}

#[test]
fn a_log_that_a_go_program_writes_to_is_refused() {
    let scratch = Scratch::new();
    let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
    let layout = Layout {
        version: 2,
        times: false,
        keys: false,
    };
    layout::write(&from, layout, &[(7, example())]);
    let lock = File::create(from.join(".lock")).expect("created");
    lock.lock().expect("locked");
    let refused = import(&from, &to, &[]);
    assert!(
        refused.failed(1).contains("open elsewhere for writing"),
        "{refused:?}"
    );
    assert!(!to.exists());
    lock.unlock().expect("unlocked");
    lock.lock_shared().expect("locked");
    summary(&import(&from, &to, &[]));
}

#[test]
fn what_is_no_log_of_klevdb_is_refused_without_a_trace() {
    let scratch = Scratch::new();
    let [none, empty, log, to] = ["none", "empty", "duramen", "to"].map(|name| scratch.path(name));
    fs::create_dir(&empty).expect("created");
    run(&["publish", text(&log)]).ok();
    assert!(import(&none, &to, &[]).failed(1).contains("cannot list"));
    assert!(import(&empty, &to, &[]).failed(1).contains("no log of klevdb"));
    assert!(import(&log, &to, &[]).failed(2).contains("a log of duramen"));
    assert!(files(&empty).is_empty() && !empty.join(".lock").exists() && !to.exists());
    // Nor is a log imported over another one, or into its own directory.
    let from = scratch.path("klevdb");
    let layout = Layout {
        version: 2,
        times: false,
        keys: false,
    };
    layout::write(&from, layout, &[(7, example())]);
    let before = (files(&log), files(&from));
    import(&from, &log, &[]).failed(2);
    import(&from, &from, &[]).failed(2);
    assert!((files(&log), files(&from)) == before);
}

/// Goal: an import neither waits for a writer of a pipe nor follows a link. Method: each file of a directory is one.
#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let layout = Layout {
        version: 2,
        times: true,
        keys: true,
    };
    for name in [
        format!("{:020}.log", 7),
        format!("{:020}.index", 7),
        ".lock".into(),
    ] {
        for is_pipe in [true, false] {
            let scratch = Scratch::new();
            let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
            layout::write(&from, layout, &[(7, example())]);
            let (path, elsewhere) = (from.join(&name), scratch.path("elsewhere"));
            if path.exists() {
                fs::rename(&path, &elsewhere).expect("renamed");
            } else {
                fs::write(&elsewhere, b"").expect("written");
            }
            if is_pipe {
                let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
                assert!(made.success());
            } else {
                symlink(&elsewhere, &path).expect("linked");
            }
            let refused = import(&from, &to, &[]);
            assert!(refused.failed(1).contains(&name), "{refused:?}");
        }
    }
}

#[test]
fn the_lock_file_is_for_its_owner_alone() {
    let scratch = Scratch::new();
    let (from, to) = (scratch.path("klevdb"), scratch.path("log"));
    let layout = Layout {
        version: 2,
        times: true,
        keys: true,
    };
    layout::write(&from, layout, &[(7, example())]);
    summary(&import(&from, &to, &[]));
    let mode = fs::metadata(from.join(".lock"))
        .expect("made")
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0);
}
