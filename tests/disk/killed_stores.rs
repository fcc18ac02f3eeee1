//! `kill -9` at random moments of a process that uses a store, many times on one directory: while it opens, publishes,
//! makes and deletes streams, closes partitions and publishes to several at once.
//!
//! | variable | means |
//! |---|---|
//! | `DURAMEN_STORE_KILLS` | how many; default 120 |
//! | `DURAMEN_SEED` | what is drawn at random depends on it alone; moments do not repeat |

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use duramen::store::{self, ListOptions, Partitioner, Store, StoreOptions, StreamConfig};
use duramen::{Durability, Error, Log, NewMessage, PublishOptions, Start};
use fastrand::Rng;

use crate::common::{self, child, number, role};

/// The streams that stay, with their partitions. The first one is durable with each publish.
const STREAMS: [(&str, u32); 3] = [("durable", 1), ("fast", 3), ("third", 1)];
/// So many messages or parts that a child was told of may be read in the order of publishing.
const THREADS: u64 = 3;

fn options() -> StoreOptions {
    // Partitions come and go all the time.
    let options = StoreOptions::new().create_dirs(true);
    options.open_max(2).idle_after(Duration::from_millis(10))
}

fn say(line: &str) {
    io::stdout()
        .lock()
        .write_all(format!("{line}\n").as_bytes())
        .expect("a parent");
}

/// What the children of these tests do: use the store and tell what was acknowledged, until they are killed.
#[test]
fn in_a_child() {
    let Some(role) = role() else { return };
    let fields: Vec<u64> = role
        .split(' ')
        .map(|field| field.parse().expect("a number"))
        .collect();
    let (life, seed) = (fields[0], fields[1]);
    let dir = PathBuf::from(env::var_os("DURAMEN_DIR").expect("a directory"));
    say("\nopening");
    let store = options().open(dir).expect("an open");
    for (name, partitions) in STREAMS {
        let durability = if name == "durable" {
            Durability::EachPublish
        } else {
            Durability::Os
        };
        let config = StreamConfig::new().partitions(partitions).durability(durability);
        store.ensure(name, &config).expect("there");
    }
    say("\nopen");
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                let mut random = Rng::with_seed(seed ^ thread);
                for sequence in 0..20_000 {
                    let value = format!("{life}-{thread}-{sequence}");
                    work(store, &mut random, &value);
                }
            });
        }
    });
}

/// One call, and a line once it has returned.
fn work(store: &Store, random: &mut Rng, value: &str) {
    let message = [NewMessage::value(value.as_bytes())];
    match random.u8(..16) {
        0..=9 => {
            let (name, partitions) = STREAMS[random.usize(..STREAMS.len())];
            let to = random.u32(..partitions);
            let stream = store.stream(name).expect("there");
            let published = stream.publish(message[0], &Partitioner::To(to), &PublishOptions::new());
            published.expect("published");
            say(&format!("published {name} {to} {value}"));
        }
        10..=12 => {
            let streams = STREAMS.map(|(name, _)| store.stream(name).expect("there"));
            let number = random.u32(..3);
            let parts = [
                (&streams[0], 0, &message[..]),
                (&streams[1], number, &message[..]),
                (&streams[2], 0, &message[..]),
            ];
            say(&format!("atomic {number} {value}"));
            store.publish_to(&parts).expect("published");
            say(&format!("done {value}"));
        }
        13 => {
            let name = format!("of-{value}");
            store.create(&name, &StreamConfig::new()).expect("created");
            let stream = store.stream(&name).expect("there");
            let published = stream.publish(message[0], &Partitioner::To(0), &PublishOptions::new());
            published.expect("published");
            say(&format!("created {name} {value}"));
        }
        14 => {
            // One of its own, so that nobody else uses it.
            let own = value.rsplit_once('-').map_or("", |(own, _)| own).to_owned();
            let page = store
                .list(&ListOptions::new().prefix(format!("of-{own}-")))
                .expect("listed");
            let Some(info) = page.items.iter().find(|info| info.deleted_at.is_none()) else {
                return;
            };
            say(&format!("deleting {}", info.name));
            store.delete(&info.name).expect("deleted");
            say(&format!("deleted {}", info.name));
        }
        _ => {
            let stream = store.stream("fast").expect("there");
            let paused = stream.pause(&random.u32(..3).into(), random.bool());
            paused.expect("paused");
        }
    }
}

/// What the children were told.
#[derive(Debug, Default)]
struct Told {
    /// What is in a partition.
    published: BTreeMap<(String, u32), BTreeSet<String>>,
    /// To which partition of the second stream an atomic publish goes, and whether it was done.
    atomic: BTreeMap<String, (u32, bool)>,
    created: BTreeMap<String, String>,
    deleting: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

impl Told {
    fn line(&mut self, line: &str) {
        let fields: Vec<&str> = line.split(' ').collect();
        match fields[..] {
            ["published", name, number, value] => {
                let place = (name.to_owned(), number.parse().expect("a number"));
                self.published.entry(place).or_default().insert(value.to_owned());
            }
            ["atomic", number, value] => {
                let number = number.parse().expect("a number");
                self.atomic.insert(value.to_owned(), (number, false));
            }
            ["done", value] => self.atomic.get_mut(value).expect("begun").1 = true,
            ["created", name, value] => drop(self.created.insert(name.to_owned(), value.to_owned())),
            ["deleting", name] => drop(self.deleting.insert(name.to_owned())),
            ["deleted", name] => drop(self.deleted.insert(name.to_owned())),
            _ => {}
        }
    }

