use crate::harness::{Place, numbered};

#[test]
fn a_sound_log_has_no_problems() {
    let place = Place::with(&numbered(100));
    let run = place.run("check", &[]);
    assert_eq!((run.code, run.stdout.as_slice()), (Some(0), &b""[..]));
    assert!(
        run.stderr.starts_with("0 problems in 1 segments, 100 messages, "),
        "{run:?}"
    );
    let report = &place.run("check", &["--json"]).json()[0];
    assert_eq!(
        (&report["clean"], &report["messages"]),
        (&true.into(), &100.into())
    );
    assert_eq!(report["problems"].as_array().map(Vec::len), Some(0));
}

/// Damage is exit code 3 and a line that names the file; whoever reads there is told too, and reads nothing wrong, and
/// whoever reads elsewhere is not.
#[test]
fn damage_is_found() {
    let place = Place::new();
    place
        .publish(&["--rollover", "1024", "--batch", "10"], numbered(100).as_bytes())
        .ok();
    let (path, position) = place.damage(55);
    let path = path.to_str().expect("text");

    let run = place.run("check", &[]);
    assert_eq!(run.code, Some(3), "{run:?}");
    let stdout = String::from_utf8(run.stdout).expect("text");
    assert!(
        !stdout.is_empty() && stdout.lines().all(|line| line.contains(path)),
        "{stdout}"
    );

    let run = place.run("check", &["--json"]);
    assert_eq!(run.code, Some(3), "{run:?}");
    let report = &run.json()[0];
    assert_eq!(report["clean"], false);
    let problem = &report["problems"][0];
    assert_eq!(problem["path"], path);
    assert!(problem["position"].as_u64().expect("a number") <= position);

    for (command, flags) in [("consume", &[][..]), ("get", &["55"])] {
        let run = place.run(command, flags);
        assert!(run.failed(3).contains("corrupt at position"), "{run:?}");
        assert!(!run.stdout.windows(3).any(|window| window == b"a56"));
    }
    place.run("get", &["3"]).ok();
    place.run("get", &["97"]).ok();
}

#[test]
fn check_needs_a_log() {
    let place = Place::new();
    assert!(place.run("check", &[]).failed(1).contains("there is no log here"));
}
