use std::collections::BTreeSet;
use std::path::Path;

use super::{Call, CrashPlan, Errno, Fault, Lie, SimDisk};
use crate::sys::{File, Open, Storage};
use crate::{Error, ErrorKind};

const PLAN: CrashPlan = CrashPlan {
    seed: 7,
    exhaustive_units_max: 12,
    samples: 256,
};

fn dir() -> &'static Path {
    Path::new("/d")
}

fn path(name: &str) -> std::path::PathBuf {
    dir().join(name)
}

/// A disk with the directory `/d`.
fn disk() -> SimDisk {
    let disk = SimDisk::new(1);
    disk.create_dirs(dir()).unwrap();
    disk
}

/// As `disk`, with a file that is durable with its name.
fn disk_with(name: &str, bytes: &[u8]) -> (SimDisk, File) {
    let disk = disk();
    let file = disk.open(&path(name), Open::Create).unwrap();
    file.write_at(0, bytes).unwrap();
    file.sync().unwrap();
    disk.sync_dir(dir()).unwrap();
    (disk, file)
}

/// What a file may hold after a power cut now.
fn found(disk: &SimDisk, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    disk.crash_images(disk.point(), &PLAN)
        .map(|image| image.read_file(&path(name)))
        .collect()
}

#[expect(clippy::unnecessary_wraps, reason = "compared with what may be absent")]
fn some(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(bytes.to_vec())
}

#[test]
fn what_is_written_is_seen_by_all_at_once() {
    let (disk, file) = disk_with("a", b"old bytes");
    let map = file.map(4096, true).unwrap();
    assert!(map.store(0, b"new"));
    let mut buffer = [0; 20];
    assert_eq!(file.read_at(0, &mut buffer).unwrap(), 9);
    assert_eq!(&buffer[..9], b"new bytes");
    file.write_at(6, b"gulps and more").unwrap();
    map.grow(20);
    assert_eq!(
        map.array::<20>(0).unwrap(),
        *b"new by"
            .iter()
            .chain(b"gulps and more")
            .copied()
            .collect::<Vec<_>>()
    );
    assert_eq!(disk.read_file(&path("a")).unwrap(), b"new bygulps and more");
    assert!(
        !file.map(4096, false).unwrap().store(0, b"x"),
        "the mapping is for reading only"
    );
}

#[test]
fn contents_are_those_of_a_plain_vector() {
    // Any sequence of writes and cuts, against a vector.
    let mut random = super::random::Random::new(5);
    let (disk, file) = disk_with("a", b"");
    let mut model = Vec::new();
    for step in 0..3000 {
        let position = random.below(20_000);
        let len = random.below(9000);
        if step % 3 == 0 {
            let len = random.below(20_000);
            file.set_len(len as u64).unwrap();
            model.resize(len, 0);
        } else {
            let byte = if step % 2 == 0 {
                0
            } else {
                1 + u8::try_from(step % 250).unwrap_or(0)
            };
            file.write_at(position as u64, &vec![byte; len]).unwrap();
            if len > 0 && position + len > model.len() {
                model.resize(position + len, 0);
            }
            let from = position.min(model.len());
            model[from..].iter_mut().take(len).for_each(|b| *b = byte);
        }
        if step % 50 == 0 {
            assert!(disk.read_file(&path("a")).unwrap() == model, "step {step}");
            let same = SimDisk::new(3);
            same.create_dirs(dir()).unwrap();
            same.open(&path("a"), Open::Create)
                .unwrap()
                .write_at(0, &model)
                .unwrap();
            same.open(&path("a"), Open::Write)
                .unwrap()
                .set_len(model.len() as u64)
                .unwrap();
            assert_eq!(same.hash(), disk.hash(), "the hash depends on the bytes alone");
        }
    }
}

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
    let map = file.map(3 * 4096, true).unwrap();
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
    let file = disk.open(&path("a"), Open::Create).unwrap();
    file.write_at(0, b"x").unwrap();
    file.sync().unwrap();
    assert_eq!(found(&disk, "a"), BTreeSet::from([None, some(b"x")]));
    disk.sync_dir(dir()).unwrap();
    assert_eq!(found(&disk, "a"), BTreeSet::from([some(b"x")]));
}

#[test]
fn a_rename_is_found_done_or_not_done() {
    let (disk, _) = disk_with("a", b"a");
    let other = disk.open(&path("b"), Open::Create).unwrap();
    other.write_at(0, b"b").unwrap();
    other.sync().unwrap();
    disk.sync_dir(dir()).unwrap();
    disk.rename(&path("b"), &path("a")).unwrap();
    let both = |image: SimDisk| (image.read_file(&path("a")), image.read_file(&path("b")));
    let found: BTreeSet<_> = disk.crash_images(disk.point(), &PLAN).map(both).collect();
    assert_eq!(
        found,
        BTreeSet::from([(some(b"a"), some(b"b")), (some(b"b"), None)])
    );

    let liar = disk.power_cut();
    liar.lie(Lie::Rename, "/a");
    liar.rename(&path("b"), &path("a")).unwrap();
    let found: BTreeSet<_> = liar.crash_images(liar.point(), &PLAN).map(both).collect();
    assert!(found.contains(&(None, None)), "{found:?}");
}

#[test]
fn a_removed_file_comes_back_unless_its_directory_was_synced() {
    let (disk, _) = disk_with("a", b"x");
    disk.remove(&path("a")).unwrap();
    assert_eq!(disk.read_file(&path("a")), None);
    assert_eq!(found(&disk, "a"), BTreeSet::from([None, some(b"x")]));
    disk.sync_dir(dir()).unwrap();
    assert_eq!(found(&disk, "a"), BTreeSet::from([None]));
}

