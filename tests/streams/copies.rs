//! Row: backup and restore of a whole store.

use std::fs;
use std::path::{Path, PathBuf};

use duramen::store::{self, PartitionReport, StoreOptions, StreamPatch};
use duramen::{BackupReport, Error, Log, NewMessage, Options, Result, Start};

use crate::support::{Home, names, plain, publish, until, until_purged, values, with_stream};

/// Where the copy of a store goes.
fn copy_of(home: &Home) -> PathBuf {
    home.path().with_extension("copy")
}

fn open(dir: &Path) -> store::Store {
    StoreOptions::new().open(dir).expect("opened")
}

/// The values of a partition in a store.
fn read(store: &store::Store, name: &str, partition: u32) -> Vec<String> {
    values(&store.stream(name).expect("there"), partition).expect("read")
}

/// All files below a directory, with what is in them.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.push((path.clone(), Vec::new()));
            found.extend(files(&path));
        } else {
            let bytes = fs::read(&path).expect("read");
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

fn is_invalid<T: std::fmt::Debug>(result: Result<T>) {
    match result {
        Err(Error::Invalid(_)) => {}
        other => panic!("{other:?}"),
    }
}

fn is_unfinished(dir: &Path) {
    for read_only in [true, false] {
        let opened = StoreOptions::new().read_only(read_only).open(dir);
        assert!(matches!(opened, Err(Error::Unfinished { .. })), "{opened:?}");
    }
    let checked = store::check(dir, &StoreOptions::new());
    assert!(matches!(checked, Err(Error::Unfinished { .. })), "{checked:?}");
}

#[test]
fn a_copy_is_a_store_with_the_same_streams() {
    let (home, store, stream) = with_stream(3);
    publish(&stream, 0, "a").expect("published");
    publish(&stream, 2, "b").expect("published");
    stream.seal(&2.into()).expect("sealed");
    store.create("unused", &plain().key_index(true)).expect("created");
    store.create("gone", &plain()).expect("created");
    publish(&store.stream("gone").expect("there"), 0, "x").expect("published");
    store.delete("gone").expect("deleted");
    stream.pause(&0.into(), false).expect("paused");
    let report = store.backup(&copy_of(&home)).expect("a backup");
    let copied =
        |part: &PartitionReport<BackupReport>| (part.stream.clone(), part.partition, part.report.next_offset);
    let copied: Vec<_> = report.partitions.iter().map(copied).collect();
    let of_s = |partition, next_offset| ("s".to_owned(), partition, next_offset);
    assert_eq!(copied, [of_s(0, 1), of_s(2, 2)]);
    assert_eq!(report.partitions[0].id, stream.id().expect("an id"));
    assert_eq!(stream.info().expect("there").paused, [0], "it stays paused");

    let copy = open(&copy_of(&home));
    until("the rest of the deletion", || names(&copy) == ["s", "unused"]);
    let in_copy = copy.stream("s").expect("there");
    assert_eq!(in_copy.id().expect("an id"), stream.id().expect("an id"));
    let info = in_copy.info().expect("there");
    assert_eq!((info.sealed, info.paused), (vec![2], vec![0]));
    in_copy.resume(&0.into()).expect("resumed");
    assert_eq!(read(&copy, "s", 0), ["a"]);
    assert_eq!(read(&copy, "s", 2), ["b"]);
    assert_eq!(copy.config("unused").expect("there").key_index, Some(true));
    publish(&in_copy, 1, "goes on").expect("published");
    assert!(!copy_of(&home).join("quarantine").exists());
}

#[test]
fn a_second_backup_copies_what_is_new_and_removes_what_has_gone() {
    let (home, store, stream) = with_stream(2);
    for name in ["t", "u"] {
        store.create(name, &plain()).expect("created");
        publish(&store.stream(name).expect("there"), 0, name).expect("published");
    }
    publish(&stream, 0, "a").expect("published");
    store.backup(&copy_of(&home)).expect("a backup");
    publish(&stream, 1, "b").expect("published");
    store.delete("t").expect("deleted");
    until_purged(&store, "t");
    store.delete("u").expect("deleted");
    until_purged(&store, "u");
    store.create("u", &plain()).expect("created");
    store
        .reconfigure("s", &StreamPatch::new().time_index(true))
        .expect("reconfigured");
    let report = store.backup(&copy_of(&home)).expect("a backup");
    let bytes: Vec<_> = report
        .partitions
        .iter()
        .map(|part| part.report.bytes_copied > 0)
        .collect();
    assert_eq!((bytes, report.streams_removed), (vec![false, true], 2));

    let report = store.backup(&copy_of(&home)).expect("a backup");
    let copied = report.partitions.iter().map(|part| part.report.bytes_copied);
    assert_eq!((copied.sum::<u64>(), report.streams_removed), (0, 0));

    let copy = open(&copy_of(&home));
    assert_eq!(names(&copy), ["s", "u"]);
    assert_eq!(read(&copy, "s", 0), ["a"]);
    assert_eq!(read(&copy, "s", 1), ["b"]);
    assert!(read(&copy, "u", 0).is_empty());
    assert_eq!(copy.config("s").expect("there").time_index, Some(true));
    assert!(!copy_of(&home).join("quarantine").exists());
}

#[test]
fn a_target_that_is_no_copy_of_the_store_is_refused_and_left_alone() {
    let (home, store, stream) = with_stream(1);
    publish(&stream, 0, "a").expect("published");
    let (other_home, other, other_stream) = with_stream(1);
    publish(&other_stream, 0, "z").expect("published");
    let scratch = tempfile::tempdir().expect("a directory");
    let path = |name: &str| scratch.path().join(name);

    let foreign = path("foreign");
    fs::create_dir(&foreign).expect("made");
    fs::write(foreign.join("file"), "x").expect("written");
    other.backup(&path("other")).expect("a backup");
    fs::create_dir_all(path("streams only").join("streams")).expect("made");
    let log = Options::new().create_dirs(true).open(path("log")).expect("a log");
    log.publish(&[NewMessage::value(b"x")]).expect("published");
    log.close().expect("closed");
    for target in ["foreign", "other", "streams only", "log"] {
        let before = files(&path(target));
        is_invalid(store.backup(&path(target)));
        assert_eq!(files(&path(target)), before, "{target}");
    }

    let own = home.path();
    for target in [
        own.clone(),
        own.join("backup"),
        own.join("streams"),
        own.join("a/b"),
    ] {
        is_invalid(store.backup(&target));
    }
    assert!(!own.join("backup").exists() && !own.join("a").exists());
    is_invalid(store.backup(other_home.path().parent().expect("a parent")));
    // The other store is open.
    assert!(matches!(
        store.backup(&other_home.path()),
        Err(Error::Locked { .. })
    ));
    other.close().expect("closed");
    let before = files(&other_home.path());
    is_invalid(store.backup(&other_home.path()));
    assert_eq!(files(&other_home.path()), before);
    assert_eq!(read(&open(&path("other")), "s", 0), ["z"]);
    assert_eq!(read(&store, "s", 0), ["a"]);

    // One that has lost what was in its catalog.
    fs::remove_dir_all(other_home.path().join("catalog")).expect("removed");
    fs::create_dir(other_home.path().join("catalog")).expect("made");
    let before = files(&other_home.path());
    is_invalid(store.backup(&other_home.path()));
    is_invalid(store::restore(
        path("other"),
        other_home.path(),
        &StoreOptions::new(),
    ));
    assert_eq!(files(&other_home.path()), before);
}

/// Goal: a copy that somebody uses as a store of its own is not overwritten. Method: opened for writing and closed;
/// with a message; with a message that a partition got by itself.
#[test]
fn a_copy_that_was_opened_for_writing_takes_no_more_backups() {
    for how in ["opened", "published", "partition"] {
        let (home, store, stream) = with_stream(1);
        publish(&stream, 0, "a").expect("published");
        let dir = copy_of(&home);
        store.backup(&dir).expect("a backup");
        if how == "partition" {
            let partition = dir
                .join("streams")
                .join(stream.id().expect("an id").to_string())
                .join("0");
            let log = Options::new().open(partition).expect("a log");
            log.publish(&[NewMessage::value(b"own")]).expect("published");
            log.close().expect("closed");
        } else {
            let copy = open(&dir);
            assert!(matches!(store.backup(&dir), Err(Error::Locked { .. })));
            if how == "published" {
                publish(&copy.stream("s").expect("there"), 0, "own").expect("published");
            }
            copy.close().expect("closed");
        }
        let before = files(&dir);
        is_invalid(store.backup(&dir));
        assert_eq!(files(&dir), before, "{how}");
        let wanted: &[&str] = if how == "opened" { &["a"] } else { &["a", "own"] };
        assert_eq!(read(&open(&dir), "s", 0), wanted, "{how}");
    }
}

#[test]
fn a_copy_that_was_read_takes_more_backups() {
    let (home, store, stream) = with_stream(1);
    publish(&stream, 0, "a").expect("published");
    let dir = copy_of(&home);
    store.backup(&dir).expect("a backup");
    let copy = StoreOptions::new().read_only(true).open(&dir).expect("opened");
    assert_eq!(read(&copy, "s", 0), ["a"]);
    publish(&stream, 0, "b").expect("published");
    store.backup(&dir).expect("a backup");
    let copy = StoreOptions::new().read_only(true).open(&dir).expect("opened");
    assert_eq!(read(&copy, "s", 0), ["a", "b"]);
}

/// Goal: a backup that fails on the way is known as unfinished until it is taken again, the first one and a later one.
/// Method: the directory of a partition is away meanwhile.
#[test]
fn a_backup_that_has_failed_is_unfinished_until_it_is_taken_again() {
    for is_later in [false, true] {
        let (home, store, stream) = with_stream(2);
        publish(&stream, 0, "a").expect("published");
        publish(&stream, 1, "b").expect("published");
        let dir = copy_of(&home);
        if is_later {
            store.backup(&dir).expect("a backup");
        }
        publish(&stream, 0, "c").expect("published");
        stream.pause(&0.into(), false).expect("paused");
        stream.pause(&1.into(), false).expect("paused");
        let (there, away) = (home.partition(&stream, 1), home.path().with_extension("away"));
        fs::rename(&there, &away).expect("moved");
        let failed = store.backup(&dir);
        if is_later {
            // What there is to be refused is looked for first.
            assert!(matches!(failed, Err(Error::Corrupt { .. })), "{failed:?}");
            assert!(StoreOptions::new().read_only(true).open(&dir).is_ok());
            fs::rename(&away, &there).expect("moved back");
            fs::create_dir(dir.join("streams").join("x")).expect("made");
        } else {
            assert!(matches!(failed, Err(Error::Corrupt { .. })), "{failed:?}");
            is_unfinished(&dir);
            let again = home.path().with_extension("again");
            let restored = store::restore(&dir, &again, &StoreOptions::new());
            assert!(matches!(restored, Err(Error::Unfinished { .. })), "{restored:?}");
            is_invalid(with_stream(1).1.backup(&dir));
            fs::rename(&away, &there).expect("moved back");
        }
        store.backup(&dir).expect("taken again");
        let copy = StoreOptions::new().read_only(true).open(&dir).expect("opened");
        assert_eq!(names(&copy), ["s"]);
    }
}

#[test]
fn a_restored_store_has_the_same_streams_and_lives_of_its_own() {
    let (home, store, stream) = with_stream(2);
    publish(&stream, 0, "a").expect("published");
    publish(&stream, 1, "b").expect("published");
    let (copy, again) = (copy_of(&home), home.path().with_extension("again"));
    store.backup(&copy).expect("a backup");
    let before = files(&copy);
    let report = store::restore(&copy, &again, &StoreOptions::new()).expect("restored");
    assert_eq!(report.partitions.len(), 2);
    assert_eq!(files(&copy), before, "the backup is only read");
    is_invalid(store::restore(&copy, &again, &StoreOptions::new()));
    is_invalid(store::restore(&copy, copy.join("in it"), &StoreOptions::new()));
    is_invalid(store.backup(&again));

    let restored = open(&again);
    assert_eq!(names(&restored), ["s"]);
    let handle = restored.stream("s").expect("there");
    assert_eq!(handle.id().expect("an id"), stream.id().expect("an id"));
    assert_eq!(
        (read(&restored, "s", 0), read(&restored, "s", 1)),
        (vec!["a".into()], vec!["b".into()])
    );
    let position = stream
        .partition(0)
        .expect("there")
        .position()
        .expect("a position");
    let log = handle.partition(0).expect("there");
    assert_ne!(log.position().expect("a position"), position, "a life of its own");
    publish(&handle, 0, "c").expect("published");
    let locked = store::restore(&again, home.path().with_extension("third"), &StoreOptions::new());
    assert!(matches!(locked, Err(Error::Locked { .. })), "{locked:?}");
    // What is restored can be backed up.
    restored
        .backup(&home.path().with_extension("third"))
        .expect("a backup");
}

#[test]
fn a_restore_does_not_finish_a_backup_and_a_backup_no_restore() {
    let (home, store, stream) = with_stream(1);
    publish(&stream, 0, "a").expect("published");
    let (copy, dst) = (copy_of(&home), home.path().with_extension("dst"));
    store.backup(&copy).expect("a backup");
    stream.pause(&0.into(), false).expect("paused");
    let (there, away) = (home.partition(&stream, 0), home.path().with_extension("away"));
    fs::rename(&there, &away).expect("moved");
    store.backup(&dst).expect_err("a partition is missing");
    is_unfinished(&dst);
    let restored = store::restore(&copy, &dst, &StoreOptions::new());
    assert!(matches!(restored, Err(Error::Unfinished { .. })), "{restored:?}");
    fs::rename(&away, &there).expect("moved back");

    let (broken, half) = (
        home.path().with_extension("broken"),
        home.path().with_extension("half"),
    );
    store.backup(&broken).expect("a backup");
    let part = |dir: &Path| {
        dir.join("streams")
            .join(stream.id().expect("an id").to_string())
            .join("0")
    };
    fs::remove_dir_all(part(&broken)).expect("removed");
    store::restore(&broken, &half, &StoreOptions::new()).expect_err("a partition is missing");
    is_unfinished(&half);
    let backed_up = store.backup(&half);
    assert!(
        matches!(backed_up, Err(Error::Unfinished { .. })),
        "{backed_up:?}"
    );
    store::restore(&copy, &half, &StoreOptions::new()).expect("restored");
    assert_eq!(
        open(&half)
            .stream("s")
            .and_then(|stream| stream.id())
            .expect("there"),
        stream.id().expect("an id")
    );
}

/// Goal: two backups do not go to one directory at once. Method: two threads that try all the time.
#[test]
fn two_backups_to_one_directory_exclude_each_other() {
    let (home, store, stream) = with_stream(4);
    for number in 0..4 {
        publish(&stream, number, "a").expect("published");
    }
    let dir = copy_of(&home);
    let (mut done, mut locked) = (0, 0);
    until("one was locked out", || {
        let results = std::thread::scope(|scope| {
            let both = [(); 2].map(|()| scope.spawn(|| store.backup(&dir)));
            both.map(|one| one.join().expect("no panic"))
        });
        for result in results {
            match result {
                Ok(_) => done += 1,
                Err(Error::Locked { .. }) => locked += 1,
                Err(error) => panic!("{error}"),
            }
        }
        done > 0 && locked > 0
    });
    assert_eq!(read(&open(&dir), "s", 3), ["a"]);
}

#[test]
fn a_store_that_is_only_read_is_backed_up_while_nobody_writes() {
    let (home, store, stream) = with_stream(1);
    publish(&stream, 0, "a").expect("published");
    let (reader, dir) = (home.open_to_read(), copy_of(&home));
    let locked = reader.backup(&dir);
    assert!(matches!(locked, Err(Error::Locked { .. })), "{locked:?}");
    assert!(!dir.exists(), "nothing is left");
    publish(&stream, 0, "b").expect("published");
    store.close().expect("closed");
    let before = files(&home.path());
    reader.backup(&dir).expect("a backup");
    assert_eq!(files(&home.path()), before, "the store is only read");
    assert_eq!(read(&open(&dir), "s", 0), ["a", "b"]);
    assert!(home.options.open(home.path()).is_ok(), "the store is free again");
}

/// Goal: a partition that lost messages does not keep an unfinished backup from being taken again. Method: the
/// partition is replaced by an older state of it.
#[test]
fn an_unfinished_backup_is_taken_again_of_a_store_that_has_lost_messages() {
    let (home, store, stream) = with_stream(2);
    publish(&stream, 0, "a").expect("published");
    publish(&stream, 1, "x").expect("published");
    let dir = copy_of(&home);
    let [older, newer] = ["older", "newer"].map(|name| home.path().with_extension(name));
    let partitions = [0, 1].map(|number| home.partition(&stream, number));
    duramen::backup(&partitions[0], &older).expect("a copy of one");
    publish(&stream, 0, "lost").expect("published");
    stream
        .pause(&duramen::store::Partitions::All, false)
        .expect("paused");
    fs::rename(&partitions[1], &newer).expect("moved");
    store.backup(&dir).expect_err("a partition is missing");
    fs::rename(&newer, &partitions[1]).expect("moved back");
    fs::rename(&partitions[0], &newer).expect("moved");
    fs::rename(&older, &partitions[0]).expect("moved");
    store.backup(&dir).expect("taken again");
    let log = Options::new().read_only(true).open(
        dir.join("streams")
            .join(stream.id().expect("an id").to_string())
            .join("0"),
    );
    assert_eq!(
        log.expect("a log")
            .consume(Start::Oldest, 9)
            .expect("read")
            .messages
            .len(),
        1
    );
    // Once it is finished, what it has and the store has not is kept.
    fs::remove_dir_all(&partitions[0]).expect("removed");
    fs::rename(&newer, &partitions[0]).expect("moved back");
    store.backup(&dir).expect("with what was lost");
}
