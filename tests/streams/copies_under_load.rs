//! Row: backup while everything goes on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use duramen::store::{self, ListOptions, Store, StoreOptions, Stream, StreamConfig};
use duramen::{Error, Log, NewMessage, Start};

use crate::support::{Home, plain, publish};

const PAIRS: u32 = 3;

/// How many backups are taken: `DURAMEN_BACKUPS`.
fn rounds_wanted() -> u32 {
    std::env::var("DURAMEN_BACKUPS").map_or(12, |value| value.parse().expect("a number"))
}

/// Between two calls of a thread, so that the store does not grow faster than it is copied.
fn pause() {
    thread::sleep(Duration::from_millis(2));
}

/// Goal: a copy is a store in which everything is there that its catalog knows, nothing else, and each atomic publish
/// as a whole. Method: threads publish, publish to several partitions, seal and unseal, make and delete streams;
/// backups go to two directories in turn, and each is opened for reading, restored, and the restored store opened for
/// writing.
#[test]
fn copies_are_whole_while_everything_goes_on() {
    let home = Home::with(|options| options.open_max(5).idle_after(Duration::from_millis(20)));
    let store = home.open();
    for name in ["one", "other"] {
        store.create(name, &plain().partitions(PAIRS)).expect("created");
    }
    let is_over = AtomicBool::new(false);
    let go_on = || !is_over.load(Ordering::Relaxed);
    thread::scope(|scope| {
        for pair in 0..PAIRS {
            let (store, go_on) = (&store, &go_on);
            scope.spawn(move || publish_pairs(store, pair, go_on));
        }
        scope.spawn(|| come_and_go(&store, &go_on));
        scope.spawn(|| publish_alone(&store, &go_on));
        scope.spawn(|| seal_and_unseal(&store, &go_on));
        let done = thread::scope(|inner| inner.spawn(|| rounds(&home, &store)).join());
        is_over.store(true, Ordering::Relaxed);
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

fn rounds(home: &Home, store: &Store) {
    let [left, right, again] = ["left", "right", "again"].map(|name| home.path().with_extension(name));
    let mut last = BTreeMap::new();
    for round in 0..rounds_wanted() {
        let copy = if round % 2 == 0 { &left } else { &right };
        store.backup(copy).expect("a backup");
        let report = store::check(copy, &StoreOptions::new()).expect("checked");
        assert!(
            report.is_clean() && report.trash.is_empty(),
            "round {round}: {report:?}"
        );
        assert!(!copy.join("intents").exists() && !copy.join("quarantine").exists());
        let opened = StoreOptions::new().read_only(true).open(copy).expect("opened");
        let lens = is_whole(&opened);
        for (number, len) in &lens {
            assert!(
                last.get(number).is_none_or(|before| before <= len),
                "round {round}: older"
            );
        }
        last = lens;
        opened.close().expect("closed");
        if round % 4 == 3 {
            let _ = fs::remove_dir_all(&again);
            store::restore(copy, &again, &StoreOptions::new()).expect("restored");
            opens_for_writing(&again);
        }
    }
    opens_for_writing(&left);
}

fn opens_for_writing(dir: &Path) {
    let opened = StoreOptions::new().open(dir).expect("opened");
    assert!(!dir.join("quarantine").exists(), "nothing is unknown");
    is_whole(&opened);
    opened.create("new", &StreamConfig::new()).expect("created");
    opened.close().expect("closed");
}

/// That each stream opens, and both partitions of a pair have the same; returns how much the pairs have.
fn is_whole(store: &Store) -> BTreeMap<u32, usize> {
    for info in store.list(&ListOptions::new()).expect("listed").items {
        if info.deleted_at.is_some() {
            continue;
        }
        let stream = match store.stream(&info.name) {
            // Deleting goes on in a store that is open for writing.
            Err(Error::NoStream { .. } | Error::StreamDeleting { .. }) => continue,
            stream => stream.expect("there"),
        };
        for number in 0..info.partitions {
            let log = stream.partition(number).expect("there");
            match log.is_sealed() {
                Ok(is_sealed) if info.name == "sealing" => {
                    assert!(
                        info.sealed.contains(&number) || !is_sealed,
                        "sealed without the catalog"
                    );
                }
                Ok(_) | Err(Error::NoLog { .. }) => {}
                Err(error) => panic!("{}/{number}: {error}", info.name),
            }
        }
    }
    let (one, other) = (
        store.stream("one").expect("there"),
        store.stream("other").expect("there"),
    );
    let pairs = (0..PAIRS).map(|pair| {
        let (one, other) = (of_pairs(&one, pair), of_pairs(&other, pair));
        assert_eq!(one, other, "pair {pair}");
        (pair, one.len())
    });
    pairs.collect()
}

/// What was published to a partition together with its pair.
fn of_pairs(stream: &Stream, number: u32) -> Vec<String> {
    let log = stream.partition(number).expect("there");
    let mut found = Vec::new();
    let mut at = Start::Oldest;
    loop {
        let batch = match log.consume(at, 1000) {
            Err(Error::NoLog { .. }) => return found,
            batch => batch.expect("read"),
        };
        at = Start::At(batch.next_offset);
        if batch.messages.is_empty() {
            return found;
        }
        let texts = batch.messages.into_iter().filter_map(|message| message.value);
        let texts = texts.map(|text| String::from_utf8_lossy(&text).into_owned());
        found.extend(texts.filter(|text| text != "alone"));
    }
}

fn publish_pairs(store: &Store, pair: u32, go_on: &impl Fn() -> bool) {
    let (one, other) = (
        store.stream("one").expect("there"),
        store.stream("other").expect("there"),
    );
    let mut n = 0;
    while go_on() {
        let text = format!("{pair}-{n}");
        let message = [NewMessage::value(text.as_bytes())];
        let parts = [(&one, pair, &message[..]), (&other, pair, &message[..])];
        store.publish_to(&parts).expect("published");
        n += 1;
        pause();
    }
}

fn publish_alone(store: &Store, go_on: &impl Fn() -> bool) {
    let streams = ["one", "other"].map(|name| store.stream(name).expect("there"));
    for n in 0_u32.. {
        if !go_on() {
            return;
        }
        publish(&streams[(n % 2) as usize], n / 2 % PAIRS, "alone").expect("published");
        pause();
    }
}

fn come_and_go(store: &Store, go_on: &impl Fn() -> bool) {
    for n in 0.. {
        if !go_on() {
            return;
        }
        let name = format!("stream {n}");
        store.create(&name, &plain().partitions(2)).expect("created");
        let stream = store.stream(&name).expect("there");
        publish(&stream, n % 2, "x").expect("published");
        if n >= 5 {
            store.delete(&format!("stream {}", n - 5)).expect("deleted");
        }
        pause();
    }
}

fn seal_and_unseal(store: &Store, go_on: &impl Fn() -> bool) {
    store.create("sealing", &plain()).expect("created");
    let stream = store.stream("sealing").expect("there");
    while go_on() {
        publish(&stream, 0, "x").expect("published");
        stream.seal(&0.into()).expect("sealed");
        stream.unseal(&0.into()).expect("unsealed");
        pause();
    }
}
