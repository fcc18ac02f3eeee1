//! What processes see of a disk while nothing fails.

use std::collections::BTreeSet;

use super::{create, dir, disk, disk_with, folder, path};
use crate::sys::Open;
use crate::sys::sim::SimDisk;

#[test]
fn what_is_written_is_seen_by_all_at_once() {
    let (disk, file) = disk_with("a", b"old bytes");
    let map = file.map_to_append(4096).unwrap();
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
        !file.map(4096).unwrap().store(0, b"x"),
        "the mapping is for reading only"
    );
}

#[test]
fn contents_are_those_of_a_plain_vector() {
    // Any sequence of writes and cuts, against a vector.
    let mut random = crate::sys::sim::random::Random::new(5);
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
            create(&same, dir());
            folder(&same)
                .open("a", Open::Create)
                .unwrap()
                .write_at(0, &model)
                .unwrap();
            folder(&same)
                .open("a", Open::Write)
                .unwrap()
                .set_len(model.len() as u64)
                .unwrap();
            assert_eq!(same.hash(), disk.hash(), "the hash depends on the bytes alone");
        }
    }
}

#[test]
fn readers_share_a_lock() {
    let disk = disk();
    drop(folder(&disk).lock(true).unwrap());
    let first = folder(&disk).lock(false).unwrap();
    let second = folder(&disk).lock(false).unwrap();
    assert!(folder(&disk).lock(true).is_err());
    drop((first, second));
    folder(&disk).lock(true).unwrap();
}

#[test]
#[should_panic(expected = "SIGBUS")]
fn a_touch_beyond_a_cut_kills() {
    let (_disk, file) = disk_with("a", &[1; 8192]);
    let map = file.map_to_append(8192).unwrap();
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
    let (first, second) = (folder(&disk).random().unwrap(), folder(&disk).random().unwrap());
    let after_a_cut = folder(&disk.power_cut()).random().unwrap();
    let after_a_kill = folder(&disk.kill()).random().unwrap();
    let all = BTreeSet::from([first, second, after_a_cut, after_a_kill]);
    assert_eq!(all.len(), 4);
    assert_eq!(folder(&super::disk()).random().unwrap(), first);
}

#[test]
fn files_can_be_planted_and_taken_before_the_start() {
    let disk = disk_with("a", b"x").0.power_cut();
    disk.set_file(&path("b"), b"y").unwrap();
    disk.set_file(&path("a"), b"z").unwrap();
    assert_eq!(disk.files(), [("/d/a".to_owned(), 1), ("/d/b".to_owned(), 1)]);
    disk.take_file(&path("a")).unwrap();
    assert_eq!(folder(&disk).list().unwrap(), ["b"]);
    folder(&disk).remove("b").unwrap();
    assert!(disk.set_file(&path("b"), b"").is_err());
}
