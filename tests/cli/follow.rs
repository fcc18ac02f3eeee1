use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdout};
use std::thread;
use std::time::Duration;

use crate::harness::{Place, command, finish, numbered, wait_until_locked};

struct Follower {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Follower {
    fn start(place: &Place, flags: &[&str]) -> Follower {
        let args = [&["consume", place.dir(), "--follow", "--format", "text"], flags].concat();
        let mut child = command(&args).spawn().expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Follower { child, lines }
    }

    /// The offset on the next line, which is waited for.
    fn offset(&mut self) -> u64 {
        let line = self.lines.next().expect("it goes on").expect("text");
        line.split('\t')
            .next()
            .expect("a field")
            .parse()
            .expect("an offset")
    }
}

/// Messages of publishers that come and go are printed as they are published; `--max` ends it.
#[test]
fn a_follower_sees_what_is_published_later() {
    let place = Place::with(&numbered(2));
    let mut follower = Follower::start(&place, &["--max", "42"]);
    assert_eq!((follower.offset(), follower.offset()), (0, 1));
    for next in 2..42 {
        place.publish(&[], numbered(1).as_bytes()).ok();
        assert_eq!(follower.offset(), next);
    }
    assert_eq!(finish(follower.child).ok(), "");
}

/// From the newest, only what comes later is printed; by key, only that key.
#[test]
fn a_follower_begins_where_it_is_told() {
    let place = Place::with(&numbered(6));
    let mut follower = Follower::start(&place, &["--from", "-1", "--key", "k2", "--max", "2"]);
    assert_eq!(follower.offset(), 5);
    place.publish(&[], numbered(3).as_bytes()).ok();
    assert_eq!(follower.offset(), 8);
    assert_eq!(finish(follower.child).ok(), "");
}

/// While a publisher has the log, the follower waits, and goes on when the log is closed.
#[test]
fn a_follower_waits_for_a_publisher() {
    let place = Place::with(&numbered(1));
    let mut publisher = command(&["publish", place.dir()])
        .spawn()
        .expect("the binary starts");
    let mut stdin = publisher.stdin.take().expect("piped");
    stdin.write_all(numbered(1).as_bytes()).expect("it reads");
    wait_until_locked(&place);
    let mut follower = Follower::start(&place, &["--max", "3"]);
    thread::sleep(Duration::from_millis(100));
    stdin.write_all(numbered(1).as_bytes()).expect("it reads");
    drop(stdin);
    finish(publisher).ok();
    assert_eq!(
        [follower.offset(), follower.offset(), follower.offset()],
        [0, 1, 2]
    );
    assert_eq!(finish(follower.child).ok(), "");
}

/// A follower ends where it is told, also if that comes later, and at a seal; by key, too.
#[test]
fn a_follower_ends_at_a_limit_and_at_a_seal() {
    let place = Place::with(&numbered(2));
    let mut followers = [
        &["--until-offset", "4"][..],
        &["--until-time", "us:2"],
        &["--max-bytes", "48"],
        &["--control"],
        &[],
        &["--key", "k1"],
    ]
    .map(|flags| Follower::start(&place, flags));
    place.publish(&[], numbered(5).as_bytes()).ok();
    place.run("seal", &[]).ok();
    let expected: [&[u64]; 6] = [
        &[0, 1, 2, 3],
        &[0, 1, 2, 3],
        &[0, 1, 2, 3],
        &[0, 1, 2, 3, 4, 5, 6, 7],
        &[0, 1, 2, 3, 4, 5, 6],
        &[1, 3, 6],
    ];
    for (follower, expected) in followers.iter_mut().zip(expected) {
        for offset in expected {
            assert_eq!(follower.offset(), *offset);
        }
    }
    for follower in followers {
        assert_eq!(finish(follower.child).ok(), "");
    }
}

/// There must be a log to follow.
#[test]
fn a_follower_needs_a_log() {
    let place = Place::new();
    let run = place.consume(&["--follow"]);
    assert!(run.failed(1).contains("there is no log here"), "{run:?}");
}
