use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use fastrand::Rng;

use crate::harness::{run, run_with};

use super::layout::{self, Layout, Record};
use super::{Scratch, example, export, files, import, is_in_order, messages, summary, text};

fn format_of(layout: Layout) -> &'static str {
    if layout.version == 1 { "v1" } else { "v2" }
}

/// Goal: what is exported is byte for byte what klevdb writes, and what is imported from it is the same again. Method:
/// both formats, all combinations of indexes, with and without an offset that only an empty segment keeps.
#[test]
fn imported_and_exported_again_every_byte_is_the_same() {
    for layout in Layout::all() {
        for end in [None, Some(1 << 50)] {
            let scratch = Scratch::new();
            let [from, log, back] = ["klevdb", "log", "back"].map(|name| scratch.path(name));
            layout::write(
                &from,
                layout,
                &layout::rolled(layout.version, &example(), 60, end),
            );
            summary(&import(&from, &log, &[]));
            let told = summary(&export(
                &log,
                &back,
                &["--format", format_of(layout), "--segment-size", "60"],
            ));
            assert!(files(&back) == files(&from), "{layout:?} {end:?}");
            assert_eq!((&told["messages"], &told["start_offset"]), (&6.into(), &7.into()));
            assert_eq!(told["segments"], files(&back).len() / 2);
            assert_eq!(told["gaps"], if end.is_some() { 3 } else { 2 });
        }
    }
}

/// Goal: a log of any messages and gaps comes back as it was. Method: random logs, from duramen to klevdb and back,
/// and compared with a directory that was written from the layout.
#[test]
fn random_logs_come_back_as_they_were() {
    let seed = std::env::var("DURAMEN_SEED").map_or_else(
        |_| fastrand::u64(..1 << 32),
        |seed| seed.parse().expect("a number"),
    );
    println!("klevdb: DURAMEN_SEED={seed}");
    for round in 0..12 {
        let mut random = Rng::with_seed(seed + round);
        let layouts: Vec<Layout> = Layout::all().collect();
        let layout = layouts[random.usize(..layouts.len())];
        let records = any_records(&mut random);
        let rollover = random.usize(1..2000);
        let scratch = Scratch::new();
        let [from, log, back, again] = ["klevdb", "log", "back", "again"].map(|name| scratch.path(name));
        let next = records.last().map_or(0, |last| last.offset + 1);
        let end = (records.is_empty() || random.bool()).then(|| next + random.i64(1..1 << 30));
        layout::write(
            &from,
            layout,
            &layout::rolled(layout.version, &records, rollover, end),
        );
        summary(&import(&from, &log, &["--rollover", "1KiB"]));
        assert_eq!(messages(&log), records);
        let size = rollover.to_string();
        summary(&export(
            &log,
            &back,
            &["--format", format_of(layout), "--segment-size", &size],
        ));
        assert!(files(&back) == files(&from), "{layout:?}");
        let flags: &[&str] = if layout.keys { &["--key-index"] } else { &[] };
        let told = summary(&import(&back, &again, flags));
        assert_eq!(told["next_offset"], end.unwrap_or(next));
        assert_eq!(messages(&again), records);
        is_in_order(&again);
    }
}

fn any_records(random: &mut Rng) -> Vec<Record> {
    let mut offset = random.i64(0..1 << 20) * random.i64(0..2);
    let any =
        |random: &mut Rng, len: usize| (0..random.usize(..len)).map(|_| random.u8(b'a'..=b'z')).collect();
    (0..random.usize(..60))
        .map(|_| {
            offset += match random.u8(..10) {
                0 => random.i64(1..1 << 40),
                1 => random.i64(1..50),
                _ => 1,
            };
            Record {
                offset: offset - 1,
                time: random.i64(-100..2_000),
                key: any(random, 6),
                value: any(random, 300),
            }
        })
        .collect()
}

/// A log of what these lines say.
fn published(dir: &Path, flags: &[&str], lines: &str) {
    run_with(&[&["publish", text(dir)], flags].concat(), lines.as_bytes()).ok();
}

