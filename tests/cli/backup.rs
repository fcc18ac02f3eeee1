use crate::harness::{Place, Run, numbered, run};

/// Copies the log to `name` beside it.
fn backup(place: &Place, name: &str) -> Run {
    run(&["backup", place.dir(), &beside(place, name)])
}

fn beside(place: &Place, name: &str) -> String {
    place.parent().join(name).to_str().expect("text").to_owned()
}

fn values(dir: &str) -> String {
    run(&["consume", dir, "--format", "raw"]).ok().to_owned()
}

#[test]
fn a_backup_is_a_log_and_the_next_one_copies_what_changed() {
    let place = Place::new();
    place
        .publish(
            &["--key-index", "--rollover", "1024", "--batch", "5"],
            numbered(100).as_bytes(),
        )
        .ok();
    let copy = beside(&place, "copy");
    let first = &backup(&place, "copy").json()[0];
    assert_eq!(
        (&first["next_offset"], &first["start_offset"]),
        (&100.into(), &0.into())
    );
    assert_eq!(first["segments"], first["segments_copied"]);
    assert!(first["bytes_copied"].as_u64() > Some(0));
    assert_eq!(values(&copy), values(place.dir()));
    assert_eq!(run(&["check", &copy]).code, Some(0));

    let again = &backup(&place, "copy").json()[0];
    assert_eq!(
        (&again["segments_copied"], &again["bytes_copied"]),
        (&0.into(), &0.into())
    );

    place.publish(&[], b"{\"key\":\"k\",\"value\":\"new\"}\n").ok();
    place.run("trim", &["--before", "50"]).ok();
    place.run("delete", &["70", "71"]).ok();
    let third = &backup(&place, "copy").json()[0];
    assert_eq!(
        (&third["next_offset"], &third["start_offset"]),
        (&101.into(), &50.into())
    );
    assert!(third["files_removed"].as_u64() > Some(0), "{third}");
    assert_eq!(values(&copy), values(place.dir()));
    assert_eq!(run(&["check", &copy]).code, Some(0));
}

#[test]
fn a_backup_is_restored_up_to_an_offset_or_a_time() {
    let place = Place::with(&numbered(10));
    backup(&place, "copy").ok();
    let copy = beside(&place, "copy");
    for (number, (flags, next_offset)) in [
        (&[][..], 10),
        (&["--until", "newest"], 10),
        (&["--until", "4"], 4),
        (&["--until", "0"], 0),
        (&["--until", "us:7"], 7),
        (&["--until", "1970-01-01T00:00:00.000003Z"], 3),
        (&["--until", "us:100"], 10),
    ]
    .into_iter()
    .enumerate()
    {
        let dir = beside(&place, &format!("restored-{number}"));
        let restored = run(&[&["restore", &copy, &dir], flags].concat());
        assert_eq!(
            restored.ok(),
            format!("{{\"next_offset\":{next_offset}}}\n"),
            "{flags:?}"
        );
        let expected: String = (0..next_offset).fold(String::new(), |text, i| text + &format!("a{i}"));
        assert_eq!(values(&dir).replace('\n', ""), expected);
        assert_eq!(run(&["check", &dir]).code, Some(0));
    }
}

#[test]
fn what_cannot_be_copied_is_told() {
    let place = Place::with(&numbered(3));
    let copy = beside(&place, "copy");
    backup(&place, "copy").ok();
    // Into itself, over another log, from nowhere, over a log that is there, beyond the end.
    assert!(!run(&["backup", place.dir(), place.dir()]).failed(2).is_empty());
    let other = Place::with(&numbered(1));
    assert!(!run(&["backup", place.dir(), other.dir()]).failed(2).is_empty());
    assert!(
        !run(&["backup", &beside(&place, "none"), &copy])
            .failed(1)
            .is_empty()
    );
    assert!(!run(&["restore", &copy, place.dir()]).failed(2).is_empty());
    let beyond = run(&["restore", &copy, &beside(&place, "new"), "--until", "4"]);
    assert!(beyond.failed(1).contains("goes from 0 to 3"), "{beyond:?}");
    assert_eq!(values(place.dir()), values(&copy));
}

#[test]
fn damage_is_not_copied() {
    let place = Place::with(&numbered(100));
    place.damage(55);
    assert!(backup(&place, "copy").failed(3).contains("corrupt"));
    for command in ["stat", "check", "recover", "consume"] {
        let told = run(&[command, &beside(&place, "copy")]);
        assert!(told.failed(4).contains("run it again to finish it"), "{command}");
    }
}
