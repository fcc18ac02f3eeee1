//! Logs of klevdb, imported and exported.

mod damage;
mod export;
mod import;
mod kill;
mod layout;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Run, run};
use layout::Record;

/// A directory for those of a test, in memory where there is such a place.
struct Scratch(TempDir);

impl Scratch {
    fn new() -> Scratch {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() {
            TempDir::new_in(memory)
        } else {
            TempDir::new()
        };
        Scratch(dir.expect("a temporary directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn import(from: &Path, to: &Path, flags: &[&str]) -> Run {
    run(&[&["import", text(from), text(to)], flags].concat())
}

fn export(from: &Path, to: &Path, flags: &[&str]) -> Run {
    run(&[&["export", text(from), text(to)], flags].concat())
}

/// The summary of a run that went well.
fn summary(run: &Run) -> Value {
    assert_eq!(run.code, Some(0), "{run:?}");
    run.json().remove(0)
}

/// The messages of a log, as klevdb has them.
fn messages(dir: &Path) -> Vec<Record> {
    let lines = run(&["consume", text(dir)]);
    let part = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().into();
    let message = |line: &Value| Record {
        offset: line["offset"].as_i64().expect("an offset"),
        time: line["time_us"].as_i64().expect("a time"),
        key: part(line, "key"),
        value: part(line, "value"),
    };
    assert_eq!(lines.code, Some(0), "{lines:?}");
    lines.json().iter().map(message).collect()
}

fn is_in_order(dir: &Path) {
    let checked = run(&["check", text(dir)]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

/// The names and the bytes of a directory's files, without the lock.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(&path).expect("readable"))
        })
        .filter(|(name, _)| name != ".lock")
        .collect();
    files.sort();
    files
}

/// Messages with gaps between their offsets, for several small segments.
fn example() -> Vec<Record> {
    vec![
        Record::new(7, 1_000, "a", "first"),
        Record::new(8, 900, "", "without a key"),
        Record::new(9, 2_000, "b", ""),
        Record::new(15, 2_000, "a", "behind a gap"),
        Record::new(16, -5, "c", "before 1970"),
        Record::new(1 << 40, 3_000, "", ""),
    ]
}
