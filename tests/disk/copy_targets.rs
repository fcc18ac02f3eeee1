//! Copies of a log on file systems on which the log itself could not be kept.

use std::path::Path;

use duramen::{Error, Log, LogExt, NewMessage, Options, Start};

use super::mount::Mount;

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

    let refused = options().open(there.join("log"));
    assert!(
        matches!(refused, Err(Error::Unsupported { .. })),
        "publishing there is refused"
    );
    assert!(!there.join("log").exists(), "a refusal leaves no trace");
}

#[test]
fn a_backup_may_be_on_a_file_system_that_copies_on_write() {
    match Mount::btrfs() {
        Some(mount) => back_up_and_restore(&mount.path()),
        None => {
            println!("NOT RUN: btrfs cannot be made and mounted here (needs root, mkfs.btrfs, loop devices)");
        }
    }
}

#[test]
fn a_backup_may_be_on_fuse() {
    match Mount::fuse() {
        Some(mount) => back_up_and_restore(&mount.path()),
        None => println!("NOT RUN: FUSE cannot be mounted here (needs bindfs)"),
    }
}
