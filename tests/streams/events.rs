//! Row: events.

use std::time::Duration;

use duramen::Start;
use duramen::store::{Partitions, Store, StreamEvent, StreamEventKind, StreamPatch};

use crate::support::{Home, plain, publish, until_purged};

fn all(store: &Store, from: Start) -> Vec<StreamEvent> {
    let mut events = store.events(from);
    let mut all = Vec::new();
    loop {
        let next = events.next(3, Some(Duration::ZERO)).expect("read");
        if next.is_empty() {
            return all;
        }
        assert!(next.len() <= 3);
        all.extend(next);
    }
}

/// What happens to a stream in its life.
fn a_life(store: &Store) {
    store.create("s", &plain().partitions(3)).expect("created");
    let stream = store.stream("s").expect("there");
    publish(&stream, 1, "a").expect("published");
    store
        .reconfigure("s", &StreamPatch::new().key_index(true))
        .expect("reconfigured");
    stream.seal(&Partitions::These(vec![0, 2])).expect("sealed");
    stream.unseal(&2.into()).expect("unsealed");
    stream.pause(&1.into(), false).expect("paused");
    publish(&stream, 1, "b").expect("published");
    store.delete("s").expect("deleted");
    until_purged(store, "s");
}

#[test]
fn each_change_is_an_event_with_an_increasing_offset() {
    use StreamEventKind::{Created, Deleted, Paused, Purged, Reconfigured, Resumed, Sealed, Unsealed};

    let home = Home::new();
    let store = home.open();
    a_life(&store);
    let events = all(&store, Start::Oldest);
    let found: Vec<_> = events
        .iter()
        .map(|event| (event.kind, event.partitions.clone()))
        .collect();
    let expected = [
        (Created, vec![]),
        (Reconfigured, vec![]),
        (Sealed, vec![0, 2]),
        (Unsealed, vec![2]),
        (Paused, vec![1]),
        (Resumed, vec![1]),
        (Deleted, vec![]),
        (Purged, vec![]),
    ];
    assert_eq!(found, expected);
    assert!(events.iter().all(|event| event.stream == "s"));
    assert!(
        events
            .windows(2)
            .all(|pair| pair[0].offset < pair[1].offset && pair[0].id == pair[1].id)
    );
    drop(store);
    assert_eq!(all(&home.open(), Start::Oldest), events, "after reopening");
}

#[test]
fn who_stores_the_next_offset_goes_on_there() {
    let home = Home::new();
    let store = home.open();
    a_life(&store);
    let whole = all(&store, Start::Oldest);
    let mut events = store.events(Start::Oldest);
    let mut first = events.next(3, None).expect("read");
    let at = events.next_offset().expect("known");
    drop((events, store));
    first.extend(all(&home.open(), Start::At(at)));
    assert_eq!(first, whole);
}

#[test]
fn what_changes_nothing_is_no_event() {
    let home = Home::new();
    let store = home.open();
    store.create("s", &plain()).expect("created");
    let stream = store.stream("s").expect("there");
    let before = all(&store, Start::Oldest);
    store.ensure("s", &plain()).expect("unchanged");
    store.reconfigure("s", &StreamPatch::new()).expect("unchanged");
    stream.resume(&Partitions::All).expect("unchanged");
    stream.unseal(&Partitions::All).expect("unchanged");
    assert_eq!(all(&store, Start::Oldest), before);
    stream.seal(&Partitions::All).expect("sealed");
    stream.seal(&Partitions::All).expect("unchanged");
    assert_eq!(all(&store, Start::Oldest).len(), before.len() + 1);
}

#[test]
fn who_waits_for_an_event_gets_it() {
    let home = Home::new();
    let store = home.open();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| store.events(Start::Oldest).next(9, Some(Duration::from_secs(20))));
        std::thread::sleep(Duration::from_millis(30));
        store.create("s", &plain()).expect("created");
        let events = waiting.join().expect("no panic").expect("read");
        assert_eq!(events.len(), 1);
    });
}

#[test]
fn a_scope_tells_of_its_own_streams() {
    let home = Home::new();
    let store = home.open();
    let scope = store.scoped("a/");
    store.create("b/x", &plain()).expect("created");
    scope.create("y", &plain()).expect("created");
    let events = all(&scope, Start::Oldest);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].stream, "y");
}
