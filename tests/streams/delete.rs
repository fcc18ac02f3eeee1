//! Row: delete.

use duramen::store::{ListOptions, StoreOptions, StreamPatch};
use duramen::{Error, Log, NewMessage, Options, Start};

use crate::support::{Home, names, plain, publish, until_purged, values, with_stream};

fn is_deleting<T: std::fmt::Debug>(result: duramen::Result<T>) {
    match result {
        Err(Error::StreamDeleting { .. } | Error::NoStream { .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_on_a_stream_that_was_deleted_fails() {
    let (_home, store, stream) = with_stream(2);
    let log = stream.partition(0).expect("there");
    publish(&stream, 0, "a").expect("published");
    store.delete("s").expect("deleted");
    is_deleting(log.publish(&[NewMessage::value(b"x")]));
    is_deleting(log.consume(Start::Oldest, 1));
    is_deleting(log.sync());
    is_deleting(stream.partition(1));
    is_deleting(publish(&stream, 1, "x"));
    is_deleting(stream.seal(&1.into()));
    is_deleting(stream.pause(&1.into(), false));
    is_deleting(store.config("s"));
    is_deleting(store.stream("s"));
    is_deleting(store.reconfigure("s", &StreamPatch::new()));
}

#[test]
fn the_files_are_gone_and_the_name_is_free() {
    let (home, store, stream) = with_stream(1);
    publish(&stream, 0, "a").expect("published");
    let dir = home.partition(&stream, 0);
    assert!(dir.exists());
    store.delete("s").expect("deleted");
    until_purged(&store, "s");
    assert!(!dir.exists() && !dir.parent().expect("a parent").exists());
    let trash = home.path().join("trash");
    assert_eq!(trash.read_dir().expect("the trash").count(), 0);
    store.create("s", &plain()).expect("created again");
    let again = store.stream("s").expect("there");
    assert!(values(&again, 0).expect("read").is_empty());
    assert_ne!(again.id().expect("an id"), stream.id().expect("an id"));
    // The old handle does not become one of the new stream.
    assert!(matches!(publish(&stream, 0, "x"), Err(Error::NoStream { .. })));
}

#[test]
fn repeating_succeeds_and_unknown_is_no_stream() {
    let (_home, store, _stream) = with_stream(1);
    assert!(matches!(store.delete("t"), Err(Error::NoStream { .. })));
    store.delete("s").expect("deleted");
    let again = store.delete("s");
    assert!(matches!(again, Ok(()) | Err(Error::NoStream { .. })));
}

#[test]
fn a_stream_that_nobody_has_used_is_deleted() {
    let (_home, store, _stream) = with_stream(3);
    store.delete("s").expect("deleted");
    until_purged(&store, "s");
    assert!(names(&store).is_empty());
}

/// Goal: what an earlier process has not removed is removed. Method: a store without background whose directory of
/// streams cannot be changed.
#[test]
fn a_deletion_is_finished_after_reopening() {
    let home = Home::new();
    let store = home.open();
    store.create("s", &plain()).expect("created");
    store.create("t", &plain()).expect("created");
    let stream = store.stream("s").expect("there");
    publish(&stream, 0, "a").expect("published");
    let dir = home.partition(&stream, 0);
    // Something that cannot be removed with the rest of the stream: it has the name of the trash.
    std::fs::write(home.path().join("trash"), "in the way").expect("written");
    store.delete("s").expect("deleted");
    let listed = store.list(&ListOptions::new()).expect("listed");
    assert!(
        listed
            .items
            .iter()
            .any(|info| info.name == "s" && info.deleted_at.is_some())
    );
    is_deleting(store.create("s", &plain()));
    store.close().expect("closed");
    assert!(dir.exists());

    std::fs::remove_file(home.path().join("trash")).expect("removed");
    let store = home.open();
    until_purged(&store, "s");
    assert!(!dir.exists());
    assert_eq!(names(&store), ["t"]);
}

#[test]
fn without_a_background_a_stream_is_removed_at_once() {
    let home = Home::with(|options| options.log(Options::new().background(false)));
    let store = home.open();
    store.create("s", &plain()).expect("created");
    publish(&store.stream("s").expect("there"), 0, "a").expect("published");
    store.delete("s").expect("deleted");
    assert!(names(&store).is_empty());
    assert!(matches!(store.delete("s"), Err(Error::NoStream { .. })));
}

/// Goal: who waits for messages learns that there will be none. Method: a thread that waits.
#[test]
fn who_waits_learns_that_the_stream_goes() {
    let (_home, store, stream) = with_stream(1);
    let log = duramen::BlockingLog::new(stream.partition(0).expect("there"));
    log.sync().expect("open");
    let waiting = std::thread::spawn(move || log.consume_blocking(Start::Oldest, 1, None));
    std::thread::sleep(std::time::Duration::from_millis(30));
    store.delete("s").expect("deleted");
    is_deleting(waiting.join().expect("no panic"));
}

/// Goal: a store whose deletions are read only after reopening is as any. Method: many streams.
#[test]
fn deleted_streams_stay_deleted_after_reopening() {
    let home = Home::new();
    let store = home.open();
    for n in 0..20 {
        store.create(&format!("s{n:02}"), &plain()).expect("created");
    }
    for n in (0..20).step_by(2) {
        store.delete(&format!("s{n:02}")).expect("deleted");
    }
    drop(store);
    let store = StoreOptions::new().open(home.path()).expect("opened");
    (0..20)
        .step_by(2)
        .for_each(|n| until_purged(&store, &format!("s{n:02}")));
    assert_eq!(names(&store).len(), 10);
}
