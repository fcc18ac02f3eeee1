use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout};

use rustix::process::{Pid, Signal, kill_process};

use super::{Store, without_time};
use crate::harness::{Place, command, finish, numbered};

struct Follower {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Follower {
    fn start(store: &Store, args: &[&str]) -> Follower {
        let follow = ["store", store.dir(), "consume", "--follow", "--format", "text"];
        let mut child = command(&[&follow, args].concat())
            .spawn()
            .expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Follower { child, lines }
    }

    /// The next line, which is waited for, without its time.
    fn next(&mut self) -> String {
        let line = self.lines.next().expect("it goes on").expect("text");
        without_time(&line)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// The standard error of a follower that ends well.
    fn told(mut self) -> String {
        assert!(self.lines.next().is_none());
        let run = finish(self.child);
        assert_eq!(run.code, Some(0), "{run:?}");
        run.stderr
    }
}

/// What is published to any partition is printed as it comes, also to one that nobody had used; a signal ends it.
#[test]
fn a_follower_sees_all_partitions() {
    let store = Store::with(&[("s", &["--partitions", "3"])]);
    let mut follower = Follower::start(&store, &["s"]);
    for (round, partition) in ["1", "0", "2", "0", "1"].into_iter().enumerate() {
        store.publish(&["s", "--partition", partition], &numbered(1)).ok();
        let offset = usize::from(round > 2);
        assert_eq!(follower.next(), format!("{partition} {offset} k0 a0"));
    }
    follower.signal(Signal::TERM);
    assert_eq!(follower.told(), "");
}

/// One partition alone, from the newest; limits hold for all partitions together, and a stream that is sealed ends it.
#[test]
fn a_follower_ends_where_it_is_told() {
    let store = Store::with(&[("s", &["--partitions", "2"])]);
    store.publish(&["s", "--round-robin"], &numbered(4)).ok();
    let mut last = Follower::start(&store, &["s", "--partition", "1", "--from", "-1", "--max", "2"]);
    assert_eq!(last.next(), "1 1 k0 a3");
    let mut limited = Follower::start(&store, &["s", "--max", "5"]);
    let mut all = Follower::start(&store, &["s"]);
    for follower in [&mut limited, &mut all] {
        let mut lines: Vec<_> = (0..4).map(|_| follower.next()).collect();
        lines.sort();
        assert_eq!(lines, ["0 0 k0 a0", "0 1 k2 a2", "1 0 k1 a1", "1 1 k0 a3"]);
    }
    store.publish(&["s", "--partition", "1"], &numbered(1)).ok();
    for follower in [&mut last, &mut limited, &mut all] {
        assert_eq!(follower.next(), "1 2 k0 a0");
    }
    assert_eq!((last.told(), limited.told()), (String::new(), String::new()));
    store.run(&["seal", "s", "--partition", "0"]).ok();
    store.publish(&["s", "--partition", "1"], &numbered(1)).ok();
    assert_eq!(all.next(), "1 3 k0 a0");
    store.run(&["seal", "s"]).ok();
    assert_eq!(all.told(), "");
}

/// A follower waits for a store and a stream that are not there yet.
#[test]
fn a_follower_waits_for_a_stream() {
    let store = Store(Place::new());
    let mut follower = Follower::start(&store, &["s", "--from", "newest", "--max", "2"]);
    store.run(&["create", "other"]).ok();
    std::thread::sleep(std::time::Duration::from_millis(200));
    store.run(&["create", "s"]).ok();
    std::thread::sleep(std::time::Duration::from_millis(200));
    store.publish(&["s"], &numbered(2)).ok();
    assert_eq!(
        (follower.next(), follower.next()),
        ("0 0 k0 a0".into(), "0 1 k1 a1".into())
    );
    let expected = format!("duramen: waiting for a stream \"s\" in {}\n", store.dir());
    assert_eq!(follower.told(), expected);
}

/// A stream that was deleted is waited for, and another one of its name is read from its beginning.
#[test]
fn a_follower_notices_another_stream() {
    let store = Store::with(&[("s", &[])]);
    store.publish(&["s"], &numbered(2)).ok();
    let mut follower = Follower::start(&store, &["s", "--max", "5"]);
    assert_eq!(
        (follower.next(), follower.next()),
        ("0 0 k0 a0".into(), "0 1 k1 a1".into())
    );
    store.run(&["delete", "s"]).ok();
    store.publish(&["s", "--create"], &numbered(3)).ok();
    for expected in ["0 0 k0 a0", "0 1 k1 a1", "0 2 k2 a2"] {
        assert_eq!(follower.next(), expected);
    }
    let told = follower.told();
    let expected = "partition 0: there is another log in the directory; going on at its beginning\n";
    assert!(told.ends_with(expected), "{told}");
}

/// A store that was put in the place of another one is noticed.
#[test]
fn a_follower_notices_another_store() {
    let store = Store::with(&[("s", &["--partitions", "2"])]);
    store.publish(&["s", "--partition", "1"], &numbered(2)).ok();
    let mut follower = Follower::start(&store, &["s", "--max", "5"]);
    assert_eq!(
        (follower.next(), follower.next()),
        ("1 0 k0 a0".into(), "1 1 k1 a1".into())
    );
    fs::rename(store.dir(), store.0.parent().join("away")).expect("moved");
    store.run(&["create", "s", "--partitions", "2"]).ok();
    store.publish(&["s", "--partition", "1"], &numbered(3)).ok();
    for expected in ["1 0 k0 a0", "1 1 k1 a1", "1 2 k2 a2"] {
        assert_eq!(follower.next(), expected);
    }
    let told = follower.told();
    let expected = "partition 1: there is another log in the directory; going on at its beginning\n";
    assert!(told.ends_with(expected), "{told}");
}

/// What was trimmed before it was printed is told, with its partition.
#[test]
fn a_follower_goes_on_behind_a_trim() {
    let store = Store::with(&[("s", &["--partitions", "2"])]);
    store.publish(&["s", "--partition", "1"], &numbered(2)).ok();
    let mut follower = Follower::start(&store, &["s", "--max", "3"]);
    assert_eq!(
        (follower.next(), follower.next()),
        ("1 0 k0 a0".into(), "1 1 k1 a1".into())
    );
    follower.signal(Signal::STOP);
    store.publish(&["s", "--partition", "1"], &numbered(3)).ok();
    let id = store.object(&["list"])["id"].clone();
    let log = format!("{}/streams/{}/1", store.dir(), id.as_str().expect("a text"));
    crate::harness::run(&["trim", &log, "--before", "4"]).ok();
    follower.signal(Signal::CONT);
    assert_eq!(follower.next(), "1 4 k2 a2");
    let expected =
        "duramen: partition 1: offsets 2 to 3 were trimmed before they were printed; going on at 4\n";
    assert_eq!(follower.told(), expected);
}

#[test]
fn a_pause_ends_a_follower() {
    let store = Store::with(&[("s", &["--partitions", "2"])]);
    store.publish(&["s", "--partition", "1"], &numbered(1)).ok();
    let mut follower = Follower::start(&store, &["s"]);
    assert_eq!(follower.next(), "1 0 k0 a0");
    store.run(&["pause", "s", "--partition", "1"]).ok();
    let run = finish(follower.child);
    assert!(
        run.failed(1)
            .contains("partition 1 of the stream \"s\" is paused"),
        "{run:?}"
    );
}