    /// That a store holds what was acknowledged, and each atomic publish as a whole or not at all.
    fn check(&self, store: &Store) {
        let mut found = BTreeMap::new();
        for (name, partitions) in STREAMS {
            for number in 0..partitions {
                found.insert((name.to_owned(), number), values(store, name, number));
            }
        }
        for (place, values) in &self.published {
            let lost: Vec<_> = values.difference(&found[place]).collect();
            assert!(lost.is_empty(), "lost of {place:?}: {lost:?}");
        }
        for (value, (number, is_done)) in &self.atomic {
            let places = [("durable", 0), ("fast", *number), ("third", 0)];
            let there = places.map(|(name, number)| found[&(name.to_owned(), number)].contains(value));
            let is_whole = there == [true; 3] || (there == [false; 3] && !is_done);
            assert!(
                is_whole,
                "an atomic publish to {places:?}: {there:?}, done: {is_done}"
            );
        }
        for (name, value) in &self.created {
            if self.deleting.contains(name) {
                continue;
            }
            assert_eq!(values(store, name, 0), BTreeSet::from([value.clone()]), "{name}");
        }
        for name in &self.deleted {
            let gone = store.stream(name);
            assert!(
                matches!(gone, Err(Error::NoStream { .. } | Error::StreamDeleting { .. })),
                "{name} was deleted: {gone:?}"
            );
        }
    }
}

/// The values in a partition, which has each once.
fn values(store: &Store, name: &str, number: u32) -> BTreeSet<String> {
    let stream = store
        .stream(name)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let log = stream.partition(number).expect("there").resume_on_read(true);
    let mut values = BTreeSet::new();
    let mut from = Start::Oldest;
    loop {
        let batch = log
            .consume(from, 1000)
            .unwrap_or_else(|error| panic!("{name}/{number}: {error}"));
        if batch.messages.is_empty() {
            return values;
        }
        from = Start::At(batch.next_offset);
        for message in batch.messages {
            let value = String::from_utf8(message.value.expect("a value").to_vec()).expect("a text");
            assert!(
                values.insert(value.clone()),
                "{value} is there twice in {name}/{number}"
            );
        }
    }
}

/// Starts a child, kills it `delay` after it has begun to open the store, or has opened it.
fn one_life(mut child: Child, opened: bool, delay: Duration, mut told: Told) -> Told {
    let said = BufReader::new(child.stdout.take().expect("a pipe"));
    let (begun, wait) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in said.lines().map_while(Result::ok) {
            if line == if opened { "open" } else { "opening" } {
                let _ = begun.send(());
            }
            told.line(&line);
        }
        told
    });
    let has_begun = wait.recv_timeout(Duration::from_secs(60)).is_ok();
    thread::sleep(delay);
    let alive = child.try_wait().expect("a child").is_none();
    child.kill().and_then(|()| child.wait()).expect("a child");
    let told = reader.join().expect("a reader");
    assert!(has_begun && alive, "the child ended by itself");
    told
}

/// Goal: whatever moment a process is killed at, the store opens by itself and has all that was acknowledged, atomic
/// publishes as a whole, and no stream that was deleted. Method: many lives of one directory.
#[test]
fn a_store_outlives_kills_at_any_moment() {
    let seed = common::seed("kills of a store");
    let mut random = Rng::with_seed(seed);
    let home = tempfile::tempdir().expect("a directory");
    let dir: &Path = &home.path().join("store");
    let kills = number("DURAMEN_STORE_KILLS", 60);
    let mut told = Told::default();
    for life in 0..kills {
        let early = random.u8(..4) == 0;
        let delay = Duration::from_micros(random.u64(..if early { 5000 } else { 60_000 }));
        let mut command = child(module_path!(), &format!("{life} {}", seed ^ life));
        command
            .env("DURAMEN_DIR", dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        told = one_life(command.spawn().expect("a child"), !early, delay, told);
        if random.u8(..3) > 0 && life + 1 < kills {
            continue;
        }
        if told.atomic.is_empty() && told.published.is_empty() {
            continue;
        }
        if random.bool() {
            let report = store::check(dir, &options()).expect("a check");
            assert!(report.is_clean(), "life {life}: {report:?}");
        }
        let store = options().open(dir).expect("opened");
        told.check(&store);
        if random.bool() {
            store.close().expect("closed");
        }
    }
    let published: usize = told.published.values().map(BTreeSet::len).sum();
    println!(
        "{kills} kills, {published} messages, {} atomic publishes, {} streams made and {} deleted",
        told.atomic.len(),
        told.created.len(),
        told.deleted.len()
    );
}
