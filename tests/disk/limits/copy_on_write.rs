//! A disk that is full and copies on write: any write may be refused, also one over bytes that are there.

use std::fs;
use std::path::Path;

use duramen::{FileLog, Log, MappedFiles};

use super::full_disk::Hog;
use super::{Known, arrangements, is_refusal};
use crate::common;
use crate::copy_targets::not_run;
use crate::mount::Mount;

/// Goal: nobody is killed, what is refused is refused in clear words and is not there, nothing acknowledged is lost,
/// and the log goes on when there is space. Method: a small btrfs, filled up behind a log, several times.
#[test]
fn a_full_disk_that_copies_on_write_costs_nothing() {
    let Some(mount) = Mount::btrfs_of(128 << 20) else {
        return not_run("btrfs");
    };
    let seed = common::seed("a full btrfs");
    for (number, (options, value_len_max, batch_max)) in arrangements().enumerate() {
        let when = format!("{value_len_max} * {batch_max} bytes, {options:?}");
        let dir = mount.path().join("log");
        let mut known = Known::new(seed ^ number as u64, value_len_max, batch_max);
        let log = options.open(&dir).expect("a new log");
        assert_eq!(log.stat().expect("open").mapped_files, MappedFiles::Sealed);
        assert!(known.publish_up_to(&log, 5).is_none(), "{when}");
        fill_up(&mount.path(), &log, &mut known, &when);
        let refused = known.publish_up_to(&log, 10);
        assert!(
            refused.is_none(),
            "{when}: {refused:?} when there was space again"
        );
        known.check(&log, &when);
        log.close().unwrap_or_else(|error| panic!("{when}: {error:?}"));
        drop(log);
        let log = options
            .open(&dir)
            .unwrap_or_else(|error| panic!("{when}: {error:?}"));
        known.check(&log, &when);
        assert!(known.publish_up_to(&log, 3).is_none(), "{when}: after a reopen");
        log.close().expect("closed");
        fs::remove_dir_all(&dir).expect("a directory");
    }
}

/// Fills the disk up and publishes there, then gives the space back.
fn fill_up(disk: &Path, log: &FileLog, known: &mut Known, when: &str) {
    let hog = Hog::leaving(disk, 0);
    let refused = known.publish_up_to(log, 1 << 20).expect("a full disk");
    assert!(is_refusal(&refused), "{when}: {refused:?}");
    for _ in 0..20 {
        if let Err(again) = known.publish(log) {
            assert!(is_refusal(&again), "{when}: first {refused:?}, then {again:?}");
        }
    }
    known.check(log, when);
    drop(hog);
}
