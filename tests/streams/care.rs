//! Row: check and recovery of a whole store.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use duramen::store::{self, Store, StoreCheckReport, StoreOptions, StoreProblemKind, Stream};
use duramen::{Corruption, Error, Log, NewMessage, Options, RecoverOptions};

use crate::support::{Home, names, plain, publish, values};

/// A closed store with the streams `a` and `b`, of two partitions with messages each, of which the directories are
/// returned, those of `a` first.
fn closed_store() -> (Home, Vec<PathBuf>) {
    let home = Home::new();
    let store = home.open();
    let mut dirs = Vec::new();
    for name in ["a", "b"] {
        store
            .create(name, &plain().partitions(3).key_index(true))
            .expect("created");
        let stream = store.stream(name).expect("there");
        for number in 0..2 {
            for n in 0..20 {
                publish(&stream, number, &format!("{name} {n}")).expect("published");
            }
            dirs.push(home.partition(&stream, number));
        }
    }
    both(&store, "first");
    store.close().expect("closed");
    (home, dirs)
}

/// Publishes to a partition of each stream at once.
fn both(store: &Store, text: &str) {
    let streams = ["a", "b"].map(|name| store.stream(name).expect("there"));
    let message = [NewMessage::value(text.as_bytes())];
    let parts = streams
        .each_ref()
        .map(|stream: &Stream| (stream, 0, &message[..]));
    store.publish_to(&parts).expect("published");
}

fn check(home: &Home) -> StoreCheckReport {
    store::check(home.path(), &StoreOptions::new()).expect("checked")
}

/// The kinds of problems of the store itself.
fn kinds(report: &StoreCheckReport) -> Vec<StoreProblemKind> {
    report.problems.iter().map(|problem| problem.kind).collect()
}

fn recover(home: &Home) -> store::StoreRecoverReport {
    store::recover(home.path(), &StoreOptions::new(), &RecoverOptions::new()).expect("recovered")
}

/// Flips a byte in the middle of what is written in the first segment of a log.
fn damage(log: &Path) {
    let mut segments: Vec<_> = fs::read_dir(log)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    segments.sort();
    let mut bytes = fs::read(&segments[0]).expect("read");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("something");
    bytes[end / 2] ^= 0x10;
    fs::write(&segments[0], bytes).expect("written");
}

#[test]
fn a_store_in_order_has_no_problem_and_is_not_changed() {
    let (home, _) = closed_store();
    let report = check(&home);
    assert!(report.is_clean(), "{report:?}");
    let checked: Vec<_> = report
        .partitions
        .iter()
        .map(|part| (part.stream.as_str(), part.partition))
        .collect();
    assert_eq!(checked, [("a", 0), ("a", 1), ("b", 0), ("b", 1)]);
    let messages = |part: &store::PartitionReport<duramen::Result<duramen::CheckReport>>| {
        part.report.as_ref().expect("checked").messages
    };
    assert_eq!(
        report.partitions.iter().map(messages).collect::<Vec<_>>(),
        [21, 20, 21, 20]
    );
    assert!(report.catalog.messages >= 6 && report.intents.is_some() && report.trash.is_empty());
    let recovered = recover(&home);
    assert!(
        !recovered.changed() && recovered.problems.is_empty(),
        "{recovered:?}"
    );
    assert_eq!(recovered.partitions.len(), 4);
}

#[test]
fn what_is_no_store_is_not_checked() {
    let home = Home::new();
    let missing = store::check(home.path(), &StoreOptions::new());
    assert!(matches!(missing, Err(Error::NoLog { .. })), "{missing:?}");
    fs::create_dir(home.path()).expect("made");
    let empty = store::check(home.path(), &StoreOptions::new());
    assert!(matches!(empty, Err(Error::NoLog { .. })), "{empty:?}");
    let recovered = store::recover(home.path(), &StoreOptions::new(), &RecoverOptions::new());
    assert!(matches!(recovered, Err(Error::NoLog { .. })), "{recovered:?}");
    drop(home.open());
    assert!(check(&home).is_clean(), "a store without streams");
}

