use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::harness::{Place, command, finish, numbered, published};

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it runs");
}

fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a signal is in one of the masks that the system tells of a process.
fn is_in_mask(pid: u32, mask: &str, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(mask));
    let mask = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal.as_raw() - 1) & 1 == 1)
}

/// Waits until a process handles SIGTERM itself.
fn wait_until_it_catches(pid: u32) {
    wait_for("it catches no signals", || {
        is_in_mask(pid, "SigCgt:", Signal::TERM)
    });
}

/// Whether the log's files hold this text.
fn holds(place: &Place, text: &str) -> bool {
    Path::new(place.dir()).exists()
        && place.files("log").iter().any(|path| {
            let bytes = fs::read(path).expect("readable");
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        })
}

/// A publisher that has published these lines and waits for more, in the middle of a line.
fn publisher(place: &Place, flags: &[&str], lines: &str, last: &str) -> (Child, ChildStdin) {
    let args = [&["publish", place.dir()], flags].concat();
    let mut child = command(&args).spawn().expect("the binary starts");
    let mut stdin = child.stdin.take().expect("piped");
    let text = format!("{lines}{{\"value\":");
    stdin.write_all(text.as_bytes()).expect("it reads");
    wait_for("nothing is published", || holds(place, last));
    (child, stdin)
}

/// Goal: a signal ends a publisher that waits for input, and what it has read is published, synced and summed up; a
/// line that is not complete is left. Method: its standard input stays open.
#[test]
fn a_publisher_ends_cleanly_at_a_signal() {
    let all = [Signal::TERM, Signal::INT, Signal::HUP];
    // What these tests were started with ignored, as by `nohup`, a publisher that they start ignores, too.
    let is_ignored = |signal: &Signal| is_in_mask(std::process::id(), "SigIgn:", *signal);
    for signal in all.into_iter().filter(|signal| !is_ignored(signal)) {
        let place = Place::new();
        let (child, _stdin) = publisher(&place, &["--key-index"], &numbered(3), "a2");
        send(&child, signal);
        let run = finish(child);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
        let expected = json!({
            "published": 3, "next_offset": 3, "start_offset": 0, "duplicates": 0, "interrupted": true,
        });
        assert_eq!(run.json(), [expected]);
        assert_eq!(place.consume(&[]).json().len(), 3);
        assert_eq!(place.run("check", &[]).code, Some(0));
    }
}

/// Goal: a batch that a producer has numbered is published whole or not at all, so that it can be run again. Method: a
/// signal when the second batch of three has two messages.
#[test]
fn a_producer_leaves_a_batch_that_is_not_full() {
    let place = Place::new();
    let flags = ["--producer", "1:1", "--batch", "3"];
    let (child, _stdin) = publisher(&place, &flags, &numbered(5), "a2");
    send(&child, Signal::TERM);
    let run = finish(child);
    assert_eq!(
        (run.code, &run.json()[0]["published"]),
        (Some(0), &3.into()),
        "{run:?}"
    );
    let again = place.publish(&flags, numbered(5).as_bytes()).json();
    let expected = json!({"published": 2, "next_offset": 5, "start_offset": 0, "duplicates": 3});
    assert_eq!(again, [expected]);
}

/// Goal: a signal ends a follower with exit code 0, whether it waits for messages or for the reader of its output, and
/// what it has written are whole lines. Method: a pipe that nobody reads from, until the follower has ended.
#[test]
fn a_follower_ends_at_a_signal() {
    let place = Place::with(&numbered(20_000));
    for signal in [Signal::TERM, Signal::INT] {
        for from in ["newest", "oldest"] {
            let args = ["consume", place.dir(), "--follow", "--from", from];
            let mut child = command(&args).spawn().expect("the binary starts");
            wait_until_it_catches(child.id());
            thread::sleep(Duration::from_millis(200));
            let started = Instant::now();
            send(&child, signal);
            assert_eq!(child.wait().expect("a child").code(), Some(0), "{from}");
            assert!(started.elapsed() < Duration::from_secs(5));
            let mut text = String::new();
            let mut stdout = child.stdout.take().expect("piped");
            stdout.read_to_string(&mut text).expect("text");
            assert!(text.is_empty() == (from == "newest") && (text.is_empty() || text.ends_with('\n')));
            for line in text.lines() {
                serde_json::from_str::<serde_json::Value>(line).expect("a whole line");
            }
        }
    }
}

/// A process that was started by `nohup` outlives its terminal.
#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let place = Place::new();
    let mut child = Command::new("sh")
        .args([
            "-c",
            "trap '' HUP; exec \"$0\" publish \"$1\"",
            env!("CARGO_BIN_EXE_duramen"),
        ])
        .arg(place.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(numbered(1).as_bytes()).expect("it reads");
    wait_for("nothing is published", || holds(&place, "a0"));
    send(&child, Signal::HUP);
    thread::sleep(Duration::from_millis(50));
    stdin.write_all(numbered(1).as_bytes()).expect("it reads");
    drop(stdin);
    assert_eq!(finish(child).ok(), published(2, 2));
}

/// The child of `unshare`; `None` if it has ended without one.
fn child_of(unshare: &mut Child) -> Option<Pid> {
    let children = format!("/proc/{0}/task/{0}/children", unshare.id());
    loop {
        let found = fs::read_to_string(&children).unwrap_or_default();
        if let Some(inner) = found.trim().parse().ok().and_then(Pid::from_raw) {
            return Some(inner);
        }
        if unshare.try_wait().expect("a child").is_some() {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Goal: as process 1 of a container, which has no default action for signals, the tool ends as well. Method: a
/// follower and a publisher that wait in a process namespace of their own, which takes root.
#[test]
fn process_1_ends_at_a_signal() {
    let place = Place::with(&numbered(2));
    let unshare = ["--pid", "--fork", "--kill-child", env!("CARGO_BIN_EXE_duramen")];
    // The last one has nothing to finish, and ends as by the signal itself.
    let commands: [(&[&str], i32); 3] = [
        (&["consume", place.dir(), "--follow"], 0),
        (&["publish", place.dir()], 0),
        (&["delete", place.dir(), "-"], 128),
    ];
    for (args, code) in commands {
        for signal in [Signal::TERM, Signal::INT] {
            let mut child = Command::new("unshare")
                .args(unshare)
                .args(args)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("unshare");
            let stdin = child.stdin.take();
            let Some(inner) = child_of(&mut child) else {
                println!("NOT RUN: there is no process namespace to be had here");
                return;
            };
            wait_until_it_catches(inner.as_raw_pid().unsigned_abs());
            kill_process(inner, signal).expect("it runs");
            assert_eq!(
                child.wait().expect("a child").code(),
                Some(if code == 0 { 0 } else { code + signal.as_raw() }),
                "{args:?} {signal:?}"
            );
            drop(stdin);
        }
    }
}
