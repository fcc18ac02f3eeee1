//! `backup --keep`: several generations of backups in one directory.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Place, Run, numbered, run};

fn target(place: &Place) -> PathBuf {
    place.parent().join("backups")
}

fn backup(place: &Place, keep: &str) -> Run {
    let target = target(place);
    run(&[
        "backup",
        place.dir(),
        target.to_str().expect("text"),
        "--keep",
        keep,
    ])
}

/// The summary of a backup that went well.
fn taken(place: &Place, keep: &str) -> Value {
    let run = backup(place, keep);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    run.json().remove(0)
}

/// The directories of the generations, oldest first.
fn generations(place: &Place) -> Vec<PathBuf> {
    let entries = fs::read_dir(target(place)).expect("a directory");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| {
            path.file_name()
                .expect("a name")
                .to_str()
                .expect("text")
                .starts_with("00")
        })
        .collect();
    paths.sort();
    paths
}

/// How many messages a generation holds, which is in order.
fn count(generation: &Path) -> usize {
    let dir = generation.to_str().expect("text");
    assert_eq!(run(&["check", dir]).code, Some(0));
    run(&["consume", dir]).ok().lines().count()
}

fn counts(place: &Place) -> Vec<usize> {
    generations(place).iter().map(|path| count(path)).collect()
}

/// Goal: so many generations are kept, each as the log was then, and unchanged segments are not copied again once one
/// was removed.
#[test]
fn the_newest_generations_are_kept() {
    let place = Place::new();
    let flags = ["--key-index", "--rollover", "1024", "--batch", "5"];
    for round in 1..=6 {
        place.publish(&flags, numbered(50).as_bytes()).ok();
        let summary = taken(&place, "3");
        assert_eq!(summary["generations"], round.min(3), "{summary}");
        assert_eq!(summary["generations_removed"], u64::from(round > 3), "{summary}");
        assert_eq!(summary["next_offset"], 50 * round);
        let newest = generations(&place).pop().expect("a generation");
        assert!(newest.ends_with(summary["generation"].as_str().expect("a name")));
        let (all, copied) = (summary["segments"].as_u64(), summary["segments_copied"].as_u64());
        // From the fifth on, there is a removed one to begin with.
        assert_eq!(copied < all, round > 4, "{summary}");
    }
    assert_eq!(counts(&place), [200, 250, 300]);
    let summary = taken(&place, "2");
    assert_eq!(summary["generations_removed"], 2);
    assert_eq!(counts(&place), [300, 300]);
    let names: Vec<_> = fs::read_dir(target(&place)).expect("a directory").collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(place.parent().join("backups/.next").exists());
}

/// Goal: nothing is removed unless the new generation is complete, and what an interrupted run has left is no matter.
#[test]
fn a_backup_that_fails_removes_nothing() {
    let place = Place::with(&numbered(100));
    taken(&place, "1");
    let (damaged, _) = place.damage(55);
    assert!(backup(&place, "1").failed(3).contains("corrupt"));
    assert_eq!(counts(&place), [100]);
    // What is damaged is another log, but for its messages.
    fs::remove_file(damaged).expect("a segment");
    fs::remove_dir_all(place.dir()).expect("a log");
    let copy = generations(&place).remove(0);
    run(&["restore", copy.to_str().expect("text"), place.dir()]).ok();
    // As a run that was killed leaves it.
    let left = target(&place).join(".removed");
    fs::create_dir(&left).expect("a directory");
    fs::write(left.join("00000000000000000000.log"), b"half").expect("a file");
    taken(&place, "1");
    assert_eq!(counts(&place), [100]);
    assert!(!left.exists());
}

/// Goal: a log that went another way than its backups, or another log, is backed up all the same, and the generations
/// of the first stay. Method: the log is restored to an earlier point when there is a removed generation already.
#[test]
fn a_log_that_went_another_way_is_copied_anew() {
    let place = Place::with(&numbered(10));
    for _ in 0..3 {
        taken(&place, "2");
        place.publish(&[], numbered(10).as_bytes()).ok();
    }
    let copy = generations(&place).pop().expect("a generation");
    fs::remove_dir_all(place.dir()).expect("a log");
    run(&[
        "restore",
        copy.to_str().expect("text"),
        place.dir(),
        "--until",
        "5",
    ])
    .ok();
    place.publish(&[], numbered(1).as_bytes()).ok();
    taken(&place, "2");
    assert_eq!(counts(&place), [30, 6]);
    fs::remove_dir_all(place.dir()).expect("a log");
    place.publish(&[], numbered(2).as_bytes()).ok();
    taken(&place, "2");
    assert_eq!(counts(&place), [6, 2]);
}

#[test]
fn other_files_are_left_alone_and_other_directories_refused() {
    let place = Place::with(&numbered(3));
    let target = target(&place);
    fs::create_dir(&target).expect("a directory");
    for name in ["000000", "notes", "000001-x"] {
        fs::create_dir(target.join(name)).expect("a directory");
    }
    taken(&place, "1");
    taken(&place, "1");
    for name in ["000000", "notes", "000001-x"] {
        assert!(target.join(name).exists());
    }
    let dir = target.to_str().expect("text");
    // Without --keep it would be a log among others.
    assert!(run(&["backup", place.dir(), dir]).failed(2).contains("--keep"));
    assert!(
        run(&["backup", place.dir(), place.dir(), "--keep", "2"])
            .failed(2)
            .contains("is a log")
    );
    backup(&place, "0").failed(2);
    run(&["backup", "/nowhere", dir, "--keep", "2"]).failed(1);
}

/// Somebody else who takes a backup to the same directory is not waited for without an end.
#[test]
fn one_backup_at_a_time_goes_to_a_directory() {
    let place = Place::with(&numbered(3));
    taken(&place, "1");
    let held = fs::File::open(target(&place)).expect("a directory");
    held.lock().expect("a lock");
    assert!(backup(&place, "1").failed(1).contains("cannot lock"));
    drop(held);
    taken(&place, "1");
}
