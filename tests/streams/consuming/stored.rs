#![expect(clippy::unnecessary_wraps, reason = "all cases have one signature")]

use std::sync::Arc;
use std::thread;

use duramen::store::{self, ListOptions, Store, StoreOptions};
use duramen::{Cursors, Error, Expect, Log, MemoryLog, NewMessage, Options, Result, Start, Stored, restore};

use crate::support::{Home, names, plain, publish, until_purged, with_stream};

/// The cursors of a store with a stream `s` of two partitions that have five messages each.
fn of_store() -> (Home, Store, Cursors) {
    let (home, store, stream) = with_stream(2);
    for partition in [0, 1] {
        for _ in 0..5 {
            publish(&stream, partition, "value").expect("published");
        }
    }
    let cursors = store.cursors();
    (home, store, cursors)
}

/// Cursors in a directory of their own, and a log `s` of five messages.
fn of_log() -> (tempfile::TempDir, Cursors) {
    let dir = tempfile::tempdir().expect("a directory");
    let cursors = Cursors::open(dir.path(), &Options::new()).expect("opened");
    (dir, cursors.with_log("s", &five()))
}

fn five() -> Arc<MemoryLog> {
    let log = MemoryLog::new();
    for _ in 0..5 {
        log.publish(&[NewMessage::value(b"value")]).expect("published");
    }
    Arc::new(log)
}

fn offset(stored: Result<Option<Stored>>) -> Option<u64> {
    stored.expect("read").map(|stored| stored.position.offset)
}

fn holds_the_next_offset(cursors: &Cursors) -> Result<()> {
    assert_eq!(cursors.get("a", "s", 0)?, None);
    let stored = cursors.set("a", "s", 0, 3, Expect::Any)?;
    assert_eq!(stored.position.offset, 3);
    assert_eq!(cursors.get("a", "s", 0)?, Some(stored));
    assert_eq!(cursors.get("b", "s", 0)?, None);
    assert_eq!(cursors.set("a", "s", 0, 5, Expect::Any)?.position.offset, 5);
    Ok(())
}

fn never_goes_back_but_by_reset(cursors: &Cursors) -> Result<()> {
    cursors.set("a", "s", 0, 3, Expect::Any)?;
    let back = cursors.set("a", "s", 0, 2, Expect::Any);
    assert!(matches!(
        back,
        Err(Error::CursorBehind {
            next_offset: 2,
            stored: 3
        })
    ));
    assert_eq!(offset(cursors.get("a", "s", 0)), Some(3));
    let before = cursors.get("a", "s", 0)?.expect("stored").version;
    let reset = cursors.reset("a", "s", 0, 1)?;
    assert_eq!(reset.position.offset, 1);
    assert!(reset.version > before);
    assert_eq!(cursors.get("a", "s", 0)?, Some(reset));
    Ok(())
}

fn is_compared_and_set_by_version(cursors: &Cursors) -> Result<()> {
    let none = cursors.set("a", "s", 0, 1, Expect::Version(1));
    assert!(matches!(
        none,
        Err(Error::CursorMismatch {
            expected: Some(1),
            actual: None
        })
    ));
    let first = cursors.set("a", "s", 0, 1, Expect::Absent)?;
    let again = cursors.set("a", "s", 0, 1, Expect::Absent);
    assert!(matches!(
        again,
        Err(Error::CursorMismatch {
            expected: None,
            actual: Some(_)
        })
    ));
    let second = cursors.set("a", "s", 0, 2, Expect::Version(first.version))?;
    assert!(second.version > first.version);
    let late = cursors.set("a", "s", 0, 3, Expect::Version(first.version));
    assert!(matches!(late, Err(Error::CursorMismatch { .. })), "{late:?}");
    assert_eq!(cursors.get("a", "s", 0)?, Some(second));
    Ok(())
}

fn is_not_written_where_it_is(cursors: &Cursors) -> Result<()> {
    let stored = cursors.set("a", "s", 0, 2, Expect::Any)?;
    assert_eq!(cursors.set("a", "s", 0, 2, Expect::Any)?, stored);
    assert_eq!(cursors.reset("a", "s", 0, 2)?, stored);
    Ok(())
}

fn is_not_beyond_the_end(cursors: &Cursors) -> Result<()> {
    let beyond = cursors.set("a", "s", 0, 6, Expect::Any);
    assert!(matches!(
        beyond,
        Err(Error::OffsetOutOfRange {
            offset: 6,
            next: 5,
            ..
        })
    ));
    assert!(matches!(
        cursors.reset("a", "s", 0, 6),
        Err(Error::OffsetOutOfRange { .. })
    ));
    assert_eq!(cursors.get("a", "s", 0)?, None);
    Ok(())
}

