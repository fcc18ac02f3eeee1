//! Row: names.

use duramen::Error;
use duramen::store::Store;

use crate::support::{Home, names, plain, publish, values};

fn is_refused(store: &Store, name: &str) -> bool {
    let created = matches!(store.create(name, &plain()), Err(Error::Invalid(_)));
    let ensured = matches!(store.ensure(name, &plain()), Err(Error::Invalid(_)));
    assert_eq!(created, ensured, "{name:?}");
    created
}

#[test]
fn a_name_has_from_1_to_512_bytes() {
    let home = Home::new();
    let store = home.open();
    assert!(is_refused(&store, "") && is_refused(&store, &"x".repeat(513)));
    assert!(is_refused(&store, &format!("{}x", "é".repeat(256))));
    assert!(store.create(&"é".repeat(256), &plain()).is_ok());
    assert!(store.create("x", &plain()).is_ok());
}

#[test]
fn names_with_nul_dots_and_two_underscores_are_refused() {
    let home = Home::new();
    let store = home.open();
    for name in ["a\0b", ".", "..", "__x", "__"] {
        assert!(is_refused(&store, name), "{name:?}");
    }
    for name in ["_x", "...", ".a", "a__b", " ", "\n", "👍"] {
        assert!(store.create(name, &plain()).is_ok(), "{name:?}");
    }
}

/// Goal: names never become paths. Method: names that lead out of the store if they did.
#[test]
fn a_name_is_no_path() {
    let home = Home::new();
    let store = home.open();
    for name in [
        "../out", "/tmp/out", "a/b", "a/../b", "a//b", "CON", "catalog", "streams",
    ] {
        store.create(name, &plain()).expect("created");
        let stream = store.stream(name).expect("there");
        publish(&stream, 0, name).expect("published");
        assert_eq!(values(&stream, 0).expect("read"), [name]);
    }
    store.close().expect("closed");
    let inside: Vec<_> = std::fs::read_dir(home.path())
        .expect("the store")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(inside.len(), 2, "{inside:?}");
    let above = home.path().parent().expect("a parent").read_dir().expect("read");
    assert_eq!(above.count(), 1, "nothing beside the store");
    assert_eq!(names(&home.open()).len(), 8);
}

#[test]
fn a_name_that_nobody_may_have_is_no_stream() {
    let home = Home::new();
    let store = home.open();
    for name in ["", ".."] {
        assert!(matches!(store.stream(name), Err(Error::NoStream { .. })));
        assert!(matches!(store.delete(name), Err(Error::NoStream { .. })));
    }
    // The store's own.
    assert!(matches!(store.stream("__x"), Err(Error::Invalid(_))));
    assert!(matches!(store.delete("__x"), Err(Error::Invalid(_))));
}

#[test]
fn a_scoped_store_sees_its_own_names_without_the_prefix() {
    let home = Home::new();
    let store = home.open();
    let (a, b) = (store.scoped("a/"), store.scoped("b/"));
    a.create("x", &plain()).expect("created");
    b.create("x", &plain()).expect("created");
    store.create("y", &plain()).expect("created");
    assert_eq!(
        (names(&a), names(&b)),
        (vec!["x".to_owned()], vec!["x".to_owned()])
    );
    assert_eq!(names(&store), ["a/x", "b/x", "y"]);
    publish(&a.stream("x").expect("there"), 0, "of a").expect("published");
    assert_eq!(
        values(&store.stream("a/x").expect("there"), 0).expect("read"),
        ["of a"]
    );
    assert!(
        values(&b.stream("x").expect("there"), 0)
            .expect("read")
            .is_empty()
    );
    assert_eq!(a.stream("x").expect("there").name(), "x");
    assert!(matches!(a.stream("y"), Err(Error::NoStream { .. })));
    b.delete("x").expect("deleted");
    assert_eq!(names(&a), ["x"]);
    let deeper = a.scoped("x");
    assert_eq!(names(&deeper), [""], "the prefix is no path either");
}

#[test]
fn what_is_wrong_with_the_whole_name_is_wrong_in_a_scope() {
    let home = Home::new();
    let store = home.open();
    assert!(is_refused(&store.scoped("__"), "x"));
    assert!(is_refused(&store.scoped("_"), "_x"));
    assert!(store.scoped("a").create("__x", &plain()).is_ok());
    assert!(is_refused(&store.scoped(&"x".repeat(500)), &"y".repeat(13)));
}
