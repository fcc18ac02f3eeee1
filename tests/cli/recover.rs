use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Place, Run, command, finish, numbered, published};

/// A hundred messages in segments of a few each.
fn place() -> Place {
    let place = Place::new();
    place
        .publish(
            &[
                "--key-index",
                "--time-index",
                "--rollover",
                "1024",
                "--batch",
                "5",
            ],
            numbered(100).as_bytes(),
        )
        .ok();
    place
}

/// What the log holds, by offset.
fn offsets(place: &Place) -> Vec<u64> {
    let messages = place.consume(&[]).json();
    messages
        .iter()
        .map(|message| message["offset"].as_u64().expect("an offset"))
        .collect()
}

fn report(run: &Run) -> Value {
    assert_eq!(run.code, Some(0), "{run:?}");
    run.json().remove(0)
}

#[test]
fn a_log_in_order_is_left_alone() {
    let place = place();
    let before = place.run("stat", &["--json"]).json();
    for flags in [&[][..], &["--salvage"], &["--dry-run"]] {
        let run = place.run("recover", flags);
        assert_eq!((run.code, run.stdout.as_slice()), (Some(0), &b""[..]), "{run:?}");
        assert!(run.stderr.starts_with("in order: 0 stretches dropped"), "{run:?}");
        let report = report(&place.run("recover", &[flags, &["--json"]].concat()));
        assert_eq!(
            (&report["changed"], &report["messages"]),
            (&false.into(), &100.into())
        );
    }
    assert_eq!(place.run("stat", &["--json"]).json(), before);
}

/// Goal: one bad bit costs one message with salvage, and what is behind it with truncate; what is cut off is told and
/// kept; a second run has nothing to do. Method: a bit of the value of a message in the middle.
#[test]
fn one_bad_bit_is_cut_out_and_kept() {
    for flags in [&["--truncate"], &["--salvage"]] {
        let place = place();
        let (path, position) = place.damage(55);
        let path = path.to_str().expect("text");
        let expected: Vec<u64> = match flags {
            ["--truncate"] => (0..55).collect(),
            _ => (0..100).filter(|offset| *offset != 55).collect(),
        };

        let before = fs::read(path).expect("readable");
        let dry = report(&place.run("recover", &[flags[0], "--dry-run", "--json"]));
        assert_eq!(
            (&dry["changed"], &dry["quarantined"]),
            (&true.into(), &Value::Array(vec![]))
        );
        assert_eq!(fs::read(path).expect("readable"), before);
        assert_eq!(place.run("check", &[]).code, Some(3));

        let recovered = report(&place.run("recover", &[flags[0], "--json"]));
        assert_eq!(recovered["dropped"], dry["dropped"]);
        let first = &recovered["dropped"][0];
        assert_eq!(
            (&first["path"], &first["kind"]),
            (&path.into(), &"record".into()),
            "{first}"
        );
        assert_eq!(
            (&first["first_offset"], &first["end_offset"]),
            (&55.into(), &56.into())
        );
        let begin = first["position"].as_u64().expect("a number");
        let len = first["len"].as_u64().expect("a number");
        assert!((begin..begin + len).contains(&position), "{first}");
        assert!(first["text"].as_str().expect("a text").contains(path));
        let files = recovered["quarantined"].as_array().expect("a list");
        let kept = files
            .iter()
            .map(|file| fs::read(file.as_str().expect("a path")).expect("a file"));
        let cut = &before[usize::try_from(begin).expect("small")..][..usize::try_from(len).expect("small")];
        assert!(
            kept.into_iter()
                .any(|bytes| bytes.windows(cut.len()).any(|window| window == cut))
        );

        assert_eq!(offsets(&place), expected);
        assert_eq!(place.run("check", &[]).code, Some(0));
        assert_eq!(
            (&recovered["next_offset"], &recovered["epoch"]),
            (&100.into(), &1.into())
        );
        let again = place.run("recover", flags);
        assert!(
            again.stderr.starts_with("in order: 0 stretches dropped"),
            "{again:?}"
        );
        let summary = place.publish(&[], b"{\"value\":\"x\"}\n");
        assert_eq!(summary.ok(), published(1, 101));
    }
}