fn tells_how_far_behind_it_is(cursors: &Cursors) -> Result<()> {
    assert_eq!(cursors.lag("a", "s", 0)?, None);
    cursors.set("a", "s", 0, 2, Expect::Any)?;
    assert_eq!(cursors.lag("a", "s", 0)?, Some(3));
    cursors.set("a", "s", 0, 5, Expect::Any)?;
    assert_eq!(cursors.lag("a", "s", 0)?, Some(0));
    Ok(())
}

fn is_deleted(cursors: &Cursors) -> Result<()> {
    assert!(!cursors.delete("a", "s", 0)?);
    let before = cursors.set("a", "s", 0, 2, Expect::Any)?;
    assert!(cursors.delete("a", "s", 0)?);
    assert!(!cursors.delete("a", "s", 0)?);
    assert_eq!(cursors.get("a", "s", 0)?, None);
    let after = cursors.set("a", "s", 0, 1, Expect::Absent)?;
    assert!(after.version > before.version, "no version comes again");
    Ok(())
}

fn is_listed_by_prefix(cursors: &Cursors) -> Result<()> {
    assert_eq!(cursors.list("")?, []);
    for id in ["mail/b", "mail/a", "bill"] {
        cursors.set(id, "s", 0, 1, Expect::Any)?;
    }
    let ids = |prefix| -> Result<Vec<String>> {
        let listed = cursors.list(prefix)?;
        Ok(listed.into_iter().map(|cursor| cursor.id).collect())
    };
    assert_eq!(ids("")?, ["bill", "mail/a", "mail/b"]);
    assert_eq!(ids("mail/")?, ["mail/a", "mail/b"]);
    let bill = &cursors.list("bill")?[0];
    assert_eq!((&*bill.stream, bill.partition), ("s", 0));
    assert_eq!(Some(bill.stored), cursors.get("bill", "s", 0)?);
    Ok(())
}

fn has_a_name_within_its_bounds(cursors: &Cursors) -> Result<()> {
    let longest = "x".repeat(512);
    cursors.set(&longest, "s", 0, 1, Expect::Any)?;
    for id in ["", "a\0", &"x".repeat(513)] {
        assert!(matches!(
            cursors.set(id, "s", 0, 1, Expect::Any),
            Err(Error::Invalid(_))
        ));
        assert!(matches!(cursors.get(id, "s", 0), Err(Error::Invalid(_))));
    }
    Ok(())
}

fn needs_a_stream_and_a_partition_that_are_there(cursors: &Cursors) -> Result<()> {
    assert!(matches!(cursors.get("a", "x", 0), Err(Error::NoStream { .. })));
    assert!(matches!(
        cursors.set("a", "x", 0, 0, Expect::Any),
        Err(Error::NoStream { .. })
    ));
    assert!(matches!(cursors.get("a", "s", 9), Err(Error::Invalid(_))));
    Ok(())
}

fn goes_up_by_one_of_many_at_a_time(cursors: &Cursors) -> Result<()> {
    let step = |cursors: &Cursors| loop {
        let before = cursors.get("a", "s", 0)?;
        let expect = before.map_or(Expect::Absent, |stored| Expect::Version(stored.version));
        let next = before.map_or(0, |stored| stored.position.offset) + 1;
        match cursors.set("a", "s", 0, next, expect) {
            Err(Error::CursorMismatch { .. } | Error::CursorBehind { .. }) => {}
            done => return done.map(|_| ()),
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..5).map(|_| scope.spawn(|| step(cursors))).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().expect("no panic"))
    })?;
    assert_eq!(offset(cursors.get("a", "s", 0)), Some(5));
    Ok(())
}

macro_rules! each_kind {
    ($($case:ident)*) => {
        mod in_a_store {
            $(
                #[test]
                fn $case() -> duramen::Result<()> {
                    let (_home, _store, cursors) = super::of_store();
                    super::$case(&cursors)
                }
            )*
        }
        mod of_a_log {
            $(
                #[test]
                fn $case() -> duramen::Result<()> {
                    let (_dir, cursors) = super::of_log();
                    super::$case(&cursors)
                }
            )*
        }
    };
}

each_kind! {
    holds_the_next_offset
    never_goes_back_but_by_reset
    is_compared_and_set_by_version
    is_not_written_where_it_is
    is_not_beyond_the_end
    tells_how_far_behind_it_is
    is_deleted
    is_listed_by_prefix
    has_a_name_within_its_bounds
    needs_a_stream_and_a_partition_that_are_there
    goes_up_by_one_of_many_at_a_time
}

