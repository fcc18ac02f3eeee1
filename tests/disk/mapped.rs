//! Logs of which not all files are mapped: by themselves on btrfs and through FUSE, and elsewhere if that is asked for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use duramen::{Durability, FileLog, Log, LogExt, MappedFiles, NewMessage, Options, Start, Timestamp};

use crate::common::{files_of, write_files};
use crate::copy_targets::not_run;
use crate::mount::Mount;

fn options(durability: Durability) -> Options {
    let options = Options::new().create_dirs(true).key_index(true).time_index(true);
    options.durability(durability).rollover(16 << 10)
}

/// The mappings of files in `dir` that this process has, of which those for stores begin with `true`.
fn mappings(dir: &Path) -> Vec<(bool, String)> {
    let dir = dir.to_str().expect("a path of text");
    let maps = fs::read_to_string("/proc/self/maps").expect("mappings");
    let lines = maps.lines().filter(|line| line.contains(dir));
    lines
        .map(|line| (line.contains(" rw-s "), line.to_owned()))
        .collect()
}

/// Waits until a segment is sealed, if that is what is mapped.
fn assert_mapped(log: &FileLog, dir: &Path, wanted: MappedFiles) {
    let found = (0..2000).find_map(|_| {
        log.get(Start::Oldest).expect("read");
        let found = mappings(dir);
        let is_enough = wanted != MappedFiles::Sealed || !found.is_empty();
        thread::sleep(Duration::from_millis(if is_enough { 0 } else { 5 }));
        is_enough.then_some(found)
    });
    let found = found.expect("a segment is sealed");
    let is_stored_to = found.iter().any(|(is_stored_to, _)| *is_stored_to);
    let is_right = match wanted {
        MappedFiles::All => is_stored_to,
        MappedFiles::Sealed => !is_stored_to,
        _ => found.is_empty(),
    };
    assert!(is_right, "{wanted:?}: {found:?}");
}

fn publish(log: &FileLog, numbers: std::ops::Range<i64>) {
    for n in numbers {
        let key = n.to_string();
        let message = NewMessage::new(key.as_bytes(), &[7; 300]).time(Timestamp::from_micros(n));
        log.publish_one(message).expect("published");
    }
}

/// Offsets `from..to` are there but for `gone`, and found by key and time.
fn assert_there(log: &FileLog, offsets: std::ops::Range<u64>, gone: &BTreeSet<u64>) {
    let wanted: Vec<u64> = offsets.clone().filter(|offset| !gone.contains(offset)).collect();
    let found: Vec<u64> = log
        .iter(Start::Oldest)
        .map(|message| message.expect("read").offset)
        .collect();
    assert_eq!(found, wanted);
    for offset in wanted.iter().step_by(37) {
        let by_key = log.get_by_key(offset.to_string().as_bytes()).expect("found");
        assert_eq!(by_key.offset, *offset);
        let time = Timestamp::from_micros(i64::try_from(*offset).expect("small"));
        assert_eq!(log.get_by_time(time).expect("found").offset, *offset);
    }
}

/// A life of a log: appended to, read beside, removed from, closed and gone on with, killed.
fn live(dir: &Path, options: &Options, wanted: MappedFiles) {
    let log = options.open(dir).expect("a log");
    assert_eq!(log.stat().expect("open").mapped_files, wanted);
    publish(&log, 0..300);
    let none = BTreeSet::new();
    assert_there(&log, 0..300, &none);
    assert_mapped(&log, dir, wanted);
    let reader = options.clone().create_dirs(false).read_only(true);
    let beside = reader.open(dir).expect("opened beside");
    assert_there(&beside, 0..300, &none);
    publish(&log, 300..350);
    assert_there(&beside, 0..350, &none);

    let gone: BTreeSet<u64> = (100..200).step_by(3).chain([349]).collect();
    assert_eq!(log.delete(&gone).expect("deleted").messages, gone.len() as u64);
    log.trim(40).expect("trimmed");
    assert_there(&log, 40..350, &gone);
    assert_there(&beside, 40..350, &gone);
    log.sync().expect("synced");
    log.close().expect("closed");

    // What a kill leaves: the files as they are. Nothing happens in the background meanwhile.
    let log = options.clone().background(false).open(dir).expect("opened again");
    publish(&log, 350..400);
    let files = files_of(dir);
    drop((log, beside));
    let killed = dir.with_extension("killed");
    fs::create_dir(&killed).expect("a folder");
    write_files(&killed, &files);
    let log = options.open(&killed).expect("recovered");
    publish(&log, 400..410);
    assert_there(&log, 40..410, &gone);
    assert_mapped(&log, &killed, wanted);
    log.close().expect("closed");
    let found = duramen::check(&killed, options).expect("checked");
    assert!(found.is_clean() && found.was_closed, "{found:?}");
}

fn live_in(home: &Path, at_most: MappedFiles, wanted: MappedFiles) {
    for (name, durability) in [("os", Durability::Os), ("each", Durability::EachPublish)] {
        let dir: PathBuf = home.join(format!("{name}-{at_most:?}"));
        live(&dir, &options(durability).mapped_files(at_most), wanted);
    }
}

#[test]
fn no_more_files_are_mapped_than_asked_for() {
    let home = tempfile::tempdir().expect("a folder");
    let probe = options(Durability::Os).open(home.path().join("probe"));
    let safe_here = probe.expect("a log").stat().expect("open").mapped_files;
    for at_most in [MappedFiles::All, MappedFiles::Sealed, MappedFiles::Nothing] {
        live_in(home.path(), at_most, at_most.max(safe_here));
    }
}

#[test]
fn nothing_is_stored_through_mappings_on_a_file_system_that_copies_on_write() {
    let Some(mount) = Mount::btrfs() else {
        return not_run("btrfs");
    };
    live_in(&mount.path(), MappedFiles::All, MappedFiles::Sealed);
    live_in(&mount.path(), MappedFiles::Nothing, MappedFiles::Nothing);
}

#[test]
fn nothing_is_mapped_through_fuse() {
    for mount in [Mount::fuse(), Mount::fuse_direct()] {
        let Some(mount) = mount else {
            return not_run("FUSE");
        };
        live_in(&mount.path(), MappedFiles::All, MappedFiles::Nothing);
        live_in(&mount.path(), MappedFiles::Sealed, MappedFiles::Nothing);
    }
}