/// Goal: nothing is left out silently. Method: each thing that klevdb cannot hold is refused with its offset, and with
/// `--lossy` left out and counted.
#[test]
fn what_klevdb_cannot_hold_is_refused_or_left_out_and_counted() {
    let cases = [
        (
            "{\"value\":\"b\",\"headers\":{\"h\":\"v\"}}\n",
            "headers at offset 1",
            "without_headers",
        ),
        (
            "{\"key\":\"\",\"value\":\"b\"}\n",
            "an empty key or value",
            "empty_as_absent",
        ),
        (
            "{\"key\":\"k\",\"value\":\"\"}\n",
            "an empty key or value",
            "empty_as_absent",
        ),
        ("", "a control record at offset 1", "control_records"),
    ];
    for (number, (line, what, counted)) in cases.into_iter().enumerate() {
        let scratch = Scratch::new();
        let [log, to, back] = ["log", "klevdb", "back"].map(|name| scratch.path(name));
        published(&log, &[], &format!("{{\"value\":\"a\"}}\n{line}"));
        if line.is_empty() {
            run(&["fence", text(&log), "token"]);
        }
        let refused = export(&log, &to, &[]);
        assert!(refused.failed(1).contains(what), "{refused:?}");
        assert!(refused.stderr.contains("--lossy"), "{refused:?}");
        assert!(
            fs::read_dir(scratch.path("")).expect("listed").count() == 1,
            "case {number}"
        );
        let told = summary(&export(&log, &to, &["--lossy"]));
        for name in ["without_headers", "empty_as_absent", "control_records"] {
            assert_eq!(told[name], u64::from(name == counted), "{name}");
        }
        assert_eq!(told["next_offset"], 2);
        summary(&import(&to, &back, &[]));
        let values: Vec<_> = messages(&back).into_iter().map(|message| message.value).collect();
        assert_eq!(values.len(), if line.is_empty() { 1 } else { 2 });
    }
}

#[test]
fn what_was_trimmed_and_deleted_stays_away_and_the_next_offset_stays() {
    let scratch = Scratch::new();
    let [log, to, back] = ["log", "klevdb", "back"].map(|name| scratch.path(name));
    let line = |number| format!("{{\"time_us\":{number},\"value\":\"v{number}\"}}\n");
    let lines = (0..20).map(line).collect::<Vec<_>>().concat();
    published(&log, &["--time-index"], &lines);
    run(&["trim", text(&log), "--before", "3"]);
    run(&["delete", text(&log), "5", "18", "19"]);
    let told = summary(&export(&log, &to, &[]));
    assert_eq!(
        (&told["start_offset"], &told["next_offset"], &told["gaps"]),
        (&3.into(), &20.into(), &2.into())
    );
    assert!(to.join(format!("{:020}.log", 20)).exists());
    summary(&import(&to, &back, &[]));
    assert_eq!(messages(&back), messages(&log));
    let published = run_with(&["publish", text(&back)], b"{\"value\":\"next\"}\n")
        .json()
        .remove(0);
    assert_eq!(published["start_offset"], 20);
}

#[test]
fn a_directory_that_is_not_empty_is_refused_and_an_empty_one_is_taken() {
    let scratch = Scratch::new();
    let [log, to] = ["log", "klevdb"].map(|name| scratch.path(name));
    published(&log, &[], "{\"value\":\"a\"}\n");
    fs::create_dir(&to).expect("created");
    fs::write(to.join("mine"), b"mine").expect("written");
    export(&log, &to, &[]).failed(2);
    assert!(files(&to).len() == 1);
    fs::remove_file(to.join("mine")).expect("removed");
    summary(&export(&log, &to, &[]));
    let before = files(&to);
    export(&log, &to, &[]).failed(2);
    assert!(files(&to) == before);
}

