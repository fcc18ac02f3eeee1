use std::fs;
use std::path::Path;

use crate::harness::{Place, numbered, run};

/// Every segment and index file can be dumped, with a line or more for each message.
#[test]
fn every_file_can_be_dumped() {
    let place = Place::new();
    let flags = [
        "--key-index",
        "--time-index",
        "--rollover",
        "1024",
        "--batch",
        "5",
    ];
    place.publish(&flags, numbered(100).as_bytes()).ok();
    let (logs, indexes) = (place.files("log"), place.files("idx"));
    assert!(logs.len() > 1 && !indexes.is_empty());
    for extension in [logs, indexes] {
        let lines: usize = extension
            .iter()
            .map(|path| run(&["dump", path.to_str().expect("text")]).ok().lines().count())
            .sum();
        assert!(lines >= 50, "{extension:?}: {lines}");
    }
}

/// Damage is told in its place, and what comes before it is shown.
#[test]
fn damage_is_shown() {
    let place = Place::with(&numbered(100));
    let sound = run(&["dump", place.files("log")[0].to_str().expect("text")]);
    let (path, _) = place.damage(55);
    let damaged = run(&["dump", path.to_str().expect("text")]);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let (sound, damaged) = (text(sound.stdout), text(damaged.stdout));
    let same = sound
        .lines()
        .zip(damaged.lines())
        .take_while(|(a, b)| a == b)
        .count();
    assert!((50..sound.lines().count()).contains(&same), "{damaged}");
}

#[test]
fn dump_needs_a_file() {
    let place = Place::with(&numbered(1));
    let missing = place.parent().join("missing.log");
    run(&["dump", missing.to_str().expect("text")]).failed(1);
    run(&["dump"]).failed(2);
}

/// What recovery cut off is shown like a segment: with the positions that it had, and whole segments as they were.
#[test]
fn files_of_the_quarantine_can_be_dumped() {
    let place = Place::new();
    place
        .publish(&["--rollover", "1024", "--batch", "5"], numbered(100).as_bytes())
        .ok();
    let (damaged, position) = place.damage(55);
    let before = run(&["dump", damaged.to_str().expect("text")]);
    let before = String::from_utf8(before.stdout).expect("text");
    assert_eq!(place.run("recover", &["--truncate"]).code, Some(0));
    let quarantine = Path::new(place.dir()).join("quarantine");
    let entries = fs::read_dir(quarantine).expect("a directory");
    let mut records = 0;
    for entry in entries {
        let path = entry.expect("readable").path();
        let dumped = run(&["dump", path.to_str().expect("text")]);
        let text = dumped.ok();
        records += text.lines().filter(|line| line.contains("record offset")).count();
        if path.extension().is_some_and(|extension| extension == "cut") {
            let begin = text.split(' ').next().expect("a position");
            assert!(begin.parse::<u64>().expect("a number") >= position - 100);
            for line in text.lines().filter(|line| line.contains("record offset")) {
                assert!(before.contains(line), "{line}");
            }
        }
    }
    assert_eq!(records, 44);
}
