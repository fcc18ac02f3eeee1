//! Who may open a log, and what a log is made of: locks between handles and processes, files that are not what they
//! seem, directories that may not be written to, forks.

mod exclusion;
mod fork;
mod plain_files;
mod reading;

use std::env;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use duramen::{Durability, Error, FileLog, Log, NewMessage, Options, Result, Start};

use crate::common::{self, child, files_of, role, write_files};

const MESSAGES: u64 = 60;

fn options() -> Options {
    Options::new()
        .create_dirs(true)
        .key_index(true)
        .time_index(true)
        .rollover(1 << 10)
        .background(false)
}

fn reader() -> Options {
    options().create_dirs(false).read_only(true)
}

fn value(offset: u64) -> Vec<u8> {
    format!("value number {offset} of some length").into_bytes()
}

fn publish(log: &FileLog, range: std::ops::Range<u64>) -> Result<()> {
    for offset in range {
        let key = [u8::try_from(offset % 7).expect("small")];
        assert_eq!(log.publish(&[NewMessage::new(&key, &value(offset))])?, offset + 1);
    }
    Ok(())
}

/// Reads everything, in all ways, and checks it.
fn read(log: &FileLog, count: u64) -> Result<()> {
    assert_eq!(log.next_offset()?, count);
    for offset in 0..count {
        assert_eq!(
            log.get(Start::At(offset))?.value.as_deref(),
            Some(&value(offset)[..])
        );
    }
    for key in 0..7 {
        assert_eq!(log.get_by_key(&[key])?.offset % 7, u64::from(key));
    }
    let mut scan = log.scan(Start::Oldest)?;
    while scan.next()?.is_some() {}
    assert_eq!(scan.next_offset(), count);
    log.stat()?;
    Ok(())
}

/// A log of several segments in `dir`, closed, or as a kill leaves it.
fn make(dir: &Path, closed: bool) {
    let home = common::fast_dir();
    let log = options()
        .durability(Durability::EachPublish)
        .open(home.path())
        .expect("a new log");
    publish(&log, 0..MESSAGES).expect("publishes");
    if closed {
        log.close().expect("a close");
    }
    write_files(dir, &files_of(home.path()));
}

fn is_locked<T>(answer: &Result<T>) -> bool {
    matches!(answer, Err(Error::Locked { .. }))
}

/// The module whose test `in_a_child` a child runs.
const CHILD: &str = module_path!();

/// What the children of these tests do.
#[test]
fn in_a_child() {
    let Some(role) = role() else { return };
    let dir = PathBuf::from(env::var_os("DURAMEN_DIR").expect("a directory"));
    match role.as_str() {
        "hold" | "hold for reading" => {
            let options = if role == "hold" { options() } else { reader() };
            let _log = options.open(&dir).expect("an open");
            println!("\nopen");
            io::stdin().read_line(&mut String::new()).expect("a line");
        }
        "find locked" => {
            assert!(is_locked(&options().open(&dir)), "opened for writing");
            reader().open(&dir).expect("a reader is never locked out");
        }
        "be a stranger" => reading::be_a_stranger(&dir),
        "fork" => fork::fork(&dir),
        "fork with readers" => fork::fork_with_readers(&dir),
        "fork with a producer" => fork::fork_with_a_producer(&dir),
        "fork with an import" => fork::fork_with_an_import(&dir),
        "fork and open" => fork::fork_and_open(&dir),
        "fork and die" => fork::fork_and_die(&dir),
        "fork with a store and die" => fork::fork_with_a_store_and_die(&dir),
        "fork at work" => fork::fork_at_work(&dir),
        other => panic!("{other}"),
    }
}

fn child_in(dir: &Path, role: &str) -> Command {
    let mut command = child(CHILD, role);
    command.env("DURAMEN_DIR", dir);
    command
}

/// A child that has the log open until it is killed.
fn holder(dir: &Path, role: &str) -> Child {
    let mut child = child_in(dir, role)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let said = child.stdout.as_mut().expect("a pipe");
    assert!(
        BufReader::new(said)
            .lines()
            .map_while(io::Result::ok)
            .any(|line| line == "open")
    );
    child
}