/// Goal: an export that was interrupted is not taken for a log, and the next one takes its place. Method: what one
/// that was killed leaves.
#[test]
fn an_interrupted_export_has_another_name_and_is_begun_afresh() {
    let scratch = Scratch::new();
    let [log, to, left] = ["log", "klevdb", "klevdb.unfinished"].map(|name| scratch.path(name));
    published(&log, &[], "{\"value\":\"a\"}\n");
    fs::create_dir(&left).expect("created");
    fs::write(left.join("duramen-export"), b"").expect("written");
    for ending in ["log", "index"] {
        fs::write(left.join(format!("{:020}.{ending}", 5)), b"left").expect("written");
    }
    fs::write(left.join("mine"), b"mine").expect("written");
    assert!(export(&log, &to, &[]).failed(2).contains("in the way"));
    assert_eq!(files(&left).len(), 4);
    fs::remove_file(left.join("mine")).expect("removed");
    summary(&export(&log, &to, &[]));
    assert!(!left.exists());
    assert_eq!(files(&to).len(), 2);
}

/// Goal: what no export has made stays as it is. Method: a directory of klevdb that has the name of an unfinished
/// export, and links there.
#[test]
fn a_directory_of_klevdb_with_the_name_of_an_unfinished_export_stays_as_it_is() {
    let layout = Layout {
        version: 2,
        times: true,
        keys: true,
    };
    let scratch = Scratch::new();
    let [log, to, left, mine] = ["log", "klevdb", "klevdb.unfinished", "mine"].map(|name| scratch.path(name));
    published(&log, &[], "{\"value\":\"a\"}\n");
    layout::write(&left, layout, &[(7, example())]);
    let before = files(&left);
    assert!(export(&log, &to, &[]).failed(2).contains("in the way"));
    assert!(files(&left) == before);
    // One that is marked is not followed to.
    fs::rename(&left, &mine).expect("renamed");
    fs::write(mine.join("duramen-export"), b"").expect("written");
    symlink(&mine, &left).expect("linked");
    assert!(export(&log, &to, &[]).failed(2).contains("in the way"));
    assert_eq!(files(&mine).len(), before.len() + 1);
    assert!(!to.exists());
}

#[test]
fn exported_files_are_for_their_owner_alone() {
    let scratch = Scratch::new();
    let (log, parent) = (scratch.path("log"), scratch.path("one"));
    // Parents are created.
    let to = parent.join("two/klevdb");
    published(&log, &[], "{\"value\":\"a\"}\n");
    summary(&export(&log, &to, &[]));
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&to), 0o700);
    for (name, _) in files(&to) {
        assert_eq!(mode(&to.join(&name)), 0o600, "{name}");
    }
    assert_eq!(fs::read_dir(parent.join("two")).expect("listed").count(), 1);
}

#[test]
fn a_link_to_nothing_is_refused_before_anything_is_written() {
    let scratch = Scratch::new();
    let [log, to] = ["log", "klevdb"].map(|name| scratch.path(name));
    published(&log, &[], "{\"value\":\"a\"}\n");
    symlink(scratch.path("nothing"), &to).expect("linked");
    assert!(export(&log, &to, &[]).failed(2).contains("symbolic link"));
    assert_eq!(fs::read_dir(scratch.path("")).expect("listed").count(), 2);
}

#[test]
fn a_log_whose_next_offset_klevdb_does_not_have_is_refused_without_the_advice_of_lossy() {
    let scratch = Scratch::new();
    let [log, to] = ["log", "klevdb"].map(|name| scratch.path(name));
    let import = duramen::Options::new().import(&log).expect("begun");
    import.finish(1 << 63).expect("finished");
    for flags in [&[][..], &["--lossy"]] {
        let refused = export(&log, &to, flags);
        assert!(refused.failed(1).contains("2^63"), "{refused:?}");
        assert!(!refused.stderr.contains("--lossy"), "{refused:?}");
    }
}

#[test]
fn a_message_that_format_v1_does_not_tell_from_zeros_is_refused_there() {
    let scratch = Scratch::new();
    let [log, to] = ["log", "klevdb"].map(|name| scratch.path(name));
    let mut import = duramen::Options::new().import(&log).expect("begun");
    let nothing = duramen::NewMessage::default().time(duramen::Timestamp::from_micros(0));
    import.push(0, &nothing).expect("pushed");
    import.finish(1).expect("finished");
    let refused = export(&log, &to, &["--format", "v1"]);
    assert!(refused.failed(1).contains("zeros alone"), "{refused:?}");
    assert_eq!(summary(&export(&log, &to, &[]))["messages"], 1);
}
