//! Row: list.

use duramen::Error;
use duramen::store::{ListOptions, Store};

use crate::support::{Home, names, plain, publish};

fn store_of(home: &Home, names: &[&str]) -> Store {
    let store = home.open();
    for name in names {
        store.create(name, &plain()).expect("created");
    }
    store
}

fn page(store: &Store, how: &ListOptions) -> (Vec<String>, bool) {
    let page = store.list(how).expect("listed");
    let names = page.items.into_iter().map(|info| info.name).collect();
    (names, page.has_more)
}

#[test]
fn a_list_is_in_the_order_of_bytes() {
    let home = Home::new();
    let store = store_of(&home, &["b", "a", "é", "Z", "a\u{1}", "ab", "~"]);
    assert_eq!(names(&store), ["Z", "a", "a\u{1}", "ab", "b", "~", "é"]);
    drop(store);
    assert_eq!(names(&home.open()), ["Z", "a", "a\u{1}", "ab", "b", "~", "é"]);
}

#[test]
fn start_after_is_exclusive_and_need_not_exist() {
    let home = Home::new();
    let store = store_of(&home, &["a", "b", "c"]);
    let after = |name: &str| page(&store, &ListOptions::new().start_after(name)).0;
    assert_eq!(after("a"), ["b", "c"]);
    assert_eq!(after("aa"), ["b", "c"]);
    assert!(after("c").is_empty());
}

#[test]
fn a_prefix_may_come_before_or_behind_the_start() {
    let home = Home::new();
    let store = store_of(&home, &["a", "b1", "b2", "b3", "c"]);
    let list = |after: &str| page(&store, &ListOptions::new().prefix("b").start_after(after)).0;
    assert_eq!(list("a"), ["b1", "b2", "b3"]);
    assert_eq!(list("b1"), ["b2", "b3"]);
    assert!(list("c").is_empty() && list("b3").is_empty());
}

#[test]
fn has_more_is_exact() {
    let home = Home::new();
    let store = store_of(&home, &["b1", "b2", "b3", "c"]);
    let list = |limit| page(&store, &ListOptions::new().prefix("b").limit(limit));
    assert_eq!(list(2), (vec!["b1".to_owned(), "b2".to_owned()], true));
    assert!(!list(3).1 && !list(4).1);
    assert_eq!(list(3).0.len(), 3);
    assert_eq!(page(&store, &ListOptions::new().prefix("x")), (Vec::new(), false));
}

#[test]
fn a_limit_is_from_1_to_1000() {
    let home = Home::new();
    let store = home.open();
    for limit in [0, 1001, usize::MAX] {
        let refused = store.list(&ListOptions::new().limit(limit));
        assert!(matches!(refused, Err(Error::Invalid(_))));
    }
    assert!(store.list(&ListOptions::new().limit(1000)).is_ok());
}

#[test]
fn pages_are_the_whole_list() {
    let home = Home::new();
    let all: Vec<String> = (0..57).map(|n| format!("s{n:02}")).collect();
    let store = store_of(&home, &all.iter().map(String::as_str).collect::<Vec<_>>());
    let (mut found, mut last) = (Vec::new(), String::new());
    loop {
        let (names, has_more) = page(&store, &ListOptions::new().start_after(&last).limit(10));
        last.clone_from(names.last().expect("a page that is not empty"));
        found.extend(names);
        if !has_more {
            break;
        }
    }
    assert_eq!(found, all);
}

/// Goal: who lists streams sees that one is going. Method: a file that has the name of the trash is in its way.
#[test]
fn a_stream_that_is_being_deleted_is_listed_as_such() {
    let home = Home::new();
    let store = store_of(&home, &["a", "b"]);
    publish(&store.stream("a").expect("there"), 0, "x").expect("published");
    std::fs::write(home.path().join("trash"), "in the way").expect("written");
    let before = duramen::Timestamp::now();
    store.delete("a").expect("deleted");
    let page = store.list(&ListOptions::new()).expect("listed");
    let [a, b] = &page.items[..] else {
        panic!("{page:?}")
    };
    assert!(a.deleted_at.is_some_and(|at| at >= before), "{a:?}");
    assert_eq!((b.name.as_str(), b.deleted_at), ("b", None));
}