#[test]
fn cursors_of_a_store_are_there_when_it_is_opened_again() -> Result<()> {
    let (home, store, cursors) = of_store();
    let stored = cursors.set("a", "s", 1, 4, Expect::Any)?;
    cursors.set("b", "s", 1, 4, Expect::Any)?;
    cursors.delete("b", "s", 1)?;
    store.close()?;
    drop((store, cursors));
    let store = home.open();
    assert_eq!(store.cursors().get("a", "s", 1)?, Some(stored));
    assert_eq!(store.cursors().get("b", "s", 1)?, None);
    assert_eq!(store.cursors().get("a", "s", 0)?, None);
    Ok(())
}

#[test]
fn cursors_of_a_log_are_there_when_they_are_opened_again() -> Result<()> {
    let dir = tempfile::tempdir().expect("a directory");
    let log = five();
    let open = || Cursors::open(dir.path(), &Options::new()).map(|cursors| cursors.with_log("s", &log));
    let cursors = open()?;
    let stored = cursors.set("a", "s", 0, 4, Expect::Any)?;
    assert!(matches!(open(), Err(Error::Locked { .. })), "one writer");
    cursors.sync()?;
    drop(cursors);
    assert_eq!(open()?.get("a", "s", 0)?, Some(stored));
    Ok(())
}

#[test]
fn a_cursor_of_another_stream_of_the_name_is_told() -> Result<()> {
    let (_home, store, cursors) = of_store();
    cursors.set("a", "s", 0, 4, Expect::Any)?;
    store.delete("s")?;
    until_purged(&store, "s");
    assert!(matches!(cursors.get("a", "s", 0), Err(Error::NoStream { .. })));
    store.create("s", &plain())?;
    publish(&store.stream("s")?, 0, "value")?;
    let told =
        |told: Result<Option<Stored>>| assert!(matches!(told, Err(Error::EpochChanged { .. })), "{told:?}");
    told(cursors.get("a", "s", 0));
    told(cursors.set("a", "s", 0, 1, Expect::Any).map(Some));
    assert_eq!(cursors.list("a")?.len(), 1);
    cursors.reset("a", "s", 0, 0)?;
    assert_eq!(offset(cursors.get("a", "s", 0)), Some(0));
    store.delete("s")?;
    assert!(cursors.delete("a", "s", 0)?, "also without the stream");
    Ok(())
}

#[test]
fn a_cursor_beyond_what_a_restore_has_is_told() -> Result<()> {
    let home = tempfile::tempdir().expect("a directory");
    let at = |name: &str| home.path().join(name);
    let log = Arc::new(Options::new().create_dirs(true).open(at("log"))?);
    let options = Options::new().create_dirs(true);
    let cursors = Cursors::open(at("cursors"), &options)?;
    log.publish(&[NewMessage::value(b"0")])?;
    log.backup(&at("backup"))?;
    log.publish(&[NewMessage::value(b"1")])?;
    let of_first = cursors.clone().with_log("s", &log);
    of_first.set("behind", "s", 0, 1, Expect::Any)?;
    let read = log.position()?.at(2);
    of_first.set_position("beyond", "s", 0, read, Expect::Any)?;

    restore(at("backup"), at("restored"), Start::Newest)?;
    let restored = Arc::new(Options::new().open(at("restored"))?);
    restored.publish(&[NewMessage::value(b"another"), NewMessage::value(b"more")])?;
    let cursors = cursors.with_log("s", &restored);
    assert_eq!(offset(cursors.get("behind", "s", 0)), Some(1));
    assert!(matches!(
        cursors.get("beyond", "s", 0),
        Err(Error::EpochChanged { .. })
    ));
    assert!(matches!(
        cursors.lag("beyond", "s", 0),
        Err(Error::EpochChanged { .. })
    ));
    let of_other_life = cursors.set_position("behind", "s", 0, read, Expect::Any);
    assert!(matches!(of_other_life, Err(Error::EpochChanged { .. })));
    cursors.reset("beyond", "s", 0, 1)?;
    assert_eq!(offset(cursors.get("beyond", "s", 0)), Some(1));
    Ok(())
}

