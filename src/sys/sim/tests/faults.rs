//! Calls that fail, disks that are full and file systems that lie.

use std::collections::BTreeSet;

use super::{disk_with, folder, found, path, some};
use crate::sys::sim::{Call, Errno, Fault, Lie};
use crate::sys::{Open, Storage};
use crate::{Error, ErrorKind};

#[test]
fn a_failed_sync_is_reported_once_and_its_bytes_are_forsaken() {
    let (disk, file) = disk_with("a", b"..");
    file.write_at(0, b"1").unwrap();
    disk.inject(Fault {
        errno: Errno::Eio,
        call: Some(Call::Sync),
        index: 0,
        from_then_on: false,
    });
    assert_eq!(file.sync().unwrap_err().kind(), ErrorKind::Unknown);
    file.sync().unwrap();
    assert_eq!(disk.read_file(&path("a")), some(b"1."), "still seen");
    file.write_at(1, b"2").unwrap();
    file.sync().unwrap();
    assert_eq!(found(&disk, "a"), BTreeSet::from([some(b".2"), some(b"12")]));
    assert_eq!(disk.power_cut().read_file(&path("a")), some(b".2"));
    file.write_at(0, b"3").unwrap();
    file.sync().unwrap();
    assert_eq!(
        found(&disk, "a"),
        BTreeSet::from([some(b"32")]),
        "stored again and synced"
    );
}

#[test]
fn what_a_failed_sync_forsook_may_vanish_before_a_crash() {
    let (disk, file) = disk_with("a", b"..");
    file.write_at(0, b"1").unwrap();
    disk.inject(Fault {
        errno: Errno::Enospc,
        call: Some(Call::Sync),
        index: 0,
        from_then_on: false,
    });
    file.sync().unwrap_err();
    file.write_at(1, b"2").unwrap();
    disk.evict();
    assert_eq!(disk.read_file(&path("a")), some(b".2"));
}

#[test]
fn lies_lose_what_they_say_was_kept() {
    for (lie, lost) in [
        (Lie::Sync, &b"old"[..]),
        (Lie::SyncLength, b"new"),
        (Lie::SyncLast, b"new\0\0\0"),
    ] {
        let (disk, file) = disk_with("a", b"old");
        disk.lie(lie, "/a");
        file.write_at(0, b"new").unwrap();
        file.write_at(3, b"er!").unwrap();
        file.sync().unwrap();
        let found = found(&disk, "a");
        assert!(
            found.contains(&some(lost)) && found.contains(&some(b"newer!")),
            "{lie:?}: {found:?}"
        );
    }
}

#[test]
fn calls_fail_as_told() {
    let (disk, file) = disk_with("a", b"x");
    disk.inject(Fault {
        errno: Errno::Enospc,
        call: Some(Call::Write),
        index: 1,
        from_then_on: false,
    });
    file.write_at(0, b"1").unwrap();
    let error = file.write_at(0, b"2").unwrap_err();
    assert!(matches!(&error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull));
    file.write_at(0, b"3").unwrap();
    assert_eq!(disk.faults_hit(), 1);

    let dir = folder(&disk);
    disk.inject(Fault {
        errno: Errno::Emfile,
        call: None,
        index: 0,
        from_then_on: true,
    });
    file.write_at(0, b"4").unwrap();
    assert!(dir.open("a", Open::Read).is_err() && dir.list().is_err());
    assert!(disk.open_dir(super::dir()).is_err());
    disk.heal();
    dir.open("a", Open::Read).unwrap();
}

#[test]
fn signals_and_short_calls_only_take_longer() {
    let (disk, file) = disk_with("a", b"");
    for errno in [Errno::Eintr, Errno::Short] {
        disk.inject(Fault {
            errno,
            call: None,
            index: 0,
            from_then_on: true,
        });
        let text = b"a longer text than a byte";
        file.write_at(0, text).unwrap();
        file.sync().unwrap();
        let mut buffer = [0; 25];
        assert_eq!(file.read_at(0, &mut buffer).unwrap(), 25);
        assert_eq!(&buffer, text);
        disk.heal();
    }
    assert!(disk.faults_hit() > 5);
}

#[test]
fn a_full_disk_takes_no_more() {
    let (disk, file) = disk_with("a", &[1; 4096]);
    disk.set_space(Some(3 * 4096));
    file.reserve(4096, 8192).unwrap();
    let error = file.reserve(8192, 20_000).unwrap_err();
    assert!(matches!(&error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull));
    assert_eq!(disk.used_space(), 2 * 4096, "what it got is given back");
    file.reserve(8192, 3 * 4096).unwrap();
    let map = file.map_to_append(8192).unwrap();
    assert!(map.store(5000, b"space that was reserved is there"));
    assert!(folder(&disk).open("b", Open::Create).is_err());
    assert_eq!(disk.stores_into_holes(), 0);
    folder(&disk).remove("a").unwrap();
    folder(&disk).open("b", Open::Create).unwrap();
}

#[test]
#[should_panic(expected = "SIGBUS")]
fn a_store_into_a_hole_of_a_full_disk_kills() {
    let (disk, file) = disk_with("a", &[1; 4096]);
    file.set_len(8192).unwrap();
    disk.set_space(Some(4096));
    let _ = file.map_reserved(8192).unwrap().store(5000, b"x");
}

#[test]
fn a_file_that_failed_for_good_keeps_nothing_more() {
    let (disk, file) = disk_with("a", b"..");
    disk.lie(Lie::AfterFailure, "/a");
    file.write_at(0, b"1").unwrap();
    file.sync().unwrap();
    disk.inject(Fault {
        errno: Errno::Eio,
        call: Some(Call::Sync),
        index: 0,
        from_then_on: false,
    });
    file.sync().unwrap_err();
    file.write_at(1, b"2").unwrap();
    file.sync().unwrap();
    assert_eq!(found(&disk, "a"), BTreeSet::from([some(b"1."), some(b"12")]));
    let other = folder(&disk).open("b", Open::Create).unwrap();
    other.write_at(0, b"x").unwrap();
    other.sync().unwrap();
    folder(&disk).sync().unwrap();
    assert_eq!(found(&disk, "b"), BTreeSet::from([some(b"x")]));
}
