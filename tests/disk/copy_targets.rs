//! Copies of a log on file systems where nothing is stored through a mapping, recovered there and gone on with.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use duramen::{Log, LogExt, NewMessage, Options, RecoverOptions, RecoverReport, Start};

use super::mount::Mount;
use crate::common::segment_paths;

fn options() -> Options {
    Options::new().create_dirs(true).key_index(true).rollover(4 << 10)
}

/// Backs a log up to `there`, twice, and restores it from there, to there and back.
fn back_up_and_restore(there: &Path) {
    let home = tempfile::tempdir().expect("a folder");
    let log = options().open(home.path().join("log")).expect("a log");
    let publish = |range: std::ops::Range<u64>| {
        for n in range {
            let (key, value) = (n.to_string(), vec![7; 100]);
            log.publish(&[NewMessage::new(key.as_bytes(), &value)])
                .expect("published");
        }
    };
    let (copy, restored) = (there.join("copy"), there.join("restored"));
    publish(0..200);
    log.backup(&copy).expect("backed up");
    publish(200..300);
    assert_eq!(log.backup(&copy).expect("backed up again").next_offset, 300);

    let report = duramen::check(&copy, &options()).expect("checked");
    assert!(report.is_clean(), "{:?}", report.problems);
    assert_eq!(duramen::stat(&copy, &options()).expect("looked at").messages, 300);
    let reader = options().create_dirs(false).read_only(true);
    let read = reader.open(&copy).expect("opened for reading");
    assert_eq!(read.iter(Start::Oldest).flatten().count(), 300);
    assert_eq!(read.get_by_key(b"250").expect("found").offset, 250);
    read.close().expect("closed");

    assert_eq!(
        duramen::restore(&copy, &restored, Start::At(150)).expect("restored"),
        150
    );
    let back = home.path().join("back");
    assert_eq!(
        duramen::restore(&restored, &back, Start::Newest).expect("restored"),
        150
    );
    assert_eq!(
        options().open(&back).expect("a log").next_offset().expect("open"),
        150
    );

    let log = options().open(&copy).expect("opened for writing");
    let offset = log
        .publish_one(NewMessage::value(b"more"))
        .expect("published there");
    assert_eq!(
        (offset, log.get_by_key(b"250").expect("found").offset),
        (300, 250)
    );
    log.close().expect("closed");
}

/// Recovers the log in `dir`; fails if anything there is mapped for stores meanwhile.
fn recover_without_stores(dir: &Path, salvage: bool) -> RecoverReport {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let (mut looks, mut found) = (0, None);
            loop {
                let maps = fs::read_to_string("/proc/self/maps").expect("mappings");
                let is_stored_to = |line: &&str| {
                    line.contains(" rw-s ") && line.contains(dir.to_str().expect("a path of text"))
                };
                found = found.or_else(|| maps.lines().find(is_stored_to).map(str::to_owned));
                looks += 1;
                if is_over.load(Ordering::Relaxed) {
                    return (looks, found);
                }
            }
        });
        let how = RecoverOptions::new().salvage(salvage);
        let report = duramen::recover_with(dir, &options(), &how);
        is_over.store(true, Ordering::Relaxed);
        let (looks, found) = watching.join().expect("watched");
        assert!(found.is_none(), "{found:?} in {looks} looks");
        report.expect("recovered")
    })
}

/// Damages a backup that lies `there`, and recovers it there.
fn recover_a_backup(there: &Path, salvage: bool) {
    let home = tempfile::tempdir().expect("a folder");
    let log = options().open(home.path().join("log")).expect("a log");
    for n in 0..300 {
        log.publish_one(NewMessage::new(n.to_string().as_bytes(), &[7; 100]))
            .expect("published");
    }
    let copy = there.join(if salvage { "salvaged" } else { "cut" });
    log.backup(&copy).expect("backed up");
    let damaged = segment_paths(&copy)[3].clone();
    let mut bytes = fs::read(&damaged).expect("read");
    bytes[2000] ^= 1;
    fs::write(&damaged, bytes).expect("written");
    assert!(!duramen::check(&copy, &options()).expect("checked").is_clean());

    let report = recover_without_stores(&copy, salvage);
    assert!(report.changed && !report.quarantined.is_empty(), "{report:?}");
    let is_kept = if salvage { 299..=299 } else { 50..=298 };
    assert!(is_kept.contains(&report.messages), "{report:?}");
    assert!(report.quarantined.iter().all(|path| path.exists()), "{report:?}");
    let found = duramen::check(&copy, &options()).expect("checked");
    assert!(found.is_clean() && found.was_closed, "{found:?}");
    let reader = options().create_dirs(false).read_only(true);
    let read = reader.open(&copy).expect("opened for reading");
    assert_eq!(read.iter(Start::Oldest).flatten().count() as u64, report.messages);
    read.close().expect("closed");
    let again = recover_without_stores(&copy, false);
    assert!(!again.changed, "{again:?}");
    let back = home.path().join("back");
    duramen::restore(&copy, &back, Start::Newest).expect("restored");
    let back = options().open(&back).expect("a log");
    assert_eq!(back.iter(Start::Oldest).flatten().count() as u64, report.messages);
}

/// Recovers `there` the copy of a log whose process was killed: nobody knows where it ends.
fn recover_a_killed_log(there: &Path) {
    let home = tempfile::tempdir().expect("a folder");
    let own = home.path().join("log");
    let options = options().rollover(64 << 20);
    let log = options.open(&own).expect("a log");
    for n in 0_u64..20_000 {
        log.publish_one(NewMessage::new(&n.to_le_bytes(), &[7; 200]))
            .expect("published");
    }
    let copy = there.join("killed");
    fs::create_dir(&copy).expect("a folder");
    for entry in fs::read_dir(&own).expect("a folder") {
        let path = entry.expect("a name").path();
        let name = path.file_name().expect("a name");
        if name != "LOCK" {
            fs::copy(&path, copy.join(name)).expect("copied");
        }
    }
    let report = recover_without_stores(&copy, false);
    assert_eq!((report.messages, report.next_offset), (20_000, 20_000));
    let found = duramen::check(&copy, &options).expect("checked");
    assert!(found.is_clean() && found.was_closed, "{found:?}");
}

/// Says what this machine cannot do.
pub(crate) fn not_run(what: &str) {
    println!("NOT RUN: {what} cannot be made and mounted here (needs root and mkfs.btrfs, or bindfs)");
}

fn recover_there(there: &Path) {
    recover_a_backup(there, false);
    recover_a_backup(there, true);
    recover_a_killed_log(there);
}

#[test]
fn a_copy_is_recovered_on_a_file_system_that_copies_on_write() {
    match Mount::btrfs() {
        Some(mount) => recover_there(&mount.path()),
        None => not_run("btrfs"),
    }
}

#[test]
fn a_copy_is_recovered_on_fuse() {
    match Mount::fuse() {
        Some(mount) => recover_there(&mount.path()),
        None => not_run("FUSE"),
    }
}

#[test]
fn a_backup_may_be_on_a_file_system_that_copies_on_write() {
    match Mount::btrfs() {
        Some(mount) => back_up_and_restore(&mount.path()),
        None => not_run("btrfs"),
    }
}

#[test]
fn a_backup_may_be_on_fuse() {
    match Mount::fuse() {
        Some(mount) => back_up_and_restore(&mount.path()),
        None => not_run("FUSE"),
    }
}