#[test]
fn names_are_kept_in_any_order() {
    let (disk, _) = disk_with("a", b"x");
    disk.open(&path("b"), Open::Create).unwrap();
    disk.remove(&path("a")).unwrap();
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
    disk.rename(&path("b"), &path("c")).unwrap();
    disk.rename(&path("c"), &path("e")).unwrap();
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
    disk.create_dirs(Path::new("/p/q")).unwrap();
    let file = disk.open(Path::new("/p/q/a"), Open::Create).unwrap();
    file.write_at(0, b"x").unwrap();
    file.sync().unwrap();
    disk.sync_dir(Path::new("/p/q")).unwrap();
    let found: Vec<_> = disk
        .crash_images(disk.point(), &PLAN)
        .map(|image| image.files().len())
        .collect();
    assert!(found.contains(&0) && found.contains(&1), "{found:?}");
    assert!(!disk.power_cut().is_dir(Path::new("/p")).unwrap());
}

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
fn a_kill_keeps_what_was_seen_and_frees_the_locks() {
    let (disk, file) = disk_with("a", b"old");
    let _held = disk.lock(dir(), true).unwrap();
    assert!(matches!(disk.lock(dir(), true), Err(Error::Locked { .. })));
    assert!(matches!(disk.lock(dir(), false), Err(Error::Locked { .. })));
    file.write_at(0, b"new").unwrap();
    let killed = disk.kill();
    killed.lock(dir(), true).unwrap();
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
fn readers_share_a_lock() {
    let disk = disk();
    drop(disk.lock(dir(), true).unwrap());
    let first = disk.lock(dir(), false).unwrap();
    let second = disk.lock(dir(), false).unwrap();
    assert!(disk.lock(dir(), true).is_err());
    drop((first, second));
    disk.lock(dir(), true).unwrap();
}

#[test]
fn the_same_seed_gives_the_same_disks_in_the_same_order() {
    let hashes = || {
        let (disk, file) = disk_with("a", &[1; 5000]);
        file.write_at(100, &[2; 9000]).unwrap();
        disk.rename(&path("a"), &path("b")).unwrap();
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

    disk.inject(Fault {
        errno: Errno::Emfile,
        call: None,
        index: 0,
        from_then_on: true,
    });
    file.write_at(0, b"4").unwrap();
    assert!(disk.open(&path("a"), Open::Read).is_err() && disk.list(dir()).is_err());
    disk.heal();
    disk.open(&path("a"), Open::Read).unwrap();
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
    let map = file.map(8192, true).unwrap();
    assert!(map.store(5000, b"space that was reserved is there"));
    assert!(disk.open(&path("b"), Open::Create).is_err());
    assert_eq!(disk.stores_into_holes(), 0);
    disk.remove(&path("a")).unwrap();
    disk.open(&path("b"), Open::Create).unwrap();
}

#[test]
#[should_panic(expected = "SIGBUS")]
fn a_store_into_a_hole_of_a_full_disk_kills() {
    let (disk, file) = disk_with("a", &[1; 4096]);
    file.set_len(8192).unwrap();
    disk.set_space(Some(4096));
    let _ = file.map(8192, true).unwrap().store(5000, b"x");
}

#[test]
#[should_panic(expected = "SIGBUS")]
fn a_touch_beyond_a_cut_kills() {
    let (_disk, file) = disk_with("a", &[1; 8192]);
    let map = file.map(8192, true).unwrap();
    file.set_len(10).unwrap();
    assert_eq!(
        map.array::<1>(20),
        Some([0]),
        "the rest of the last page is there"
    );
    let _ = map.array::<1>(5000);
}

#[test]
fn random_bytes_differ_between_lives_and_repeat_with_the_seed() {
    let disk = disk();
    let (first, second) = (disk.random().unwrap(), disk.random().unwrap());
    let after_a_cut = disk.power_cut().random().unwrap();
    let after_a_kill = disk.kill().random().unwrap();
    let all = BTreeSet::from([first, second, after_a_cut, after_a_kill]);
    assert_eq!(all.len(), 4);
    assert_eq!(self::disk().random().unwrap(), first);
}

#[test]
fn a_story_tells_what_was_done_and_what_was_lost() {
    let (disk, file) = disk_with("a", b"old");
    disk.note("now");
    file.write_at(0, b"new").unwrap();
    let image = disk.crash_images(disk.point(), &PLAN).next().unwrap();
    image.remove(&path("a")).unwrap();
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

#[test]
fn files_can_be_planted_and_taken_before_the_start() {
    let disk = disk_with("a", b"x").0.power_cut();
    disk.set_file(&path("b"), b"y").unwrap();
    disk.set_file(&path("a"), b"z").unwrap();
    assert_eq!(disk.files(), [("/d/a".to_owned(), 1), ("/d/b".to_owned(), 1)]);
    disk.take_file(&path("a")).unwrap();
    assert_eq!(disk.list(dir()).unwrap(), ["b"]);
    disk.remove(&path("b")).unwrap();
    assert!(disk.set_file(&path("b"), b"").is_err());
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
    let other = disk.open(&path("b"), Open::Create).unwrap();
    other.write_at(0, b"x").unwrap();
    other.sync().unwrap();
    disk.sync_dir(dir()).unwrap();
    assert_eq!(found(&disk, "b"), BTreeSet::from([some(b"x")]));
}
