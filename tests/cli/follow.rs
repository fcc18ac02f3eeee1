use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdout};
use std::thread;
use std::time::{Duration, Instant};

use duramen::{Log as _, LogExt as _, NewMessage, Options};
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Place, command, finish, numbered, publishing, run};

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it runs");
}

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

    /// The standard error of a follower that ends well.
    fn told(self) -> String {
        let run = finish(self.child);
        assert_eq!(run.code, Some(0), "{run:?}");
        run.stderr
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

/// Beside a running publisher, messages are printed as they are published.
#[test]
fn a_follower_prints_beside_a_publisher() {
    let place = Place::with(&numbered(1));
    let (mut publisher, mut stdin) = publishing(&place, &numbered(1), 2);
    let mut follower = Follower::start(&place, &["--max", "12"]);
    assert_eq!((follower.offset(), follower.offset()), (0, 1));
    for offset in 2..12 {
        stdin.write_all(numbered(1).as_bytes()).expect("it reads");
        assert_eq!(follower.offset(), offset);
    }
    assert_eq!(finish(follower.child).ok(), "");
    assert!(publisher.try_wait().expect("a child").is_none());
    drop(stdin);
    finish(publisher).ok();
}

/// Goal: messages are printed within 20 ms of their publication. Method: the median of some that a service publishes,
/// whose log is open all the time, with pauses that a follower spends waiting.
#[test]
fn a_follower_is_less_than_20_ms_behind_a_service() {
    let place = Place::with(&numbered(1));
    let log = Options::new().open(place.dir()).expect("the log");
    let mut follower = Follower::start(&place, &["--max", "22"]);
    assert_eq!(follower.offset(), 0);
    let mut lags: Vec<Duration> = (1..22)
        .map(|offset| {
            thread::sleep(Duration::from_millis(50));
            let started = Instant::now();
            log.publish_one(NewMessage::new(b"k", b"v")).expect("publishes");
            assert_eq!(follower.offset(), offset);
            started.elapsed()
        })
        .collect();
    lags.sort();
    assert!(lags[lags.len() / 2] < Duration::from_millis(20), "{lags:?}");
    assert_eq!(finish(follower.child).ok(), "");
    log.close().expect("a close");
}

/// Publishers that open the log, publish and close it, again and again: a follower sees each message once.
#[test]
fn a_follower_sees_every_message_once_across_writers() {
    const ROUNDS: usize = 20;
    let place = Place::with("");
    let mut follower = Follower::start(&place, &[]);
    for round in 1..=ROUNDS {
        place
            .publish(
                &["--rollover", "4096", "--batch", "7"],
                numbered(10 * round).as_bytes(),
            )
            .ok();
    }
    place.run("seal", &[]).ok();
    for round in 1..=ROUNDS {
        for value in 0..10 * round {
            let line = follower.lines.next().expect("it goes on").expect("text");
            assert!(line.ends_with(&format!("\ta{value}")), "{round}: {line}");
        }
    }
    assert!(follower.lines.next().is_none());
    assert_eq!(follower.told(), "");
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

/// Messages that were trimmed before a follower came to them are told, and it goes on behind them.
#[test]
fn a_follower_goes_on_behind_a_trim() {
    let place = Place::new();
    place
        .publish(&["--rollover", "1024"], numbered(10).as_bytes())
        .ok();
    let mut follower = Follower::start(&place, &["--max", "160"]);
    for offset in 0..10 {
        assert_eq!(follower.offset(), offset);
    }
    send(&follower.child, Signal::STOP);
    place.publish(&[], numbered(190).as_bytes()).ok();
    place.run("trim", &["--before", "50"]).ok();
    send(&follower.child, Signal::CONT);
    for offset in 50..200 {
        assert_eq!(follower.offset(), offset);
    }
    let told = "duramen: offsets 10 to 49 were trimmed before they were printed; going on at 50\n";
    assert_eq!(follower.told(), told);

    let mut late = Follower::start(&place, &["--from", "20", "--max", "1"]);
    assert_eq!(late.offset(), 50);
    let told = "duramen: offsets 20 to 49 were trimmed before they were printed; going on at 50\n";
    assert_eq!(late.told(), told);
    // Who does not follow wants exactly those.
    place.consume(&["--from", "20"]).failed(1);
}

/// A follower waits for a log that is not there yet, and then prints all of it, wherever it begins.
#[test]
fn a_follower_waits_for_a_log() {
    for (from, has_directory) in [("oldest", false), ("newest", false), ("-1", true)] {
        let place = Place::new();
        if has_directory {
            fs::create_dir(place.dir()).expect("a directory");
        }
        let mut follower = Follower::start(&place, &["--from", from, "--max", "4"]);
        thread::sleep(Duration::from_millis(200));
        for start in [0, 2] {
            place.publish(&[], numbered(2).as_bytes()).ok();
            assert_eq!((follower.offset(), follower.offset()), (start, start + 1));
        }
        let told = follower.told();
        assert_eq!(told, format!("duramen: waiting for a log in {}\n", place.dir()));
    }
}

/// Has a follower read a log, takes that away by `take_away`, and makes another one in its place, which is longer by
/// one message: the follower notices, and reads that.
fn another_log_is_noticed(take_away: impl FnOnce(&Place)) {
    let place = Place::with(&numbered(3));
    let mut follower = Follower::start(&place, &["--max", "7"]);
    for offset in 0..3 {
        assert_eq!(follower.offset(), offset);
    }
    take_away(&place);
    place.publish(&[], numbered(4).as_bytes()).ok();
    for offset in 0..4 {
        assert_eq!(follower.offset(), offset);
    }
    let told = follower.told();
    let expected = "duramen: there is another log in the directory; going on at its beginning\n";
    assert!(told.ends_with(expected), "{told}");
}

/// A follower notices that the log was made anew.
#[test]
fn a_follower_notices_another_log() {
    another_log_is_noticed(|place| fs::remove_dir_all(place.dir()).expect("a log"));
}

/// A follower notices that its log was moved away, and reads the one that is at its place.
#[test]
fn a_follower_leaves_a_log_that_was_moved_away() {
    another_log_is_noticed(|place| fs::rename(place.dir(), place.parent().join("away")).expect("moved"));
}

/// A follower notices that messages that it has printed are lost in the log that it has open.
#[test]
fn a_follower_notices_what_recovery_has_cut_off() {
    let place = Place::new();
    place.publish(&["--batch", "1"], numbered(5).as_bytes()).ok();
    let mut follower = Follower::start(&place, &["--max", "7"]);
    for offset in 0..5 {
        assert_eq!(follower.offset(), offset);
    }
    send(&follower.child, Signal::STOP);
    place.damage(3);
    assert_eq!(place.run("recover", &["--truncate"]).code, Some(0));
    place.publish(&[], numbered(2).as_bytes()).ok();
    send(&follower.child, Signal::CONT);
    for offset in 5..7 {
        assert_eq!(follower.offset(), offset);
    }
    let expected =
        "duramen: the log has gone on without messages that were printed, from offset 3 on; going on there\n";
    assert_eq!(follower.told(), expected);
}

/// A follower notices another life of its log: it prints the messages that have the offsets of others now.
#[test]
fn a_follower_notices_another_life() {
    let place = Place::with(&numbered(5));
    let copy = place.parent().join("copy");
    let copy = copy.to_str().expect("text");
    run(&["backup", place.dir(), copy]).ok();
    place.publish(&[], numbered(5).as_bytes()).ok();
    let mut follower = Follower::start(&place, &["--max", "13"]);
    for offset in 0..10 {
        assert_eq!(follower.offset(), offset);
    }
    send(&follower.child, Signal::STOP);
    fs::remove_dir_all(place.dir()).expect("a log");
    run(&["restore", copy, place.dir()]).ok();
    place.publish(&[], numbered(3).as_bytes()).ok();
    send(&follower.child, Signal::CONT);
    for offset in 5..8 {
        assert_eq!(follower.offset(), offset);
    }
    let told = follower.told();
    assert!(told.contains("from offset 5 on; going on there"), "{told}");
}
