//! What a power cut or a kill leaves of a disk.

use std::collections::BTreeSet;
use std::path::Path;

use super::{PLAN, create, disk, disk_with, folder, found, path, some};
use crate::Error;
use crate::sys::sim::{Lie, SimDisk};
use crate::sys::{Open, find_dir};

#[test]
fn what_was_synced_is_there_and_nothing_else_for_certain() {
    let (disk, file) = disk_with("a", b"old");
    assert_eq!(found(&disk, "a"), BTreeSet::from([some(b"old")]));
    file.write_at(0, b"new").unwrap();
    let found = found(&disk, "a");
    assert!(found.contains(&some(b"old")) && found.contains(&some(b"new")));
    assert!(
        found.contains(&some(b"nld")) && found.contains(&some(b"oew")),
        "torn between bytes: {found:?}"
    );
    assert_eq!(disk.power_cut().read_file(&path("a")), some(b"old"));
    file.sync().unwrap();
    assert_eq!(self::found(&disk, "a"), BTreeSet::from([some(b"new")]));
}

#[test]
fn the_length_and_the_bytes_are_kept_or_lost_apart() {
    let (disk, file) = disk_with("a", b"");
    file.write_at(0, b"xy").unwrap();
    file.write_at(2, b"z").unwrap();
    let found = found(&disk, "a");
    for one in [&b""[..], b"xy", b"xyz", b"\0\0", b"\0\0\0", b"xy\0", b"\0\0z"] {
        assert!(found.contains(&some(one)), "{one:?} in {found:?}");
    }
    assert!(
        found
            .iter()
            .flatten()
            .any(|bytes| bytes.len() == 3 && bytes[0] > b'z'),
        "trash"
    );
}

#[test]
fn a_cut_is_lost_as_a_whole_or_not_at_all() {
    let (disk, file) = disk_with("a", b"long text");
    file.set_len(4).unwrap();
    assert_eq!(
        found(&disk, "a"),
        BTreeSet::from([some(b"long text"), some(b"long")])
    );
    file.set_len(6).unwrap();
    let found = found(&disk, "a");
    assert!(found.contains(&some(b"long\0\0")), "{found:?}");
    file.sync().unwrap();
    assert_eq!(self::found(&disk, "a"), BTreeSet::from([some(b"long\0\0")]));
}

#[test]
fn stores_are_torn_between_pages_sectors_words_and_bytes() {
    let (disk, file) = disk_with("a", &[b'.'; 3 * 4096]);
    let map = file.map_to_append(3 * 4096).unwrap();
    assert!(map.store(0, &[b'#'; 3 * 4096]));
    let torn_at: BTreeSet<usize> = found(&disk, "a")
        .into_iter()
        .flatten()
        .flat_map(|bytes| {
            let changes = |at: &usize| bytes[*at] != bytes[*at - 1];
            (1..bytes.len()).filter(changes).collect::<Vec<_>>()
        })
        .collect();
    assert!([4096, 8192].iter().all(|at| torn_at.contains(at)), "pages");
    assert!((1..24).all(|sector| torn_at.contains(&(sector * 512))), "sectors");
    assert!(
        (8192 / 8..12288 / 8)
            .filter(|word| torn_at.contains(&(word * 8)))
            .count()
            > 400,
        "words"
    );
    assert!(
        (1..=24).all(|byte| torn_at.contains(&byte) && torn_at.contains(&(12288 - byte))),
        "bytes"
    );
}

#[test]
fn of_two_stores_to_one_place_either_may_be_found() {
    let (disk, file) = disk_with("a", b"0");
    file.write_at(0, b"1").unwrap();
    file.write_at(0, b"2").unwrap();
    assert_eq!(
        found(&disk, "a"),
        BTreeSet::from([some(b"0"), some(b"1"), some(b"2")])
    );
}

#[test]
fn a_file_has_a_name_for_certain_only_after_its_directory_was_synced() {
    let disk = disk();
    let file = folder(&disk).open("a", Open::Create).unwrap();
    file.write_at(0, b"x").unwrap();
    file.sync().unwrap();
    assert_eq!(found(&disk, "a"), BTreeSet::from([None, some(b"x")]));
    folder(&disk).sync().unwrap();
    assert_eq!(found(&disk, "a"), BTreeSet::from([some(b"x")]));
}

#[test]
fn a_rename_is_found_done_or_not_done() {
    let (disk, _) = disk_with("a", b"a");
    let other = folder(&disk).open("b", Open::Create).unwrap();
    other.write_at(0, b"b").unwrap();
    other.sync().unwrap();
    folder(&disk).sync().unwrap();
    folder(&disk).rename("b", "a").unwrap();
    let both = |image: SimDisk| (image.read_file(&path("a")), image.read_file(&path("b")));
    let found: BTreeSet<_> = disk.crash_images(disk.point(), &PLAN).map(both).collect();
    assert_eq!(
        found,
        BTreeSet::from([(some(b"a"), some(b"b")), (some(b"b"), None)])
    );

    let liar = disk.power_cut();
    liar.lie(Lie::Rename, "/a");
    folder(&liar).rename("b", "a").unwrap();
    let found: BTreeSet<_> = liar.crash_images(liar.point(), &PLAN).map(both).collect();
    assert!(found.contains(&(None, None)), "{found:?}");
}