/// Goal: without a choice, readable messages behind damage are counted and nothing is changed, whether they are in the
/// same segment, in later ones or behind one that is missing. Method: what each choice would leave.
#[test]
fn readable_messages_behind_damage_take_a_choice() {
    let damaged = place();
    damaged.damage(55);
    let missing = place();
    fs::remove_file(&missing.files("log")[1]).expect("a segment");
    for place in [damaged, missing] {
        let files = || {
            place
                .files("log")
                .iter()
                .map(|path| fs::read(path).expect("readable"))
                .collect::<Vec<_>>()
        };
        let before = files();
        let count = |choice| {
            let run = place.run("recover", &[choice, "--dry-run", "--json"]);
            report(&run)["messages"].as_u64().expect("a number")
        };
        let behind = count("--salvage") - count("--truncate");
        assert!(behind > 40);
        let refused = place.run("recover", &[]);
        let told = refused.failed(3);
        assert!(
            told.contains(&format!(
                "duramen: {behind} readable messages lie behind the damage"
            )),
            "{told}"
        );
        assert!(told.contains("--salvage") && told.contains("--truncate") && refused.stdout.is_empty());
        let as_json = place.run("recover", &["--json"]);
        assert_eq!(as_json.code, Some(3));
        let report_of_refusal = &as_json.json()[0];
        assert_eq!(
            (
                &report_of_refusal["refused"],
                &report_of_refusal["changed"],
                &report_of_refusal["readable_behind"]
            ),
            (&true.into(), &false.into(), &behind.into())
        );
        let dry = place.run("recover", &["--dry-run"]);
        assert_eq!(dry.code, Some(0), "{dry:?}");
        assert!(
            dry.stderr.contains(&format!("{behind} readable messages")),
            "{dry:?}"
        );
        assert_eq!(files(), before);
        assert_eq!(place.run("check", &[]).code, Some(3));
        assert!(!Path::new(place.dir()).join("quarantine").exists());
        assert_eq!(place.run("recover", &["--salvage"]).code, Some(0));
        assert_eq!(place.run("recover", &[]).code, Some(0));
    }
}

/// Damage with nothing readable behind it takes no choice, nor does a torn tail.
#[test]
fn damage_at_the_end_takes_no_choice() {
    let last = place();
    last.damage(99);
    let report_of_last = report(&last.run("recover", &["--json"]));
    assert_eq!(
        (
            &report_of_last["changed"],
            &report_of_last["readable_behind"],
            &report_of_last["messages"]
        ),
        (&true.into(), &0.into(), &99.into())
    );
    assert_eq!(last.run("check", &[]).code, Some(0));

    // A log that was killed while it wrote has bytes behind its end.
    let torn = Place::new();
    let mut child = command(&["publish", torn.dir()])
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(numbered(10).as_bytes()).expect("it reads");
    thread::sleep(Duration::from_millis(300));
    child.kill().expect("it runs");
    finish(child);
    let path = torn.files("log").remove(0);
    let mut bytes = fs::read(&path).expect("readable");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("content") + 1;
    bytes[end..end + 5].copy_from_slice(b"\x01torn");
    fs::write(&path, bytes).expect("writable");
    assert_eq!(torn.run("recover", &[]).code, Some(0));
    assert_eq!(offsets(&torn), (0..10).collect::<Vec<_>>());
    last.run("recover", &["--truncate", "--salvage"]).failed(2);
}

#[test]
fn what_was_dropped_is_a_line_each() {
    let place = place();
    place.damage(20);
    place.damage(70);
    let run = place.run("recover", &["--salvage"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let text = String::from_utf8(run.stdout).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0].contains("offset 20") && lines[1].contains("offset 70"),
        "{text}"
    );
    assert!(
        run.stderr.starts_with("recovered: 2 stretches dropped"),
        "{}",
        run.stderr
    );
    assert_eq!(offsets(&place).len(), 98);
}

#[test]
fn recover_needs_a_log() {
    let place = Place::new();
    for flags in [&[][..], &["--dry-run"]] {
        assert!(
            place
                .run("recover", flags)
                .failed(1)
                .contains("there is no log here")
        );
    }
    assert!(!place.run("recover", &["--until", "5"]).failed(2).is_empty());
}

/// Goal: recovery gives a log the indexes that it had. Method: both copies of the metadata are lost, of logs with
/// either index, with both and with none, with and without index files.
#[test]
fn a_log_whose_metadata_is_lost_keeps_its_indexes() {
    let all = ["--key-index", "--time-index"];
    for (had, has_files, told, expected) in [
        (&all[..], true, &[][..], [true, true]),
        (&all[..1], true, &[], [true, false]),
        (&all[1..], true, &[], [false, true]),
        (&[], true, &[], [false, false]),
        (&all[1..], true, &all[..1], [true, true]),
        (&all, false, &[], [false, false]),
        (&all, false, &all[1..], [false, true]),
    ] {
        let place = Place::new();
        let flags = [had, &["--rollover", "1024", "--batch", "5"]].concat();
        place.publish(&flags, numbered(100).as_bytes()).ok();
        for entry in fs::read_dir(place.dir()).expect("listed") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let is_index = path.extension().is_some_and(|ending| ending == "idx");
            if name.starts_with("meta.") || !has_files && is_index {
                fs::remove_file(path).expect("removed");
            }
        }
        let run = place.run("recover", &[&["--json"], told].concat());
        assert_eq!(report(&run)["metadata_rebuilt"], true, "{run:?}");
        let stats = &place.run("stat", &["--json"]).json()[0];
        let indexes = ["key_index", "time_index"].map(|index| stats[index] == true);
        assert_eq!(indexes, expected, "{had:?} {has_files} {told:?}");
        assert_eq!(offsets(&place).len(), 100);
    }
    place()
        .run("recover", &["--from-quarantine", "--key-index"])
        .failed(2);
}
