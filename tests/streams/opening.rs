//! Row: layout; opening a store that is damaged, locked, read by others.

use std::fs;
use std::time::{Duration, Instant};

use duramen::store::{StoreOptions, StreamConfig, StreamPatch};
use duramen::{BlockingLog, Corruption, Error, Log, NewMessage, Options, Start};

use crate::support::{Home, names, plain, publish, until_purged, values, with_stream};

#[test]
fn a_missing_directory_is_no_store() {
    let home = Home::new();
    let missing = StoreOptions::new().open(home.path());
    assert!(matches!(missing, Err(Error::NoLog { .. })));
    let read = StoreOptions::new().read_only(true).open(home.path());
    assert!(matches!(read, Err(Error::NoLog { .. })));
    assert!(!home.path().exists());
}

#[test]
fn a_store_has_one_writer() {
    let home = Home::new();
    let store = home.open();
    assert!(matches!(
        home.options.open(home.path()),
        Err(Error::Locked { .. })
    ));
    store.close().expect("closed");
    assert!(home.options.open(home.path()).is_ok());
}

#[test]
fn a_closed_store_refuses_everything() {
    let (_home, store, stream) = with_stream(1);
    let log = stream.partition(0).expect("there");
    publish(&stream, 0, "a").expect("published");
    store.close().expect("closed");
    store.close().expect("closed again");
    assert!(matches!(store.create("t", &plain()), Err(Error::Closed)));
    assert!(matches!(store.stream("s"), Err(Error::Closed)));
    assert!(matches!(publish(&stream, 0, "b"), Err(Error::Closed)));
    assert!(matches!(log.consume(Start::Oldest, 1), Err(Error::Closed)));
    assert!(matches!(stream.partition(0), Err(Error::Closed)));
}

#[test]
fn a_directory_with_other_things_is_refused_and_left_alone() {
    let home = Home::new();
    fs::create_dir(home.path()).expect("made");
    fs::write(home.path().join("notes.txt"), "mine").expect("written");
    let refused = home.options.open(home.path());
    assert!(matches!(refused, Err(Error::Invalid(_))));
    assert_eq!(fs::read_dir(home.path()).expect("read").count(), 1);
    // A log is no store either.
    let log = home.path().with_extension("log");
    Options::new().create_dirs(true).open(&log).expect("a log");
    assert!(matches!(home.options.open(&log), Err(Error::Invalid(_))));
}

#[test]
fn a_directory_that_the_catalog_does_not_know_is_quarantined() {
    let (home, store, stream) = with_stream(1);
    publish(&stream, 0, "a").expect("published");
    drop((store, stream));
    let foreign = home.path().join("streams").join("0".repeat(32));
    fs::create_dir_all(foreign.join("0")).expect("made");
    fs::write(foreign.join("0").join("kept"), "all that is left").expect("written");
    fs::write(home.path().join("streams").join("a file"), "too").expect("written");
    for round in 0..2 {
        let store = home.open();
        assert_eq!(names(&store), ["s"]);
        assert_eq!(
            values(&store.stream("s").expect("there"), 0).expect("read"),
            ["a"]
        );
        drop(store);
        let kept = home
            .path()
            .join("quarantine")
            .join("0".repeat(32))
            .join("0")
            .join("kept");
        assert!(kept.exists(), "round {round}");
        assert!(home.path().join("quarantine").join("a file").exists());
        assert!(!foreign.exists());
    }
}

#[test]
fn a_second_unknown_directory_of_a_name_does_not_replace_the_first() {
    let home = Home::new();
    home.open().create("s", &plain()).expect("created");
    for round in ["first", "second", "third"] {
        let foreign = home.path().join("streams").join("x");
        fs::create_dir(&foreign).expect("made");
        fs::write(foreign.join(round), "").expect("written");
        drop(home.open());
    }
    let quarantine = home.path().join("quarantine");
    for (name, round) in [("x", "first"), ("x.1", "second"), ("x.2", "third")] {
        assert!(quarantine.join(name).join(round).exists());
    }
}

