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
