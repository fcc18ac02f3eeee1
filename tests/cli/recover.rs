use std::fs;

use serde_json::Value;

use crate::harness::{Place, Run, numbered, published};

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

/// Goal: one bad bit costs one message with salvage, and what is behind it without; what is cut off is told and kept;
/// a second run has nothing to do. Method: a bit of the value of a message in the middle.
#[test]
fn one_bad_bit_is_cut_out_and_kept() {
    for flags in [&[][..], &["--salvage"]] {
        let place = place();
        let (path, position) = place.damage(55);
        let path = path.to_str().expect("text");
        let expected: Vec<u64> = match flags {
            [] => (0..55).collect(),
            _ => (0..100).filter(|offset| *offset != 55).collect(),
        };

        let before = fs::read(path).expect("readable");
        let dry = report(&place.run("recover", &[flags, &["--dry-run", "--json"]].concat()));
        assert_eq!(
            (&dry["changed"], &dry["quarantined"]),
            (&true.into(), &Value::Array(vec![]))
        );
        assert_eq!(fs::read(path).expect("readable"), before);
        assert_eq!(place.run("check", &[]).code, Some(3));

        let recovered = report(&place.run("recover", &[flags, &["--json"]].concat()));
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