fn is_lost<T: std::fmt::Debug>(result: duramen::Result<T>) {
    match result {
        Err(Error::Corrupt {
            kind: Corruption::Directory,
            ..
        }) => {}
        other => panic!("{other:?}"),
    }
}

/// Goal: a partition whose directory was lost is not an empty one. Method: all that may be lost of it.
#[test]
fn a_lost_directory_is_damage_and_not_an_empty_partition() {
    for depth in 0..2 {
        let (home, store, stream) = with_stream(2);
        publish(&stream, 0, "a").expect("published");
        let dir = home.partition(&stream, 0);
        drop((store, stream));
        let lost = if depth == 0 {
            dir.as_path()
        } else {
            dir.parent().expect("a parent")
        };
        fs::remove_dir_all(lost).expect("removed");
        let store = home.open();
        let stream = store.stream("s").expect("there");
        is_lost(values(&stream, 0));
        is_lost(publish(&stream, 0, "b"));
        assert!(!dir.exists(), "nothing was made in its place");
        assert!(publish(&stream, 1, "b").is_ok());
        store.delete("s").expect("it can be deleted");
        until_purged(&store, "s");
    }
}

#[test]
fn an_empty_directory_is_not_an_empty_partition() {
    let (home, store, stream) = with_stream(1);
    publish(&stream, 0, "a").expect("published");
    let dir = home.partition(&stream, 0);
    drop((store, stream));
    fs::remove_dir_all(&dir).expect("removed");
    fs::create_dir(&dir).expect("made");
    let stream = home.open().stream("s").expect("there");
    assert!(matches!(values(&stream, 0), Err(Error::NoLog { .. })));
}

#[test]
fn a_lost_catalog_does_not_cost_the_streams() {
    let (home, store, stream) = with_stream(1);
    publish(&stream, 0, "a").expect("published");
    let dir = home.partition(&stream, 0);
    drop((store, stream));
    let catalog = home.path().join("catalog");
    let aside = home.path().with_extension("aside");
    fs::rename(&catalog, &aside).expect("moved");
    is_lost(home.options.open(home.path()));
    assert!(dir.exists() && !catalog.exists());
    fs::create_dir(&catalog).expect("made");
    is_lost(home.options.open(home.path()));
    assert!(dir.exists());
    fs::remove_dir_all(&catalog).expect("removed");
    fs::rename(&aside, &catalog).expect("moved back");
    assert_eq!(
        values(&home.open().stream("s").expect("there"), 0).expect("read"),
        ["a"]
    );
}

/// Goal: a message of the catalog that is whole and says nothing known is told. Method: a log that is written to
/// directly.
#[test]
fn a_catalog_that_says_something_unknown_is_refused() {
    for (key, value) in [
        (&b"short"[..], &b"x"[..]),
        (&[0; 16], b"\x02later"),
        (&[0; 16], b""),
    ] {
        let (home, store, stream) = with_stream(1);
        drop((store, stream));
        let catalog = Options::new().open(home.path().join("catalog")).expect("a log");
        catalog
            .publish(&[NewMessage::new(key, value)])
            .expect("published");
        drop(catalog);
        let refused = home.options.open(home.path());
        let is_so = matches!(
            refused,
            Err(Error::Corrupt {
                kind: Corruption::Catalog,
                ..
            })
        );
        assert!(is_so, "{refused:?}");
    }
}

