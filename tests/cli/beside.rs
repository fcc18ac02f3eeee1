//! Commands beside a writer.

use std::io::Write as _;
use std::thread;

use crate::harness::{Place, finish, numbered, published, publishing, run};

/// Readers take a log that is being published to as it is at that moment.
#[test]
fn readers_work_beside_a_publisher() {
    let place = Place::with(&numbered(1));
    let (publisher, mut stdin) = publishing(&place, &numbered(2), 3);
    assert_eq!(place.consume(&["--format", "raw"]).ok(), "a0a0a1");
    assert_eq!(place.run("get", &["newest", "--format", "raw"]).ok(), "a1");
    assert_eq!(
        place.run("get", &["--key", "k0", "--format", "text"]).ok(),
        "1\t1970-01-01T00:00:00Z\tk0\ta0\n"
    );
    assert_eq!(
        place.run("get", &["--time", "us:1", "--format", "raw"]).ok(),
        "a1"
    );
    let checked = place.run("check", &["--json"]);
    assert_eq!(
        (checked.code, &checked.json()[0]["messages"]),
        (Some(0), &3.into())
    );
    let trimmed = place.run("trim", &["--before", "1", "--dry-run"]);
    assert_eq!(trimmed.code, Some(0), "{trimmed:?}");

    let copy = place.parent().join("copy");
    let copies = place.parent().join("copies");
    let (copy, copies) = (copy.to_str().expect("text"), copies.to_str().expect("text"));
    let both: [&[&str]; 2] = [
        &["backup", place.dir(), copy],
        &["backup", place.dir(), copies, "--keep", "1"],
    ];
    for next in [3, 4] {
        for args in both {
            assert_eq!(run(args).json()[0]["next_offset"], next, "{args:?}");
        }
        if next == 3 {
            stdin.write_all(numbered(1).as_bytes()).expect("it reads");
            place.wait_for_offset(4);
        }
    }
    assert_eq!(run(&["consume", copy, "--format", "raw"]).ok(), "a0a0a1a0");
    drop(stdin);
    assert_eq!(finish(publisher).ok(), published(3, 4));
}

/// While one process publishes, another one that would change the log says so, and changes nothing.
#[test]
fn a_second_writer_is_told() {
    let place = Place::with(&numbered(1));
    let (publisher, stdin) = publishing(&place, &numbered(1), 2);
    let commands: [(&str, &[&str]); 6] = [
        ("publish", &[]),
        ("delete", &["1"]),
        ("trim", &["--before", "1"]),
        ("compact", &[]),
        ("recover", &[]),
        ("seal", &[]),
    ];
    // Side by side, because each of them waits for a while.
    thread::scope(|scope| {
        for (command, flags) in commands {
            let place = &place;
            scope.spawn(move || {
                let second = place.run(command, flags);
                let told = second.failed(1);
                assert!(told.contains("the log is open elsewhere"), "{command}: {told}");
                assert!(
                    told.contains("one process at a time can write to a log"),
                    "{told}"
                );
                assert_eq!(second.stdout, b"");
            });
        }
    });
    drop(stdin);
    assert_eq!(finish(publisher).ok(), published(1, 2));
    assert_eq!(place.consume(&["--format", "raw"]).ok(), "a0a0");
}