#[test]
fn a_removed_file_comes_back_unless_its_directory_was_synced() {
    let (disk, _) = disk_with("a", b"x");
    folder(&disk).remove("a").unwrap();
    assert_eq!(disk.read_file(&path("a")), None);
    assert_eq!(found(&disk, "a"), BTreeSet::from([None, some(b"x")]));
    folder(&disk).sync().unwrap();
    assert_eq!(found(&disk, "a"), BTreeSet::from([None]));
}

#[test]
fn names_are_kept_in_any_order() {
    let (disk, _) = disk_with("a", b"x");
    folder(&disk).open("b", Open::Create).unwrap();
    folder(&disk).remove("a").unwrap();
    let names = |image: SimDisk| {
        image
            .files()
            .into_iter()
            .map(|(path, _)| path)
            .collect::<Vec<_>>()
    };
    let found: BTreeSet<_> = disk.crash_images(disk.point(), &PLAN).map(names).collect();
    assert_eq!(found.len(), 4, "{found:?}");
    // A file that was renamed twice has one name, and one only, whichever of these are lost.
    folder(&disk).rename("b", "c").unwrap();
    folder(&disk).rename("c", "e").unwrap();
    for image in disk.crash_images(disk.point(), &PLAN) {
        assert!(
            image.files().iter().filter(|(path, _)| path != "/d/a").count() <= 1,
            "{image:?}"
        );
    }
}

#[test]
fn a_directory_that_was_not_synced_takes_everything_with_it() {
    let disk = SimDisk::new(1);
    disk.lie(Lie::SyncDir, "");
    let dir = create(&disk, Path::new("/p/q"));
    let file = dir.open("a", Open::Create).unwrap();
    file.write_at(0, b"x").unwrap();
    file.sync().unwrap();
    dir.sync().unwrap();
    let found: Vec<_> = disk
        .crash_images(disk.point(), &PLAN)
        .map(|image| image.files().len())
        .collect();
    assert!(found.contains(&0) && found.contains(&1), "{found:?}");
    assert!(find_dir(&disk.power_cut(), Path::new("/p")).unwrap().is_none());
}

#[test]
fn a_kill_keeps_what_was_seen_and_frees_the_locks() {
    let (disk, file) = disk_with("a", b"old");
    let _held = folder(&disk).lock(true).unwrap();
    assert!(matches!(folder(&disk).lock(true), Err(Error::Locked { .. })));
    assert!(matches!(folder(&disk).lock(false), Err(Error::Locked { .. })));
    file.write_at(0, b"new").unwrap();
    let killed = disk.kill();
    folder(&killed).lock(true).unwrap();
    assert_eq!(killed.read_file(&path("a")), some(b"new"));
    assert!(
        found(&killed, "a").contains(&some(b"old")),
        "the power may still fail"
    );
    file.write_at(0, b"not").unwrap();
    assert_eq!(
        killed.read_file(&path("a")),
        some(b"new"),
        "the dead process cannot reach it"
    );
    assert_eq!(disk.kill_at(disk.point() - 1).read_file(&path("a")), some(b"new"));
}

#[test]
fn the_same_seed_gives_the_same_disks_in_the_same_order() {
    let hashes = || {
        let (disk, file) = disk_with("a", &[1; 5000]);
        file.write_at(100, &[2; 9000]).unwrap();
        folder(&disk).rename("a", "b").unwrap();
        disk.crash_images(disk.point(), &PLAN)
            .map(|image| image.hash())
            .collect::<Vec<_>>()
    };
    let first = hashes();
    assert_eq!(first, hashes());
    assert!(first.len() > 500, "{}", first.len());
    assert_eq!(
        first.iter().collect::<BTreeSet<_>>().len(),
        first.len(),
        "each of them once"
    );
}

#[test]
fn every_subset_of_few_changes_is_found() {
    let (disk, file) = disk_with("a", &[0; 4096]);
    for bit in 0..12 {
        file.write_at(bit * 300, b"x").unwrap();
    }
    let subset = |bytes: Option<Vec<u8>>| bytes.unwrap().iter().map(|byte| usize::from(*byte != 0)).sum();
    let found: Vec<usize> = found(&disk, "a").into_iter().map(subset).collect();
    assert_eq!(found.len(), 4096);
}

#[test]
fn a_story_tells_what_was_done_and_what_was_lost() {
    let (disk, file) = disk_with("a", b"old");
    disk.note("now");
    file.write_at(0, b"new").unwrap();
    let image = disk.crash_images(disk.point(), &PLAN).next().unwrap();
    folder(&image).remove("a").unwrap();
    let story = image.op_log();
    for part in [
        "create /d/a",
        "-- now",
        "write /d/a at 0: 3 bytes 6e6577",
        "lost: 7:bytes 0..3",
        "unlink /d/a",
    ] {
        assert!(story.contains(part), "{part} in\n{story}");
    }
}