#[test]
fn a_reader_sees_what_the_writer_does() {
    let (home, store, stream) = with_stream(1);
    publish(&stream, 0, "a").expect("published");
    let reader = home.open_to_read();
    let read = reader.stream("s").expect("there");
    assert_eq!(values(&read, 0).expect("read"), ["a"]);
    publish(&stream, 0, "b").expect("published");
    assert_eq!(values(&read, 0).expect("read"), ["a", "b"]);

    store.create("t", &plain()).expect("created");
    assert_eq!(names(&reader), ["s", "t"]);
    let unused = values(&reader.stream("t").expect("there"), 0);
    assert!(matches!(unused, Err(Error::NoLog { .. })));
    store
        .reconfigure("s", &StreamPatch::new().require_token(true))
        .expect("reconfigured");
    assert_eq!(reader.config("s").expect("there").require_token, Some(true));
    stream.pause(&0.into(), false).expect("paused");
    assert!(matches!(values(&read, 0), Err(Error::Paused { .. })));
    publish(&stream, 0, "c").expect("resumed");
    assert_eq!(values(&read, 0).expect("read"), ["a", "b", "c"]);
    store.delete("s").expect("deleted");
    until_purged(&store, "s");
    assert!(matches!(values(&read, 0), Err(Error::NoStream { .. })));
    assert_eq!(names(&reader), ["t"]);
}

#[test]
fn a_reader_changes_nothing() {
    let (home, store, stream) = with_stream(1);
    publish(&stream, 0, "a").expect("published");
    let reader = home.open_to_read();
    let read = reader.stream("s").expect("there");
    assert!(matches!(reader.create("t", &plain()), Err(Error::ReadOnly)));
    assert!(matches!(reader.ensure("s", &plain()), Err(Error::ReadOnly)));
    assert!(matches!(reader.delete("s"), Err(Error::ReadOnly)));
    assert!(matches!(publish(&read, 0, "b"), Err(Error::ReadOnly)));
    assert!(matches!(read.seal(&0.into()), Err(Error::ReadOnly)));
    assert!(matches!(read.pause(&0.into(), true), Err(Error::ReadOnly)));
    reader.close().expect("closed");
    drop(store);
}

/// Goal: who waits at a store that is open for reading only gets what a writer publishes, and learns that the stream
/// goes, soon. Method: a thread that waits for long; at its end it would find both anyway.
#[test]
fn who_waits_at_a_reader_gets_messages() {
    const LONG: Duration = Duration::from_secs(20);
    let (home, store, stream) = with_stream(1);
    publish(&stream, 0, "a").expect("published");
    let reader = home.open_to_read();
    let log = reader.stream("s").and_then(|stream| stream.partition(0));
    let log = BlockingLog::new(log.expect("there"));
    let wait_during = |from: u64, change: &dyn Fn()| {
        let begun = Instant::now();
        let batch = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| log.consume_blocking(Start::At(from), 1, Some(LONG)));
            std::thread::sleep(Duration::from_millis(50));
            change();
            waiting.join().expect("no panic")
        });
        assert!(begun.elapsed() < LONG, "nobody woke the reader");
        batch
    };
    let published = || {
        publish(&stream, 0, "b").expect("published");
    };
    let batch = wait_during(1, &published).expect("read");
    assert_eq!(batch.messages.len(), 1);
    let gone = wait_during(2, &|| store.delete("s").expect("deleted"));
    assert!(
        matches!(gone, Err(Error::StreamDeleting { .. } | Error::NoStream { .. })),
        "{gone:?}"
    );
}

/// Who looks at a store while it is being made finds none yet, and no damage.
#[test]
fn a_store_that_is_half_made_is_none() {
    let home = Home::new();
    home.open().close().expect("closed");
    fs::remove_dir(home.path().join("streams")).expect("empty");
    let found = StoreOptions::new().read_only(true).open(home.path());
    assert!(matches!(found, Err(Error::NoLog { .. })), "{found:?}");
    home.open().create("s", &StreamConfig::new()).expect("created");
    fs::remove_dir(home.path().join("streams")).expect("empty");
    let found = StoreOptions::new().read_only(true).open(home.path());
    assert!(matches!(found, Err(Error::Corrupt { .. })), "{found:?}");
}
