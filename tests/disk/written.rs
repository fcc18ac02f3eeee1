//! How many bytes a disk writes for those that are published.
//!
//! A disk that writes more than it must wears out and is slow: a store through a mapping makes the system write all of
//! the piece of its cache that the byte is in, of up to 2 MiB. The device counts what it has written. It is a file of
//! this test's own, so nothing else is counted.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, thread};

use duramen::{Durability, FileLog, Log, NewMessage, Options, PublishOptions};
use rustix::fs::{Advice, fadvise};

use super::mount::Mount;
use crate::common::{self, child, role};

const PUBLISHES: u64 = 300;
/// A record lies in one block of 4 KiB, or seldom in two.
const LONE_MAX: u64 = 9_000;

fn options(durability: Durability) -> Options {
    Options::new()
        .create_dirs(true)
        .key_index(true)
        .time_index(true)
        .durability(durability)
}

/// The file systems on which logs are kept that can be had here.
fn file_systems() -> Vec<(&'static str, Mount)> {
    let made = [("ext4", Mount::ext4()), ("XFS", Mount::xfs())];
    let mut all = Vec::new();
    for (name, mount) in made {
        match mount {
            Some(mount) => all.push((name, mount)),
            None => println!("NOT RUN: no {name} can be made and mounted here"),
        }
    }
    all
}

/// Publishes a record of 174 bytes so many times.
fn publish(log: &FileLog, count: u64, how: &PublishOptions<'_>) {
    for n in 0..count {
        let key = format!("{n:010}");
        let message = NewMessage::new(key.as_bytes(), &[7; 140]);
        log.publish_with(&[message], how).expect("published");
    }
}

/// The bytes that the device writes for each of many publishes.
fn bytes_each(mount: &Mount, log: &FileLog, how: &PublishOptions<'_>) -> u64 {
    publish(log, 20, how);
    let before = mount.bytes_written();
    publish(log, PUBLISHES, how);
    (mount.bytes_written() - before) / PUBLISHES
}

/// Has the system read files anew, in order, so that it keeps them in large pieces.
fn read_anew(dir: &Path) {
    for path in common::segment_paths(dir) {
        let mut file = File::open(path).expect("a file");
        file.sync_all().expect("synced");
        fadvise(&file, 0, None, Advice::DontNeed).expect("advised");
        fadvise(&file, 0, None, Advice::Sequential).expect("advised");
        file.read_to_end(&mut Vec::new()).expect("read");
    }
}

/// Publishes until it is killed; its parent does that once it has read a line.
#[test]
fn in_a_child() {
    let Some(role) = role() else { return };
    let dir = PathBuf::from(env::var_os("DURAMEN_DIR").expect("a directory"));
    let durability = if role == "os" {
        Durability::Os
    } else {
        Durability::EachPublish
    };
    let log = options(durability).open(dir).expect("a log");
    publish(&log, 100, &PublishOptions::new().sync(true));
    println!("\npublished");
    thread::sleep(Duration::from_secs(60));
}

fn kill_a_publisher(dir: &Path, role: &str) {
    let mut command = child(module_path!(), role);
    command
        .env("DURAMEN_DIR", dir)
        .stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("a child");
    let mut lines = std::io::BufReader::new(child.stdout.take().expect("its output"));
    let mut line = String::new();
    while line != "published\n" {
        line.clear();
        let len = std::io::BufRead::read_line(&mut lines, &mut line).expect("a line");
        assert!(len > 0, "the child has ended");
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
}

/// Goal: a lone durable publish makes the disk write its block and no more. Method: the device counts; in a new log, in
/// one that was closed and opened again, whose file the system has in large pieces, and after a kill.
#[test]
fn a_lone_durable_publish_writes_its_block() {
    let modes = [
        ("each", Durability::EachPublish, PublishOptions::new()),
        ("os", Durability::Os, PublishOptions::new().sync(true)),
        (
            "os",
            Durability::Interval(Duration::from_secs(60)),
            PublishOptions::new().sync(true),
        ),
    ];
    for (name, mount) in file_systems() {
        for (number, (role, durability, how)) in modes.iter().enumerate() {
            let dir = mount.path().join(format!("log-{number}"));
            let open = || options(*durability).open(&dir).expect("a log");
            let check = |when: &str, log: &FileLog| {
                let each = bytes_each(&mount, log, how);
                println!("{name}, {durability:?}, {when}: {each} bytes a publish");
                assert!(
                    each <= LONE_MAX,
                    "{name}, {durability:?}, {when}: {each} bytes a publish"
                );
            };
            let log = open();
            check("in a new log", &log);
            log.close().expect("closed");
            check("in a log that was closed", &open());
            read_anew(&dir);
            check("after its file was read", &open());
            kill_a_publisher(&dir, role);
            check("after a kill", &open());
        }
    }
}

/// Goal: what a paced log publishes now and then makes each sync write its block and no more. Method: as above; a sync
/// comes behind each message, more or less.
#[test]
fn a_paced_log_writes_blocks() {
    for (name, mount) in file_systems() {
        let log = options(Durability::Interval(Duration::from_millis(10)))
            .open(mount.path().join("log"))
            .expect("a log");
        publish(&log, 1, &PublishOptions::new());
        log.sync().expect("synced");
        let before = mount.bytes_written();
        for _ in 0..50 {
            publish(&log, 1, &PublishOptions::new());
            thread::sleep(Duration::from_millis(20));
        }
        log.sync().expect("synced");
        let each = (mount.bytes_written() - before) / 50;
        println!("{name}: {each} bytes a message");
        assert!(each <= LONE_MAX, "{name}: {each} bytes a message");
    }
}

/// Goal: batches are written once. Method: as above, with all that closing writes, where no sync or one now and then is
/// asked for.
#[test]
fn batches_are_written_once() {
    const BATCHES: u64 = 2_000;
    let value = [7; 128];
    for (name, mount) in file_systems() {
        for (number, durability) in [Durability::Os, Durability::Interval(Duration::from_millis(50))]
            .into_iter()
            .enumerate()
        {
            let dir = mount.path().join(format!("log-{number}"));
            let before = mount.bytes_written();
            let log = options(durability).open(&dir).expect("a log");
            let messages = [NewMessage::new(b"0123456789", &value); 64];
            for _ in 0..BATCHES {
                log.publish(&messages).expect("published");
            }
            log.close().expect("closed");
            let written = mount.bytes_written() - before;
            let published = BATCHES * 64 * (20 + 10 + 128);
            #[expect(clippy::cast_precision_loss, reason = "a ratio")]
            let ratio = written as f64 / published as f64;
            println!("{name}, {durability:?}: {ratio:.2} bytes a byte");
            assert!(ratio <= 1.3, "{name}, {durability:?}: {ratio:.2} bytes a byte");
            for path in common::segment_paths(&dir) {
                std::fs::remove_file(path).expect("removed");
            }
        }
    }
}