#[test]
fn a_backup_of_a_store_has_its_cursors() -> Result<()> {
    let (home, store, cursors) = of_store();
    cursors.set("a", "s", 1, 3, Expect::Any)?;
    let backup = home.path().with_extension("backup");
    store.backup(&backup)?;
    let restored = home.path().with_extension("restored");
    store::restore(&backup, &restored, &StoreOptions::new())?;
    let restored = StoreOptions::new().open(&restored)?;
    assert_eq!(offset(restored.cursors().get("a", "s", 1)), Some(3));
    assert!(store::check(home.path(), &home.options)?.is_clean());
    Ok(())
}

#[test]
fn the_stream_of_the_cursors_is_the_stores_own() -> Result<()> {
    let (_home, store, cursors) = of_store();
    cursors.set("a", "s", 0, 3, Expect::Any)?;
    assert_eq!(names(&store), ["s"]);
    assert!(!store.list(&ListOptions::new().limit(1))?.has_more);
    let refused = |result: Result<()>| assert!(matches!(result, Err(Error::Invalid(_))), "{result:?}");
    refused(store.create("__cursors", &plain()).map(|_| ()));
    refused(store.stream("__cursors").map(|_| ()));
    refused(store.delete("__cursors"));
    refused(
        store
            .reconfigure("__cursors", &store::StreamPatch::new())
            .map(|_| ()),
    );
    let events = store
        .events(Start::Oldest)
        .next(100, Some(std::time::Duration::ZERO))?;
    assert!(events.iter().all(|event| event.stream == "s"), "{events:?}");
    Ok(())
}

#[test]
fn a_scoped_store_has_the_cursors_of_its_streams() -> Result<()> {
    let home = Home::new();
    let store = home.open();
    let tenant = store.scoped("tenant/");
    for (store, name) in [(&store, "s"), (&tenant, "s")] {
        store.create(name, &plain())?;
        publish(&store.stream(name)?, 0, "value")?;
    }
    tenant.cursors().set("a", "s", 0, 1, Expect::Any)?;
    assert_eq!(store.cursors().get("a", "s", 0)?, None);
    assert_eq!(offset(store.cursors().get("a", "tenant/s", 0)), Some(1));
    let listed = |store: &Store| -> Result<Vec<String>> {
        Ok(store
            .cursors()
            .list("")?
            .into_iter()
            .map(|cursor| cursor.stream)
            .collect())
    };
    assert_eq!(listed(&tenant)?, ["s"]);
    assert_eq!(listed(&store)?, ["tenant/s"]);
    Ok(())
}

#[test]
fn a_store_that_is_only_read_sees_what_its_writer_stores() -> Result<()> {
    let (home, _store, cursors) = of_store();
    let reader = home.open_to_read();
    assert_eq!(reader.cursors().get("a", "s", 0)?, None);
    cursors.set("a", "s", 0, 2, Expect::Any)?;
    assert_eq!(offset(reader.cursors().get("a", "s", 0)), Some(2));
    cursors.set("a", "s", 0, 3, Expect::Any)?;
    cursors.set("b", "s", 0, 3, Expect::Any)?;
    cursors.delete("b", "s", 0)?;
    assert_eq!(offset(reader.cursors().get("a", "s", 0)), Some(3));
    assert_eq!(reader.cursors().list("")?.len(), 1);
    let refused = reader.cursors().set("a", "s", 0, 4, Expect::Any);
    assert!(matches!(refused, Err(Error::ReadOnly)));
    Ok(())
}

#[test]
fn what_is_superseded_is_removed_as_it_goes() -> Result<()> {
    let dir = tempfile::tempdir().expect("a directory");
    let log = Arc::new(MemoryLog::new());
    let cursors = Cursors::open(dir.path(), &Options::new())?.with_log("s", &log);
    for offset in 1..=5000 {
        log.publish(&[NewMessage::value(b"v")])?;
        cursors.set("a", "s", 0, offset, Expect::Any)?;
    }
    drop(cursors);
    let kept = Options::new().open(dir.path())?.stat()?.messages;
    assert!(kept < 1100, "{kept}");
    let cursors = Cursors::open(dir.path(), &Options::new())?.with_log("s", &log);
    assert_eq!(offset(cursors.get("a", "s", 0)), Some(5000));
    Ok(())
}

#[test]
fn a_log_of_other_things_keeps_no_cursors() -> Result<()> {
    let dir = tempfile::tempdir().expect("a directory");
    Options::new()
        .open(dir.path())?
        .publish(&[NewMessage::new(b"key", b"value")])?;
    let refused = Cursors::open(dir.path(), &Options::new());
    assert!(
        matches!(refused, Err(Error::Corrupt { offset: Some(0), .. })),
        "{refused:?}"
    );
    Ok(())
}