#[test]
fn directories_that_are_missing_empty_or_unknown_are_told() {
    let (home, dirs) = closed_store();
    fs::remove_dir_all(&dirs[0]).expect("removed");
    fs::remove_dir_all(&dirs[3]).expect("removed");
    fs::create_dir(&dirs[3]).expect("made");
    let streams = home.path().join("streams");
    let strays = [streams.join("0".repeat(32)), streams.join("x")];
    for stray in &strays {
        fs::create_dir(stray).expect("made");
    }
    let trash = home.path().join("trash").join("1".repeat(32));
    fs::create_dir_all(&trash).expect("made");
    let report = check(&home);
    let mut found: Vec<_> = report
        .problems
        .iter()
        .map(|problem| (problem.path.clone(), problem.kind))
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let mut wanted = vec![
        (dirs[0].clone(), StoreProblemKind::Missing),
        (dirs[3].clone(), StoreProblemKind::Empty),
        (strays[0].clone(), StoreProblemKind::Stray),
        (strays[1].clone(), StoreProblemKind::Stray),
    ];
    wanted.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(found, wanted);
    assert_eq!(report.trash, [trash]);
    assert_eq!(report.partitions.len(), 2, "the others are checked");
    assert!(!report.is_clean());

    let recovered = recover(&home);
    assert_eq!(recovered.problems.len(), 4);
    assert!(
        !dirs[0].exists() && strays[0].exists(),
        "nothing is made or moved"
    );
    drop(home.open());
    let report = check(&home);
    assert_eq!(kinds(&report).len(), 2, "{report:?}");
    assert!(report.trash.is_empty());
}

#[test]
fn a_damaged_partition_does_not_stop_the_check_and_the_recovery_of_the_others() {
    let (home, dirs) = closed_store();
    damage(&dirs[1]);
    damage(&dirs[2]);
    let report = check(&home);
    assert!(report.problems.is_empty() && report.catalog.is_clean());
    let clean: Vec<_> = report
        .partitions
        .iter()
        .map(|part| part.report.as_ref().expect("checked").is_clean())
        .collect();
    assert_eq!(clean, [true, false, false, true]);

    let dry = store::recover(
        home.path(),
        &StoreOptions::new(),
        &RecoverOptions::new().dry_run(true),
    );
    assert!(dry.expect("a dry run").changed());
    assert!(!check(&home).is_clean(), "a dry run changes nothing");
    let recovered = recover(&home);
    let changed: Vec<_> = recovered
        .partitions
        .iter()
        .map(|part| part.report.as_ref().expect("recovered").changed)
        .collect();
    assert_eq!(changed, [false, true, true, false]);
    assert!(dirs[1].join("quarantine").exists(), "what was cut off is kept");
    assert!(check(&home).is_clean());
    let store = home.open();
    let left = values(&store.stream("a").expect("there"), 1).expect("read");
    assert!(
        left.len() < 20 && left.iter().zip(0..).all(|(text, n)| *text == format!("a {n}")),
        "{left:?}"
    );
    assert_eq!(
        values(&store.stream("b").expect("there"), 1).expect("read").len(),
        20
    );
}

#[test]
fn a_partition_that_cannot_be_recovered_is_reported_and_the_others_go_on() {
    let (home, dirs) = closed_store();
    damage(&dirs[3]);
    let in_use = Options::new().open(&dirs[0]).expect("a log");
    let recovered = recover(&home);
    let locked = &recovered.partitions[0].report;
    assert!(matches!(locked, Err(Error::Locked { .. })), "{locked:?}");
    assert!(
        recovered.partitions[3]
            .report
            .as_ref()
            .expect("recovered")
            .changed
    );
    drop(in_use);
    assert!(check(&home).is_clean());
}

#[test]
fn a_store_in_use_is_checked_and_not_recovered() {
    let (home, _) = closed_store();
    let store = home.open();
    let recovered = store::recover(home.path(), &StoreOptions::new(), &RecoverOptions::new());
    assert!(matches!(recovered, Err(Error::Locked { .. })), "{recovered:?}");
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for n in 0..60 {
                let name = format!("made {}", n % 3);
                store.create(&name, &plain()).expect("created");
                publish(&store.stream(&name).expect("there"), 0, "x").expect("published");
                both(&store, "more");
                store.delete(&name).expect("deleted");
                crate::support::until_purged(&store, &name);
            }
        });
        let mut checks = 0;
        while !writing.is_finished() {
            let report = check(&home);
            assert!(report.is_clean(), "{report:?}");
            checks += 1;
        }
        assert!(checks > 0);
    });
}

/// Goal: a damaged catalog costs no more than what cannot be read. Method: a byte is flipped in each message in turn;
/// what the catalog says afterwards of a stream is what some message said.
#[test]
fn a_damaged_catalog_is_recovered_as_far_as_it_can_be_read() {
    let (home, dirs) = closed_store();
    let catalog = home.path().join("catalog");
    damage(&catalog);
    let report = check(&home);
    assert!(!report.catalog.is_clean());
    assert_eq!(kinds(&report), [StoreProblemKind::Catalog]);
    assert_eq!(report.partitions.len(), 4, "those that are found are checked");
    assert!(home.options.open(home.path()).is_err());
    let recovered = recover(&home);
    assert!(recovered.changed() && catalog.join("quarantine").exists());
    let report = check(&home);
    assert!(report.catalog.is_clean(), "{report:?}");
    let store = home.open();
    assert!(!names(&store).is_empty());
    for name in names(&store) {
        assert_eq!(
            values(&store.stream(&name).expect("there"), 1)
                .expect("read")
                .len(),
            20
        );
    }
    let left = dirs.iter().filter(|dir| dir.exists()).count();
    let quarantine = home.path().join("quarantine");
    let aside = fs::read_dir(&quarantine).map_or(0, Iterator::count);
    assert_eq!(left + 2 * aside, 4, "nothing is lost");
}

#[test]
fn a_catalog_that_says_something_unknown_is_told_and_left_alone() {
    let (home, _) = closed_store();
    let catalog = Options::new().open(home.path().join("catalog")).expect("a log");
    let at = catalog
        .publish(&[NewMessage::new(b"short", b"x")])
        .expect("published")
        - 1;
    catalog.close().expect("closed");
    let report = check(&home);
    assert!(report.catalog.is_clean());
    assert_eq!(kinds(&report), [StoreProblemKind::Unknown]);
    assert_eq!(report.problems[0].offset, Some(at));
    assert!(
        report.problems[0]
            .to_string()
            .contains(&format!("catalog: offset {at}: "))
    );
    assert_eq!(report.partitions.len(), 4, "all else is checked");
    assert!(!recover(&home).changed());
    assert!(home.options.open(home.path()).is_err(), "only who wrote it knows");
}

#[test]
fn a_lost_catalog_is_told_and_not_made_up() {
    let (home, _) = closed_store();
    fs::remove_dir_all(home.path().join("catalog")).expect("removed");
    let report = check(&home);
    assert_eq!(kinds(&report), [StoreProblemKind::Catalog]);
    assert_eq!(report.partitions.len(), 4);
    let recovered = store::recover(home.path(), &StoreOptions::new(), &RecoverOptions::new());
    let is_so = matches!(
        recovered,
        Err(Error::Corrupt {
            kind: Corruption::Directory,
            ..
        })
    );
    assert!(is_so, "{recovered:?}");
    assert!(!home.path().join("catalog").exists());
}

/// Goal: what a `publish_to` has left to do does not keep a store from being opened if it cannot be understood.
/// Method: a message in the log of intents that is none.
#[test]
fn intents_that_are_not_understood_are_put_aside() {
    let (home, _) = closed_store();
    let intents = home.path().join("intents");
    let log = Options::new().open(&intents).expect("a log");
    let at = log.publish(&[NewMessage::value(b"nothing")]).expect("published") - 1;
    log.close().expect("closed");
    assert!(home.options.open(home.path()).is_err());
    let report = check(&home);
    assert_eq!(kinds(&report), [StoreProblemKind::Unknown]);
    assert_eq!(
        (&report.problems[0].path, report.problems[0].offset),
        (&intents, Some(at))
    );
    let recovered = recover(&home);
    assert_eq!(recovered.problems.len(), 1);
    assert!(!intents.exists() && home.path().join("quarantine").join("intents").exists());
    let store = home.open();
    both(&store, "again");
}
